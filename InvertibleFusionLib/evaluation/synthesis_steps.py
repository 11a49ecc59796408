"""What a training step of iVAN costs, in the small and in the full size, by the shared loop."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.ivan import PRESETS, Ivan
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import DataSource
from InvertibleFusionLib.training.devices import start_fabric
from InvertibleFusionLib.training.ivan_objective import IvanLoss, IvanObjective
from InvertibleFusionLib.training.loop import Step, Training
from InvertibleFusionLib.training.state import Position

CROP = 64
"""Rows and columns, as the shipped models learnt."""
SIZES = ("small", "default")
OnRound = Callable[[int, int], None]


@dataclass
class StepCost:
    """One entry a round, for each size.

    Attributes:
        batch: crops in a step.
        seconds: of a step.
        processor: CPU seconds of a step.
    """

    batch: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in SIZES})
    processor: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in SIZES})

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {"batch": self.batch, "crop": CROP, "seconds": self.seconds, "processor": self.processor}

    def describe(self) -> str:
        """A line for each size."""
        rounds = len(self.seconds[SIZES[0]])
        lines = [
            f"Training steps of iVAN, T1 → T2, {self.batch} crops of {CROP}×{CROP}, {torch.get_num_threads()} threads, "
            f"{rounds} rounds in turn; medians:"
        ]
        lines += [
            f"  {name:10}{statistics.median(self.seconds[name]):9.3f} s, CPU {statistics.median(each):9.3f} s"
            for name, each in self.processor.items()
        ]
        return "\n".join(lines)


def measure_steps(batch: int, rounds: int, seed: int, on_round: OnRound) -> StepCost:
    """Time steps of both sizes in turn on the CPU, after one of each that is not counted.

    Args:
        batch: crops in a step, at least 1.
        rounds: at least 1.
        seed: of the random crops.
        on_round: called with rounds done and rounds in all.

    Raises:
        ConfigurationError: for fewer.
    """
    if min(batch, rounds) < 1:
        raise ConfigurationError(f"Training steps take at least 1 crop and 1 round, not {batch} and {rounds}.")
    generator = torch.Generator().manual_seed(seed)
    images = {"images": torch.rand(batch, 2, CROP, CROP, generator=generator), "seed": torch.arange(batch)}
    runs = {name: _steps(name, images, rounds + 1) for name in SIZES}
    for run in runs.values():
        next(run)
    cost = StepCost(batch)
    for done in range(rounds):
        for name, run in runs.items():
            processor, start = time.process_time(), time.perf_counter()
            next(run)
            cost.seconds[name].append(time.perf_counter() - start)
            cost.processor[name].append(time.process_time() - processor)
        on_round(done + 1, rounds)
    return cost


def _steps(preset: str, images: dict[str, torch.Tensor], count: int) -> Iterator[Step]:
    network = replace(PRESETS[preset], inputs=(1,))
    nobody, other = (DataSource("random numbers", "none needed", "nobody", [name]) for name in ("one", "another"))
    configuration = TrainingConfiguration(
        name="benchmark",
        contrasts=["T1"],
        targets=["T2"],
        training=[nobody],
        validation=[other],
        intended_use="For timing only.",
        network=network,
        steps=count,
        threads=torch.get_num_threads(),
    )
    training = Training(configuration, IvanObjective(Ivan(network), IvanLoss()), start_fabric("cpu", "32-true", 1))
    return training.steps([images] * count, Position())
