"""The loop with small objectives made here: turns, clipping, rates, and what stops it."""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from InvertibleFusionLib.errors import InferenceError
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.loop import Step, Training
from InvertibleFusionLib.training.objective import Batch, Objective
from InvertibleFusionLib.training.schedule import Progression, Schedule
from InvertibleFusionLib.training.state import Position, load_state, save_state


class TwoTurns(Objective):
    """A generator that shall look like 3 and a discriminator that tells it from 3; each loss depends on both."""

    turns = ("discriminator", "generator")

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.generator, self.discriminator = nn.Conv2d(2, 1, 1), nn.Conv2d(1, 1, 1)

    @property
    def trained(self) -> nn.Module:
        return self.generator

    def parameters_of(self, turn: str) -> Iterable[nn.Parameter]:
        return (self.discriminator if turn == "discriminator" else self.generator).parameters()

    def initialize(self, images: Tensor) -> None:
        pass

    def forward(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        made = self.discriminator(self.generator(batch["images"]))
        if turn == "generator":
            return {"total": (made - 1).square().mean()}
        real = self.discriminator(torch.full_like(made, 3.0))
        real_loss, made_loss = (real - 1).square().mean(), made.square().mean()
        return {"total": real_loss + made_loss, "real": real_loss, "made": made_loss}


class Scripted(Objective):
    """One weight w, whose loss at every step is what a function of the step and w says."""

    def __init__(self, loss: Callable[[int, Tensor], dict[str, Tensor]]) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, 1, 1, 1))
        self._loss, self._step = loss, 0

    @property
    def trained(self) -> nn.Module:
        return self

    def parameters_of(self, turn: str) -> Iterable[nn.Parameter]:
        return self.parameters()

    def initialize(self, images: Tensor) -> None:
        pass

    def forward(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        self._step += 1
        return self._loss(self._step, self.w)


def batches(count: int, first: int = 0) -> list[Batch]:
    def one(seed: int) -> Batch:
        images = torch.rand(2, 2, 4, 4, generator=torch.Generator().manual_seed(seed))
        return {"images": images, "seed": torch.tensor([seed, seed])}

    return [one(seed) for seed in range(first, count)]


def training(configuration: TrainingConfiguration, objective: Objective) -> Training:
    return Training(configuration, objective, Fabric(accelerator="cpu", devices=1))


def run(configuration: TrainingConfiguration, objective: Objective, steps: int) -> list[Step]:
    settings = replace(configuration, steps=steps)
    return list(training(settings, objective).steps(batches(steps), Position()))


def copies(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_each_turn_changes_its_own_parameters_only(
    configuration: TrainingConfiguration, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = TwoTurns()
    trained = training(replace(configuration, steps=3), objective)
    seen: list[tuple[list[Tensor], list[Tensor]]] = []
    forward = objective.forward

    def watched(batch: Batch, turn: str) -> dict[str, Tensor]:
        seen.append((copies(objective.discriminator.parameters()), copies(objective.generator.parameters())))
        return forward(batch, turn)

    monkeypatch.setattr(objective, "forward", watched)
    steps = list(trained.steps(batches(3), Position()))
    assert len(seen) == 6
    for number, (before, after) in enumerate(itertools.pairwise(seen)):
        discriminators_turn = number % 2 == 0
        assert same(before[0], after[0]) == (not discriminators_turn), number
        assert same(before[1], after[1]) == discriminators_turn, number
    assert set(steps[0].losses) == {
        "discriminator/total",
        "discriminator/real",
        "discriminator/made",
        "generator/total",
    }


def test_a_turn_is_adam_on_its_own_gradient(configuration: TrainingConfiguration) -> None:
    """Against the same two turns written out with torch alone."""
    settings = replace(configuration, steps=4, gradient_norm=0.5, schedule=Schedule("constant", warmup_steps=0))
    ours, theirs = TwoTurns(), TwoTurns()
    list(training(settings, ours).steps(batches(4), Position()))
    optimizers = {
        turn: torch.optim.Adam(theirs.parameters_of(turn), lr=2e-3, betas=(0.9, 0.999)) for turn in theirs.turns
    }
    for batch in batches(4):
        for turn, optimizer in optimizers.items():
            theirs.zero_grad()
            theirs(batch, turn)["total"].backward()
            torch.nn.utils.clip_grad_norm_(theirs.parameters_of(turn), 0.5)
            optimizer.step()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-6, atol=1e-7, msg=name)


def test_both_optimizers_go_on_exactly(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    settings = replace(configuration, steps=8)
    whole = TwoTurns()
    list(training(settings, whole).steps(batches(8), Position()))
    stopped = TwoTurns()
    first = training(settings, stopped)
    position = Position()
    for step in first.steps(batches(8), position):
        if step.number == 5:
            save_state(tmp_path / "state.safetensors", stopped, first.optimizers, position)
            break
    resumed = TwoTurns()
    second = training(settings, resumed)
    found = load_state(tmp_path / "state.safetensors", resumed, second.optimizers)
    assert found.step == 5
    assert [step.number for step in second.steps(batches(8, first=5), found)] == [6, 7, 8]
    assert same(copies(whole.parameters()), copies(resumed.parameters()))
    assert not same(copies(whole.parameters()), copies(stopped.parameters()))


def test_the_rate_rises_falls_and_bears_what_a_plateau_took(configuration: TrainingConfiguration) -> None:
    settings = replace(configuration, learning_rate=1e-3, steps=6, schedule=Schedule("cosine", warmup_steps=2))
    rates = [step.learning_rate for step in run(settings, TwoTurns(), 6)]
    cosine = [0.5 * (1 + math.cos(math.pi * at / 4)) for at in range(4)]
    assert rates == pytest.approx([0.5e-3, 1e-3, *(1e-3 * share for share in cosine)])
    position = Position(progression=Progression(share=0.25))
    [step, *_] = training(settings, TwoTurns()).steps(batches(6), position)
    assert step.learning_rate == pytest.approx(0.25 * 0.5e-3)


def test_gradients_are_clipped(configuration: TrainingConfiguration, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain gradient descent goes exactly as far as its clipped gradient is long."""
    monkeypatch.setattr(torch.optim, "Adam", lambda parameters, lr, betas: torch.optim.SGD(parameters, lr=lr))
    settings = replace(
        configuration, learning_rate=0.5, gradient_norm=0.1, schedule=Schedule("constant", warmup_steps=0)
    )

    def steep(step: int, w: Tensor) -> dict[str, Tensor]:
        return {"total": 40 * w.sum()}

    objective = Scripted(steep)
    [step] = run(settings, objective, 1)
    assert step.gradient_norm == pytest.approx(40)
    assert float(objective.w.detach()) == pytest.approx(1 - 0.5 * 0.1, abs=1e-5)


def test_a_loss_that_is_no_number_stops_at_its_step_and_names_the_term(configuration: TrainingConfiguration) -> None:
    def loss(step: int, w: Tensor) -> dict[str, Tensor]:
        fusion, latent = w.square().sum(), w.sum() * (math.nan if step == 4 else 1)
        return {"total": fusion + latent, "fusion": fusion, "latent": latent}

    objective = Scripted(loss)
    with pytest.raises(InferenceError, match=r"stopped at step 4: the latent loss is nan"):
        run(configuration, objective, 6)
    assert torch.isfinite(objective.w).all()


def test_a_gradient_that_is_no_number_stops_before_it_is_used(configuration: TrainingConfiguration) -> None:
    """The square root has a value at zero, and no gradient."""

    def loss(step: int, w: Tensor) -> dict[str, Tensor]:
        return {"total": (w * (0 if step == 3 else 1)).square().sum().sqrt()}

    objective = Scripted(loss)
    with pytest.raises(InferenceError, match=r"step 3: the gradient of the network is (nan|inf)"):
        run(configuration, objective, 6)
    assert torch.isfinite(objective.w).all()


def test_a_loss_that_explodes_stops_and_names_the_largest_term(configuration: TrainingConfiguration) -> None:
    def loss(step: int, w: Tensor) -> dict[str, Tensor]:
        fusion, decomposition = w.square().sum(), w.square().sum() * 10.0**step
        return {"total": fusion + decomposition, "fusion": fusion, "decomposition": decomposition}

    with pytest.raises(InferenceError, match=r"step 4: the loss has grown to .*, most of it the decomposition loss"):
        run(replace(configuration, learning_rate=1e-6), Scripted(loss), 6)


def test_a_run_that_goes_on_diverges_where_the_whole_run_does(configuration: TrainingConfiguration) -> None:
    """Held against the loss at the start, not against that of the first step after the stop."""
    position = Position(step=3, ceilings={"network": 5.0})
    objective = Scripted(lambda step, w: {"total": 6 * w.sum()})
    with pytest.raises(InferenceError, match=r"step 4: the loss has grown to 6"):
        list(training(configuration, objective).steps(batches(4), position))


def test_a_loss_may_double_and_may_be_below_zero(configuration: TrainingConfiguration) -> None:
    def loss(step: int, w: Tensor) -> dict[str, Tensor]:
        return {"total": w.sum() * (-1.5) ** step}

    assert len(run(replace(configuration, learning_rate=1e-6), Scripted(loss), 6)) == 6
