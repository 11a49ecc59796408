"""What a training step of iVAN costs, in the small and in the full size, by the shared loop."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.training_steps import IVAN_WAYS, random_batch
from InvertibleFusionLib.training.devices import start_fabric

CROP = 64
"""Rows and columns, as the shipped models learnt."""
OnRound = Callable[[int, int], None]


@dataclass
class StepCost:
    """One entry a round, for each of the ``IVAN_WAYS``.

    Attributes:
        batch: crops in a step.
        seconds: of a step.
        processor: CPU seconds of a step.
    """

    batch: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in IVAN_WAYS})
    processor: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in IVAN_WAYS})

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {"batch": self.batch, "crop": CROP, "seconds": self.seconds, "processor": self.processor}

    def describe(self) -> str:
        """A line for each size."""
        rounds = len(next(iter(self.seconds.values())))
        lines = [
            f"Training steps of iVAN, T1 → T2, {self.batch} crops of {CROP}×{CROP}, {torch.get_num_threads()} threads, "
            f"{rounds} rounds in turn; medians:"
        ]
        lines += [
            f"  {name:28}{statistics.median(self.seconds[name]):9.3f} s, CPU {statistics.median(each):9.3f} s"
            for name, each in self.processor.items()
        ]
        return "\n".join(lines)


def measure_steps(batch: int, rounds: int, seed: int, on_round: OnRound) -> StepCost:
    """Time steps of all ``IVAN_WAYS`` in turn on the CPU, after one of each that is not counted.

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
    given = [random_batch(batch, CROP, seed)] * (rounds + 1)
    runs = {way: steps(given, start_fabric("cpu", "32-true", 1)) for way, steps in IVAN_WAYS.items()}
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
