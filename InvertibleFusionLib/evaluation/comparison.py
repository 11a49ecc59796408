"""What a benchmark found: times, ratios, the distance to the machine's limit; in words, in JSON, against a floor."""

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from InvertibleFusionLib.errors import ConfigurationError, TooSlowError
from InvertibleFusionLib.evaluation.interactive import Responses

SUBJECTS = ("slice", "volume")
TASKS = ("fuse", "decompose", "both")
RIVALS = ("published", "batched")


@dataclass(frozen=True)
class Floor:
    """What the machine allows, measured beside the timings.

    Attributes:
        multiply_adds: per second, float32, by a matrix product.
        copied_bytes: per second, by a copy.
        work: the network's multiply-adds for one pixel and direction.
        bytes_fused: that fusing reads and writes for one pixel.
        bytes_decomposed: that decomposing reads and writes for one pixel.
    """

    multiply_adds: float
    copied_bytes: float
    work: int
    bytes_fused: int
    bytes_decomposed: int

    def seconds(self, task: str, pixels: int) -> float:
        """The least that a task can take: its arithmetic or its way through the memory, whichever is longer."""
        directions = 2 if task == "both" else 1
        moved = {"fuse": self.bytes_fused, "decompose": self.bytes_decomposed}.get(
            task, self.bytes_fused + self.bytes_decomposed
        )
        # A copy reads and writes each of its bytes.
        return pixels * max(directions * self.work / self.multiply_adds, moved / 2 / self.copied_bytes)


@dataclass
class Comparison:
    """Seconds of every way, one entry a round.

    Attributes:
        size: slices, rows, columns.
        processor: kind of the CPU.
        threads: of torch and of our slices.
        kernel: what computed our couplings.
        seconds: by subject, task and way: "ours" array to array, scaling and records included; "published" the network
            alone, FrEIA slice by slice, Jacobians computed as in the official code; "batched" the same by eight.
        memory: bytes by which each way's first volume made the process grow at most, None where unknown.
        floor: the machine's limit.
        disagreement: largest difference between our fused images and the others', in [0, 1].
        error: largest difference between a source and our decomposition, as a share of the source's range.
        first_slice: seconds from the import in a fresh process to the first fused slice.
        torch_import: how many of them torch's own import took.
        responses: how soon a slice is there to be looked at.
    """

    size: tuple[int, int, int]
    processor: str
    threads: int
    kernel: str = ""
    seconds: dict[str, dict[str, dict[str, list[float]]]] = field(
        default_factory=lambda: {s: {t: {w: [] for w in ("ours", *RIVALS)} for t in TASKS} for s in SUBJECTS}
    )
    memory: dict[str, int | None] = field(default_factory=dict)
    floor: Floor | None = None
    disagreement: float = 0.0
    error: float = 0.0
    first_slice: float = 0.0
    torch_import: float = 0.0
    responses: Responses = field(default_factory=Responses)

    def add(self, subject: str, way: str, fused: float, decomposed: float) -> None:
        """One round's seconds of one way."""
        for task, seconds in (("fuse", fused), ("decompose", decomposed), ("both", fused + decomposed)):
            self.seconds[subject][task][way].append(seconds)

    def median(self, subject: str, task: str, way: str) -> float:
        """Median seconds over the rounds."""
        return statistics.median(self.seconds[subject][task][way])

    def ratio(self, subject: str, task: str, rival: str = "published") -> float:
        """Median over the rounds of rival / ours: above 1 we are faster."""
        times = self.seconds[subject][task]
        return statistics.median(theirs / ours for ours, theirs in zip(times["ours"], times[rival], strict=True))

    def distance(self, subject: str, task: str) -> float:
        """How many times the machine's limit we take."""
        if self.floor is None:
            return float("nan")
        return self.median(subject, task, "ours") / self.floor.seconds(task, self.pixels(subject))

    def pixels(self, subject: str) -> int:
        """How many pixels a subject has."""
        return self.size[1] * self.size[2] * (self.size[0] if subject == "volume" else 1)

    def describe(self) -> str:
        """A table."""
        size = "×".join(map(str, self.size))
        lines = [
            f"Two random volumes of {size} and one slice of them, fused and decomposed exactly in float32.",
            f"CPU of kind {self.processor}, threads: {self.threads}, our couplings: {self.kernel}.",
            f"Medians of {len(self.seconds['volume']['both']['ours'])} rounds in turn. Ours is array to array, scaling "
            "and records included; FrEIA is the network alone.",
            "",
            f"{'':18}{'ours':>11}{'published':>11}{'ratio':>8}{'batched':>11}{'ratio':>8}{'of the limit':>14}",
        ]
        for subject in SUBJECTS:
            for task in TASKS:
                ours, *theirs = (1e3 * self.median(subject, task, way) for way in ("ours", *RIVALS))
                ratios = [self.ratio(subject, task, rival) for rival in RIVALS]
                lines.append(
                    f"{subject + ', ' + task:<18}{ours:>8.1f} ms{theirs[0]:>8.1f} ms{ratios[0]:>8.2f}"
                    f"{theirs[1]:>8.1f} ms{ratios[1]:>8.2f}{self.distance(subject, task):>13.2f}×"
                )
        return "\n".join([*lines, "", *self._remarks()])

    def _remarks(self) -> list[str]:
        grown = ", ".join(
            f"{way} {'unknown' if size is None else f'{size / 2**20:.0f} MB'}" for way, size in self.memory.items()
        )
        limit = ""
        if self.floor is not None:
            limit = (
                f"The limit: {2e-9 * self.floor.multiply_adds:.0f} GFLOP/s by a matrix product, "
                f"{1e-9 * self.floor.copied_bytes:.1f} GB/s by a copy; {self.floor.work} multiply-adds a pixel."
            )
        return [
            limit,
            self.responses.describe(),
            f"First slice of a fresh process: {self.first_slice:.2f} s after the import of the library, of which "
            f"torch's own import takes {self.torch_import:.2f} s.",
            f"Memory grew by at most: {grown}.",
            f"Largest difference between the fused images: {self.disagreement:.1e}; largest error of our "
            f"decomposition, share of the range: {self.error:.1e}.",
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        figures = _table(
            lambda subject, task: {
                "seconds": self.seconds[subject][task],
                "ratio": {rival: self.ratio(subject, task, rival) for rival in RIVALS},
                "of_the_limit": self.distance(subject, task),
            }
        )
        limit = None
        if self.floor is not None:
            limit = {
                "multiply_adds_per_second": self.floor.multiply_adds,
                "copied_bytes_per_second": self.floor.copied_bytes,
                "multiply_adds_per_pixel": self.floor.work,
            }
        return {
            "size": list(self.size),
            "processor": self.processor,
            "threads": self.threads,
            "kernel": self.kernel,
            "figures": figures,
            "limit": limit,
            "first_slice_seconds": self.first_slice,
            "torch_import_seconds": self.torch_import,
            "slice_to_look_at_seconds": self.responses.to_json(),
            "grown_bytes": self.memory,
            "disagreement": self.disagreement,
            "error": self.error,
        }

    def require_floors(self, path: Path) -> str:
        """Compare the ratios to the published way with those committed for this kind of CPU.

        Returns:
            A line that says what was compared.

        Raises:
            ConfigurationError: for a file that holds no floors.
            TooSlowError: when a ratio is below its floor, or results disagree by more than 1e-5.
        """
        try:
            floors = json.loads(path.read_text(encoding="utf-8"))["ratios"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ConfigurationError(f"{path} holds no floors: {error!r}.") from error
        if max(self.disagreement, self.error) > 1e-5:
            raise TooSlowError(
                f"Results disagree by {self.disagreement:.1e} and come back within {self.error:.1e}; 1e-5 is allowed."
            )
        known = floors.get(self.processor, {}).get(self.kernel)
        if known is None:
            return f"No floors are committed for {self.processor} with {self.kernel}."
        low = [
            f"{subject}, {task}: {self.ratio(subject, task):.2f} instead of {least}"
            for subject, tasks in known.items()
            for task, least in tasks.items()
            if self.ratio(subject, task) < least
        ]
        if low:
            raise TooSlowError(
                f"Slower than it was, compared with the published way on {self.processor}: {'; '.join(low)}. Look for "
                f"what changed, or run again on an idle computer. The floors stand in {path}."
            )
        return f"All ratios reach the floors for {self.processor} with {self.kernel}."


def _table(entry: Callable[[str, str], Any]) -> dict[str, dict[str, Any]]:
    return {subject: {task: entry(subject, task) for task in TASKS} for subject in SUBJECTS}
