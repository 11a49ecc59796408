"""Timing our training step against that of the published script, in turn on one machine."""

import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import torch

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.training_steps import Steps, fusioninn_steps, published_steps, random_batch
from InvertibleFusionLib.training.devices import Accelerator, start_fabric


@dataclass
class Throughput:
    """Seconds a training step, one entry a round.

    Attributes:
        batch_size: slices in a step.
        size: rows and columns of a slice.
        ours: one step of the shared loop with the default losses.
        published: one step as in the official script.
        our_processor: CPU seconds of ours, all threads together; they suffer less from other programs.
        published_processor: of the published step.
    """

    batch_size: int
    size: int
    device: str = "cpu"
    ours: list[float] = field(default_factory=list)
    published: list[float] = field(default_factory=list)
    our_processor: list[float] = field(default_factory=list)
    published_processor: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Median over the rounds of published / ours: above 1 we are faster."""
        return _median_ratio(self.published, self.ours)

    @property
    def processor_ratio(self) -> float:
        """The same of the CPU seconds."""
        return _median_ratio(self.published_processor, self.our_processor)

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {
            "batch_size": self.batch_size,
            "size": self.size,
            "device": self.device,
            "seconds": {"ours": self.ours, "published": self.published},
            "processor": {"ours": self.our_processor, "published": self.published_processor},
            "ratio": self.ratio,
            "processor_ratio": self.processor_ratio,
        }

    def describe(self) -> str:
        """A short table."""
        ours = _milliseconds(self.ours, self.our_processor)
        theirs = _milliseconds(self.published, self.published_processor)
        return "\n".join(
            [
                f"Training steps of {self.batch_size} slices of {self.size}×{self.size}, {self.device}, "
                f"{torch.get_num_threads()} threads, {len(self.ours)} rounds in turn; medians:",
                f"  published way (FrEIA graph, losses of inn_train.py, Adam)   {theirs}",
                f"  this library (the shared loop, default losses)              {ours}",
                f"  ratio published / ours                                      {self.ratio:8.2f}   , "
                f"CPU {self.processor_ratio:8.2f}",
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
    batch, fabric = random_batch(batch_size, size, seed), start_fabric(accelerator, "32-true", 1)
    ours, theirs = (steps([batch] * (rounds + 1), fabric) for steps in (fusioninn_steps, published_steps))
    result = Throughput(batch_size, size, fabric.device.type)
    next(ours)
    next(theirs)
    for _ in range(rounds):
        for steps, seconds, processor in (
            (theirs, result.published, result.published_processor),
            (ours, result.ours, result.our_processor),
        ):
            spent = _spent(steps, fabric.device)
            seconds.append(spent[0])
            processor.append(spent[1])
    return result


def _spent(steps: Steps, device: torch.device) -> tuple[float, float]:
    """Seconds and CPU seconds of the next step."""
    start, processor = time.perf_counter(), time.process_time()
    next(steps)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - processor


def _median_ratio(theirs: list[float], ours: list[float]) -> float:
    return statistics.median(their / our for our, their in zip(ours, theirs, strict=True))


def _milliseconds(seconds: list[float], processor: list[float]) -> str:
    return f"{1e3 * statistics.median(seconds):8.1f} ms, CPU {1e3 * statistics.median(processor):8.1f} ms"
