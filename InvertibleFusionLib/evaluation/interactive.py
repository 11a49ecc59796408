"""How soon a slice is there that somebody wants to look at."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.inference.preview import FusionPreview
from InvertibleFusionLib.inference.recent_slices import RecentSlices
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.volumes.volume import Volume


@dataclass
class Responses:
    """Seconds from "the slice changed" to "its array is ready", one entry a round.

    Attributes:
        cold: the first slice of sources just chosen: they are checked and scaled, whole volumes.
        warm: another slice of them.
        again: one that was looked at a while ago.
    """

    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)

    def measure(self, model: Model, sources: Sequence[Volume], settings: Settings) -> None:
        """One round, in a process that has fused a slice before."""
        recent = RecentSlices()
        start = time.perf_counter()
        preview = FusionPreview(model, sources, settings=settings, recent=recent)
        preview.fused_slice(preview.stack.count // 2)
        self.cold.append(time.perf_counter() - start)
        recent.clear()  # a volume may have one slice only
        for times in (self.warm, self.again):
            start = time.perf_counter()
            preview.fused_slice(preview.stack.count - 1)
            times.append(time.perf_counter() - start)

    def describe(self) -> str:
        """A sentence."""
        cold, warm, again = (1e3 * statistics.median(times) for times in (self.cold, self.warm, self.again))
        return (
            f"A slice to look at: {cold:.1f} ms for the first one of sources just chosen, {warm:.1f} ms for another, "
            f"{again:.1f} ms for one that was looked at before."
        )

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {"cold": self.cold, "warm": self.warm, "again": self.again}
