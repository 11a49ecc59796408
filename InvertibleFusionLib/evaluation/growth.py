"""How time and memory of fusing grow with the number of slices, each number in a fresh process."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from InvertibleFusionLib.errors import ConfigurationError, TooSlowError
from InvertibleFusionLib.evaluation.fused_once import FusedOnce
from InvertibleFusionLib.evaluation.machine import processor_kind
from InvertibleFusionLib.models.shipped import model_path

BESIDE_THE_VOLUMES = 800_000_000
"""Bytes that a process may take beside the volumes; torch and SimpleITK alone take 310 MB of them."""


@dataclass(frozen=True)
class Growth:
    """What fusing took, by the number of slices.

    Attributes:
        rows: of a slice.
        columns: of a slice.
        processor: kind of the CPU.
        kernel: that was asked for.
        runs: all of them, in the order in which they ran.
    """

    rows: int
    columns: int
    processor: str
    kernel: str
    runs: list[FusedOnce]

    @property
    def counts(self) -> list[int]:
        """The numbers of slices, from few to many."""
        return sorted({run.slices for run in self.runs})

    def cpu_seconds(self, slices: int) -> float:
        """The median over the rounds."""
        return statistics.median(run.cpu_seconds for run in self.runs if run.slices == slices)

    def beside_the_volumes(self) -> list[int]:
        """Bytes of each run's highest memory that are neither source nor result; empty where memory is unknown."""
        return [run.peak - run.volumes for run in self.runs if run.peak is not None]

    def line(self) -> tuple[float, float]:
        """CPU seconds at no slices and for each slice, of the straight line with the least relative errors."""
        counts = np.array(self.counts, dtype=np.float64)
        seconds = np.array([self.cpu_seconds(count) for count in self.counts])
        if len(counts) == 1:
            return 0.0, float(seconds[0] / counts[0])
        columns = np.stack([1 / seconds, counts / seconds], axis=1)
        start, each = np.linalg.lstsq(columns, np.ones(len(counts)), rcond=None)[0]
        return float(start), float(each)

    def describe(self) -> str:
        """A table."""
        start, each = self.line()
        lines = [
            f"Two random volumes of {self.rows}×{self.columns}, int16, fused array to array, each number of slices "
            f"in a fresh process; CPU of kind {self.processor}, kernel {self.kernel}. Medians.",
            "",
            f"{'slices':>6}{'CPU time':>12}{'a slice':>11}{'from the line':>15}{'volumes':>11}"
            f"{'peak':>10}{'beside':>10}",
        ]
        for count in self.counts:
            runs = [run for run in self.runs if run.slices == count]
            seconds, expected = self.cpu_seconds(count), start + each * count
            peaks = [run.peak for run in runs if run.peak is not None]
            memory = (
                "   unknown" if not peaks else f"{_megabytes(max(peaks))}{_megabytes(max(peaks) - runs[0].volumes)}"
            )
            lines.append(
                f"{count:>6}{seconds:>10.2f} s{1e3 * seconds / count:>8.1f} ms{seconds / expected - 1:>+15.1%}"
                f" {_megabytes(runs[0].volumes)}{memory}"
            )
        return "\n".join([*lines, "", f"The line: {start:.2f} s + {1e3 * each:.1f} ms a slice, all threads together."])

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {**asdict(self), "line": self.line()}

    def require_little_memory(self) -> str:
        """Compare the memory with what is promised.

        Returns:
            A line that says what was compared.

        Raises:
            TooSlowError: when a process took more than ``BESIDE_THE_VOLUMES``.
        """
        most = max(self.beside_the_volumes(), default=None)
        if most is None:
            return "This system does not tell how much memory a process took."
        if most > BESIDE_THE_VOLUMES:
            raise TooSlowError(
                f"Fusing took {most / 1e6:.0f} MB of memory beside the volumes; {BESIDE_THE_VOLUMES / 1e6:.0f} MB are "
                "promised. Look for a copy of a whole volume."
            )
        return f"Memory beside the volumes: at most {most / 1e6:.0f} MB of {BESIDE_THE_VOLUMES / 1e6:.0f} MB promised."


def measure_growth(
    model: str | Path,
    counts: Sequence[int],
    shape: tuple[int, int],
    rounds: int,
    seed: int,
    kernel: str,
    on_run: Callable[[int, int], None],
) -> Growth:
    """Fuse volumes of so many slices, each in a fresh process, from few to many and in the next round back.

    Args:
        model: shipped name or file of a fusion model.
        counts: numbers of slices, each at least 1.
        shape: rows and columns of a slice.
        rounds: at least 1.
        seed: of the volumes.
        kernel: as in ``Settings``.
        on_run: called with runs done and runs in all.

    Raises:
        ConfigurationError: for numbers that make no sense.
    """
    if min((*counts, *shape, rounds), default=0) < 1 or not counts:
        raise ConfigurationError(f"Slices, sizes and rounds are at least 1, not {list(counts)}, {shape} and {rounds}.")
    runs: list[FusedOnce] = []
    for done in range(rounds):
        for count in sorted(set(counts), reverse=done % 2 == 1):
            runs.append(_in_a_fresh_process(model, (count, *shape), seed, kernel))
            on_run(len(runs), rounds * len(set(counts)))
    return Growth(*shape, processor_kind(), kernel, runs)


def _in_a_fresh_process(model: str | Path, size: tuple[int, int, int], seed: int, kernel: str) -> FusedOnce:
    module = "InvertibleFusionLib.evaluation.fused_once"
    command = [sys.executable, "-m", module, str(model_path(model)), *map(str, size), str(seed), kernel]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return FusedOnce(**json.loads(done.stdout.splitlines()[-1]))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:>7.0f} MB"
