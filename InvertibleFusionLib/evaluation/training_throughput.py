"""Timing our training step against that of the published script, in turn on one machine."""

import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.freia_graph import freia_graph
from InvertibleFusionLib.models.fusioninn import PRESETS, FusionINN
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import DataSource
from InvertibleFusionLib.training.devices import Accelerator, start_fabric
from InvertibleFusionLib.training.fusioninn_objective import FusionINNObjective
from InvertibleFusionLib.training.loop import Training
from InvertibleFusionLib.training.losses import LossWeights, multiscale_mmd
from InvertibleFusionLib.training.objective import Batch
from InvertibleFusionLib.training.state import Position


@dataclass
class Throughput:
    """Seconds a training step, one entry a round.

    Attributes:
        batch_size: slices in a step.
        size: rows and columns of a slice.
        ours: one step of the shared loop with the default losses.
        published: one step as in the official script.
    """

    batch_size: int
    size: int
    device: str = "cpu"
    ours: list[float] = field(default_factory=list)
    published: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Median over the rounds of published / ours: above 1 we are faster."""
        return statistics.median(theirs / ours for ours, theirs in zip(self.ours, self.published, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {
            "batch_size": self.batch_size,
            "size": self.size,
            "device": self.device,
            "seconds": {"ours": self.ours, "published": self.published},
            "ratio": self.ratio,
        }

    def describe(self) -> str:
        """A short table."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.published)
        return "\n".join(
            [
                f"Training steps of {self.batch_size} slices of {self.size}×{self.size}, {self.device}, "
                f"{torch.get_num_threads()} threads, {len(self.ours)} rounds in turn; medians:",
                f"  published way (FrEIA graph, losses of inn_train.py, Adam)   {1e3 * theirs:8.1f} ms",
                f"  this library (the shared loop, default losses)              {1e3 * ours:8.1f} ms",
                f"  ratio published / ours                                      {self.ratio:8.2f}",
            ]
        )


def compare_training(batch_size: int, size: int, rounds: int, seed: int, accelerator: Accelerator) -> Throughput:
    """Time both ways in turn on the same random slices, after a step of each that is not counted.

    Args:
        batch_size: slices in a step; the published script takes 64, which a GPU needs and a CPU does not bear.
        size: rows and columns of a slice, even.
        rounds: at least 1.
        seed: of the random slices.
        accelerator: where.

    Raises:
        ConfigurationError: for sizes that make no sense, or a device that is not there.
    """
    if size % 2 or size < 12 or min(batch_size, rounds) < 1:
        raise ConfigurationError(
            f"Training steps take at least 1 slice of even size from 12 on, not {batch_size} of {size}×{size}."
        )
    batch = _random_batch(batch_size, size, seed)
    ours, device = _our_steps(batch, rounds + 1, accelerator)
    theirs = _PublishedTraining({name: value.to(device) for name, value in batch.items()})
    result = Throughput(batch_size, size, device.type)
    next(ours)
    theirs.step()
    for _ in range(rounds):
        result.published.append(_seconds(theirs.step, device))
        result.ours.append(_seconds(lambda: next(ours), device))
    return result


def _random_batch(batch_size: int, size: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch_size, 2, size // 6 + 1, size // 6 + 1, generator=generator)
    images = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    return {"images": images, "seed": torch.arange(batch_size)}


def _our_steps(batch: Batch, steps: int, accelerator: Accelerator) -> tuple[Any, torch.device]:
    nobody = DataSource("random numbers", "none needed", "nobody", patients=["one"])
    other = DataSource("random numbers", "none needed", "nobody", patients=["another"])
    configuration = TrainingConfiguration(
        "benchmark", ["T1Gd", "FLAIR"], [nobody], [other], "For timing only.", steps=steps,
        threads=torch.get_num_threads(),
    )  # fmt: skip
    objective = FusionINNObjective(FusionINN(PRESETS["default"]), LossWeights())
    objective.initialize(batch["images"])
    fabric = start_fabric(accelerator, "32-true", 1)
    training = Training(configuration, objective, fabric)
    return training.steps([batch] * steps, Position()), fabric.device


class _PublishedTraining:
    """The step of inn_train.py: graph forwards with its Jacobians, losses, graph backwards, losses, Adam."""

    def __init__(self, batch: Batch) -> None:
        images = batch["images"]
        network = FusionINN(PRESETS["paper"])
        network.flow.initialize(images.cpu())
        self._images = images
        self._graph = freia_graph(network, images.shape[2], images.shape[3]).to(images.device).train()
        self._optimizer = torch.optim.Adam(self._graph.parameters(), lr=3e-4)
        self._window = _window(images)

    def step(self) -> None:
        (fused, z), _ = self._graph(self._images)
        fused = torch.sigmoid(fused)
        forwards = self._likeness(fused.expand_as(self._images)) + multiscale_mmd(z, torch.randn_like(z))
        decomposed, _ = self._graph([fused, torch.randn_like(z)], rev=True)
        backwards = self._likeness(torch.sigmoid(decomposed))
        self._optimizer.zero_grad()
        (0.5 * forwards + 0.5 * backwards).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def _likeness(self, images: Tensor) -> Tensor:
        """.8 · (1 − SSIM) + .2 · mean squared error, each source on its own as in the script."""
        terms = []
        for channel in range(2):
            image, source = images[:, channel : channel + 1], self._images[:, channel : channel + 1]
            similarity = _separable_ssim(image, source, self._window)
            terms.append(0.8 * (1 - similarity) + 0.2 * torch.nn.functional.mse_loss(image, source))
        return 0.5 * terms[0] + 0.5 * terms[1]


def _window(like: Tensor) -> Tensor:
    offset = torch.arange(11, dtype=torch.float32, device=like.device) - 5
    window = torch.exp(-(offset**2) / (2 * 1.5**2))
    return (window / window.sum())[None, None, :, None]


def _separable_ssim(first: Tensor, second: Tensor, window: Tensor) -> Tensor:
    """SSIM with two one-dimensional convolutions for each moment, as the package that the script uses computes it."""

    def blurred(image: Tensor) -> Tensor:
        return conv2d(conv2d(image, window), window.transpose(2, 3))

    mean1, mean2 = blurred(first), blurred(second)
    variance1 = blurred(first * first) - mean1 * mean1
    variance2 = blurred(second * second) - mean2 * mean2
    covariance = blurred(first * second) - mean1 * mean2
    structure = (2 * covariance + 9e-4) / (variance1 + variance2 + 9e-4)
    return ((2 * mean1 * mean2 + 1e-4) / (mean1 * mean1 + mean2 * mean2 + 1e-4) * structure).mean()


def _seconds(work: Any, device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
