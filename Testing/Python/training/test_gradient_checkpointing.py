"""iVAN that computes its dense blocks' maps again learns what iVAN that keeps them learns, bit for bit."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from InvertibleFusionLib.models.dense_block import DenseBlock, checkpoint_dense_blocks
from InvertibleFusionLib.models.ivan import Ivan, IvanConfiguration
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.ivan_objective import IvanLoss, IvanObjective
from InvertibleFusionLib.training.objective import Batch
from InvertibleFusionLib.training.recipe import recipe_for
from InvertibleFusionLib.training.run import train_model

GREY, COLOUR = (1,), (3,)
CHANNELS = {2: (GREY, GREY), 3: (GREY, COLOUR), 4: (GREY * 4, GREY), 6: (GREY * 2, COLOUR)}
"""Of the flow, by inputs and outputs."""


@pytest.fixture
def one_process() -> Iterator[None]:
    """A group of this process alone, in which gradients are shared as among many."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def objective(channels: int, dtype: torch.dtype, loss: IvanLoss) -> IvanObjective:
    """With weights away from their start, where the network is the identity."""
    network = Ivan(IvanConfiguration(*CHANNELS[channels], blocks=2, growth=3), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return IvanObjective(network.to(dtype), loss)


def batch(contrasts: int) -> Batch:
    """Slices of an odd size."""
    images = torch.rand(2, contrasts, 7, 5, generator=torch.Generator().manual_seed(3))
    return {"images": images, "seed": torch.arange(2)}


def gradients(module: nn.Module, trained: Ivan, dtype: torch.dtype) -> list[Tensor]:
    """Of all weights, from both directions of the flow."""
    given = batch(sum(trained.inputs) + sum(trained.outputs))
    module(given | {"images": given["images"].to(dtype)}, "network")["total"].backward()
    found = [parameter.grad for parameter in trained.parameters()]
    return [gradient for gradient in found if gradient is not None]


@pytest.mark.parametrize("by", ["kernels", "torch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("channels", CHANNELS)
def test_gradients_are_those_of_maps_that_were_kept(
    channels: int, dtype: torch.dtype, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "torch":
        monkeypatch.setattr("InvertibleFusionLib.models.dense_block.numba_works", lambda: False)
    for loss in (IvanLoss(), IvanLoss(reverse="prediction", distance="absolute")):
        kept, again = objective(channels, dtype, loss), objective(channels, dtype, loss)
        checkpoint_dense_blocks(again)
        expected, ours = (gradients(each, each.network, dtype) for each in (kept, again))
        assert len(ours) == len(list(again.parameters()))
        for mine, other in zip(ours, expected, strict=True):
            assert other.abs().max() > 0
            assert torch.equal(mine, other)


def test_mixed_precision_is_that_of_the_first_time() -> None:
    """The gradient is computed where autocast is off; the maps must not be."""
    kept, again = (objective(2, torch.float32, IvanLoss()) for _ in range(2))
    checkpoint_dense_blocks(again)
    with torch.autocast("cpu", torch.bfloat16):
        losses = [each(batch(2), "network")["total"] for each in (kept, again)]
    for loss in losses:
        loss.backward()
    for mine, other in zip(again.parameters(), kept.parameters(), strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert torch.equal(mine.grad, other.grad)


@pytest.mark.usefixtures("one_process")
def test_processes_can_share_them() -> None:
    kept, again = (objective(2, torch.float32, IvanLoss()) for _ in range(2))
    checkpoint_dense_blocks(again)
    ours = gradients(DistributedDataParallel(again), again.network, torch.float32)
    for mine, other in zip(ours, gradients(kept, kept.network, torch.float32), strict=True):
        assert torch.equal(mine, other)


@pytest.fixture
def ivan(configuration: TrainingConfiguration) -> TrainingConfiguration:
    """Twelve steps of a tiny one."""
    network = IvanConfiguration(GREY, GREY, blocks=1, growth=2)
    return replace(configuration, contrasts=["T1Gd"], targets=["FLAIR"], network=network, loss=None)


def test_a_run_is_told_so_by_its_configuration(ivan: TrainingConfiguration, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    compute = DenseBlock._compute
    monkeypatch.setattr(DenseBlock, "_compute", lambda block, x: (computed.append(x.shape), compute(block, x))[1])
    for checkpointing, times in ((False, 1), (True, 2)):
        computed.clear()
        told = replace(ivan, gradient_checkpointing=checkpointing)
        built = recipe_for(told).objective(told)
        assert isinstance(built, IvanObjective)
        gradients(built, built.network, torch.float32)
        assert len(computed) == times * 2 * 3  # two directions of a coupling of three dense blocks
        with torch.no_grad():
            built.network(torch.rand(1, 1, 7, 5))
        assert len(computed) == times * 2 * 3 + 3


def test_a_run_that_began_without_goes_on_with_it_and_ends_the_same(
    ivan: TrainingConfiguration, tmp_path: Path
) -> None:
    """Memory ran out, say: the setting is one of the machine and leaves the result alone."""

    def stop(done: int, total: int, losses: dict[str, float]) -> None:
        if done == 7:
            raise KeyboardInterrupt

    whole, stopped = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    expected = train_model(ivan, whole, lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        train_model(ivan, stopped, stop)
    card = train_model(replace(ivan, gradient_checkpointing=True), stopped, lambda *_: None, resume=True)
    assert card == expected
    weights, others = load_file(whole), load_file(stopped)
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        assert torch.equal(value, others[name]), name
