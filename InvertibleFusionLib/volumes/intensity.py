"""Intensity scales: a source's own numbers to the network's [0, 1], and exactly back.

A scale is linear and never clips: values beyond the fitted limits map beyond [0, 1] and come back unharmed.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError

Method = Literal["percentile", "slice-minmax", "window"]
DIGIT = 16
"""How many bits of the values are counted in one pass over a volume."""


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
        """The scale whose ``to_json`` gave ``data``.

        Raises:
            ValueError: for constants that are not finite, not one or one per slice, or a gain that is not positive.
        """
        offset, gain = (np.array(data[name], dtype=np.float64) for name in ("offset", "gain"))
        sound = np.isfinite(offset).all() and np.isfinite(gain).all() and (gain > 0).all()
        if offset.ndim != 1 or offset.shape != gain.shape or len(gain) == 0 or not sound:
            raise ValueError("its intensity constants make no sense")
        return cls(offset, gain)

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
        if self.method == "window" and not np.isfinite([self.lower, self.upper]).all():
            raise ConfigurationError(f"The limits of a window are finite numbers, not {self.lower} and {self.upper}.")
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
        """The scale whose ``to_json`` gave ``data``.

        Raises:
            ConfigurationError: for data that describe no scale.
        """
        try:
            return cls(**data)
        except TypeError as error:
            raise ConfigurationError(f"The model's intensity scale {data} makes no sense: {error}.") from error


def percentiles(slices: NDArray[Any], wanted: tuple[float, ...]) -> tuple[float, ...]:
    """Percentiles (nearest rank, exact) of a stack of slices of finite values; memory does not grow with the volume.

    Voxels are counted by the upper 16 bits of their values, then those in the bin of the wanted rank by the next 16,
    and so on: neither far outliers nor values close together cost precision.
    """
    bits = 8 * _keys(slices[:0]).itemsize
    counts = _counts(slices, bits - DIGIT)
    ranks = [min(max(math.ceil(q * slices.size / 100), 1), slices.size) for q in wanted]
    return tuple(_value_of_rank(slices, bits, counts, rank) for rank in ranks)


def _value_of_rank(slices: NDArray[Any], bits: int, counts: NDArray[np.int64], rank: int) -> float:
    """The ``rank``-th smallest value, first = 1; ``counts`` are those of the upper bits."""
    prefix = None
    for shift in range(bits - DIGIT, -1, -DIGIT):
        if prefix is not None:
            counts = _counts(slices, shift, prefix)
        below = np.cumsum(counts)
        digit = int(np.searchsorted(below, rank))
        rank -= int(below[digit] - counts[digit])
        prefix = (prefix or 0) << DIGIT | digit
    key = np.array(prefix, dtype=f"u{bits // 8}")
    return next(float(image[_keys(image) == key][0]) for image in slices if (_keys(image) == key).any())


def _counts(slices: NDArray[Any], shift: int, prefix: int | None = None) -> NDArray[np.int64]:
    """How often each value of the 16 bits above ``shift`` occurs in the keys, of those that begin with ``prefix``."""
    counts = np.zeros(1 << DIGIT, dtype=np.int64)
    for image in slices:
        keys = _keys(image).ravel()
        if prefix is not None:
            keys = keys[keys >> (shift + DIGIT) == prefix]
        digits = (keys >> shift) & ((1 << DIGIT) - 1)
        counts += np.bincount(digits.astype(np.int64), minlength=1 << DIGIT)
    return counts


def _keys(values: NDArray[Any]) -> NDArray[Any]:
    """Unsigned integers of at least 16 bits that are ordered as the values are."""
    kind = values.dtype.kind
    wide = np.promote_types(values.dtype, {"f": "f2", "i": "i2"}.get(kind, "u2"))
    native = values.astype("f8" if wide.itemsize > 8 else wide.newbyteorder("="), copy=False)
    bits = native.view(f"u{native.itemsize}")
    sign = bits.dtype.type(1 << (8 * native.itemsize - 1))
    if kind == "f":  # negative floats are ordered the other way round
        return np.where(bits & sign, ~bits, bits | sign)
    return bits ^ sign if kind == "i" else bits
