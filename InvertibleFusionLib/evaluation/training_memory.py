"""How much memory a training step takes, measured in a process of its own.

    python -m InvertibleFusionLib.evaluation.training_memory WAY SIZE SLICES SEED THREADS

makes a step of one slice and then one of SLICES more by one of the ``WAYS`` on the CPU, and prints one JSON object: the
fields of ``StepMemory``.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from InvertibleFusionLib.evaluation.machine import peak_memory
from InvertibleFusionLib.evaluation.training_steps import WAYS, random_batch
from InvertibleFusionLib.training.devices import start_fabric


@dataclass(frozen=True)
class StepMemory:
    """The most bytes of resident memory that the process had; None where the system does not tell.

    Attributes:
        way: how it learnt, one of ``WAYS``.
        size: rows and columns of a slice.
        slices: more than one, in the second step.
        at_rest: before the first step; libraries and network.
        one: after a step of one slice; gradients and the optimizer's moments too.
        several: after a step of one slice and ``slices`` more.
    """

    way: str
    size: int
    slices: int
    at_rest: int | None
    one: int | None
    several: int | None

    @property
    def per_slice(self) -> float | None:
        """Bytes by which each further slice in a step raises the peak."""
        return None if self.several is None or self.one is None else (self.several - self.one) / self.slices

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {**asdict(self), "per_slice": self.per_slice}


def memory_of_steps(way: str, size: int, slices: int, seed: int) -> StepMemory:
    """Weigh training steps in a fresh process, with as many threads as torch has here.

    Args:
        way: one of ``WAYS``.
        size: rows and columns of a slice; even, and at least 12, for FusionINN.
        slices: at least 1.
        seed: of the random slices.
    """
    module, threads = "InvertibleFusionLib.evaluation.training_memory", torch.get_num_threads()
    command = [sys.executable, "-m", module, way, *map(str, (size, slices, seed, threads))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return StepMemory(**json.loads(done.stdout.splitlines()[-1]))


def describe_memory(memories: Iterable[StepMemory]) -> str:
    """A line for each."""
    lines = ["Highest memory of training, each in a fresh process: at rest, in a step of one slice, each slice more:"]
    for memory in memories:
        known = (memory.at_rest, memory.one, memory.per_slice)
        told = "".join("    unknown" if each is None else f"{each / 1e6:8.1f} MB" for each in known)
        lines.append(f"  {memory.way:28}{told}")
    return "\n".join(lines)


def _weighed_here(way: str, size: int, slices: int, seed: int) -> StepMemory:
    batches = [random_batch(count, size, seed) for count in (1, slices + 1)]
    steps = WAYS[way](batches, start_fabric("cpu", "32-true", 1))
    at_rest = peak_memory()
    peaks = []
    for _ in batches:
        next(steps)
        peaks.append(peak_memory())
    return StepMemory(way, size, slices, at_rest, *peaks)


def main(arguments: list[str]) -> None:
    """Do what the module's docstring says."""
    way, size, slices, seed, threads = arguments
    torch.set_num_threads(int(threads))
    memory = _weighed_here(way, int(size), int(slices), int(seed))
    sys.stdout.write(json.dumps(asdict(memory)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
