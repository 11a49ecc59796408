"""Intensity scales: a source's own numbers to the network's [0, 1], and exactly back.

A scale is linear and never clips: values beyond the fitted limits map beyond [0, 1] and come back unharmed.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError

Method = Literal["percentile", "slice-minmax", "window"]
BINS = 1 << 16


@dataclass(frozen=True)
class FittedScale:
    """The constants of a scale fitted to one source: scaled = (value − offset) / gain.

    Attributes:
        offset: shape (1,) for the whole volume, or (slices,) for one per slice; in the source's units.
        gain: same shape, positive; in the source's units.
    """

    offset: NDArray[np.float64]
    gain: NDArray[np.float64]

    def apply(self, image: NDArray[Any], index: int) -> NDArray[Any]:
        """Slice ``index`` of the source in the network's numbers: float32, or float64 if it came so."""
        offset, gain = self._constants(index)
        if image.dtype == np.float64:
            return np.asarray((image - offset) / gain)
        # Whole numbers above 2^24 and differences of close values would suffer in float32.
        return np.asarray((image.astype(np.float64) - offset) / gain, dtype=np.float32)

    def undo(self, image: NDArray[Any], index: int) -> NDArray[np.float64]:
        """Slice ``index`` in the source's own numbers, float64."""
        offset, gain = self._constants(index)
        return image.astype(np.float64) * gain + offset

    def undo_spread(self, image: NDArray[Any], index: int) -> NDArray[np.float64]:
        """A standard deviation in the source's own numbers, float64."""
        return image.astype(np.float64) * self._constants(index)[1]

    def to_json(self) -> dict[str, list[float]]:
        """The constants as JSON-ready lists."""
        return {"offset": self.offset.tolist(), "gain": self.gain.tolist()}

    @classmethod
    def from_json(cls, data: dict[str, list[float]]) -> "FittedScale":
        """The scale whose ``to_json`` gave ``data``."""
        return cls(np.array(data["offset"], dtype=np.float64), np.array(data["gain"], dtype=np.float64))

    def _constants(self, index: int) -> tuple[float, float]:
        at = index if len(self.gain) > 1 else 0
        return float(self.offset[at]), float(self.gain[at])


IDENTITY_SCALE = FittedScale(np.zeros(1), np.ones(1))
"""For an image whose own numbers are unknown: the network's numbers stay."""


@dataclass(frozen=True)
class IntensityScale:
    """How a scale is fitted; part of a model, since it must be the one the model was trained with.

    Attributes:
        method: "percentile": two percentiles of the whole volume land on 0 and 1, so that neighbouring slices keep
            one grey scale; "slice-minmax": minimum and maximum of each slice, as the FusionINN authors do (their
            division 0/0 on a blank slice gives 0 here); "window": fixed limits, for CT.
        lower: percentile in [0, 100), or lower limit of the window in the source's units.
        upper: percentile in (lower, 100], or upper limit.
    """

    method: Method = "percentile"
    lower: float = 0.1
    upper: float = 99.9

    def __post_init__(self) -> None:
        if self.method not in ("percentile", "slice-minmax", "window"):
            raise ConfigurationError(
                f"There is no intensity scale {self.method!r}; use percentile, slice-minmax, window."
            )
        if self.method != "slice-minmax" and not self.lower < self.upper:
            raise ConfigurationError(f"An intensity scale needs lower < upper, not {self.lower} and {self.upper}.")
        if self.method == "percentile" and not (self.lower >= 0 and self.upper <= 100):
            raise ConfigurationError(f"Percentiles lie in [0, 100], not {self.lower} and {self.upper}.")

    def fit(self, slices: NDArray[Any]) -> FittedScale:
        """Fit to a source, shape (slices, rows, columns), finite values."""
        if self.method == "window":
            return FittedScale(np.array([self.lower]), np.array([self.upper - self.lower]))
        if self.method == "slice-minmax":
            low = slices.min(axis=(1, 2)).astype(np.float64)
            gain = slices.max(axis=(1, 2)).astype(np.float64) - low
            return FittedScale(low, np.where(gain > 0, gain, 1.0))
        low, high = percentiles(slices, (self.lower, self.upper))
        if low == high:  # nearly all voxels are background: the few others still need a scale
            low, high = float(slices.min()), float(slices.max())
        return FittedScale(np.array([low]), np.array([(high - low) or 1.0]))

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "IntensityScale":
        """The scale whose ``to_json`` gave ``data``."""
        return cls(**data)


def percentiles(slices: NDArray[Any], wanted: tuple[float, ...]) -> tuple[float, ...]:
    """Percentiles of a stack of slices from a histogram that is refined once around each of them.

    Within 2⁻³² of the value range of the exact percentile (nearest rank); memory does not grow with the volume.
    """
    low, high = float(slices.min()), float(slices.max())
    if low == high:
        return tuple(low for _ in wanted)
    counts = _histogram(slices, low, high)
    return tuple(_refined(slices, counts, low, high, q) for q in wanted)


def _refined(slices: NDArray[Any], counts: NDArray[np.int64], low: float, high: float, q: float) -> float:
    rank = min(max(int(np.ceil(q / 100 * counts.sum())), 1), int(counts.sum()))
    bin_index = int(np.searchsorted(np.cumsum(counts), rank))
    width = (high - low) / BINS
    start = low + bin_index * width
    inner = _histogram(slices, start, start + width)
    if inner.sum() == 0:  # rounding at the edge of a bin
        return start
    within = rank - int(counts[:bin_index].sum())
    fine = int(np.searchsorted(np.cumsum(inner), min(max(within, 1), int(inner.sum()))))
    return float(start + (fine + 0.5) * width / BINS) if fine else start


def _histogram(slices: NDArray[Any], low: float, high: float) -> NDArray[np.int64]:
    """Counts of the values in [low, high] in ``BINS`` equal bins, slice by slice."""
    counts = np.zeros(BINS, dtype=np.int64)
    factor = BINS / (high - low)
    for image in slices:
        values = image[(image >= low) & (image <= high)]
        index = np.minimum(((values - low) * factor).astype(np.int64), BINS - 1)
        counts += np.bincount(index, minlength=BINS)
    return counts
