"""From a source's own numbers to those that networks learn and are measured in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.training.data.source import DataSource
from InvertibleFusionLib.volumes.intensity import IntensityScale, percentiles


class Normalization(Protocol):
    """Slices of one contrast of one patient to numbers of about [0, 1]."""

    @property
    def description(self) -> str:
        """Tells this normalization from others; cached slices are found by it."""

    def __call__(self, slices: NDArray[Any]) -> NDArray[np.float32]:
        """Normalize (slices, rows, columns)."""


@dataclass(frozen=True)
class Scaled:
    """Normalization by an intensity scale, which is not clipped.

    Attributes:
        scale: fitted to each contrast of each patient anew.
    """

    scale: IntensityScale

    @property
    def description(self) -> str:
        """The scale's settings."""
        return repr(self)

    def __call__(self, slices: NDArray[Any]) -> NDArray[np.float32]:
        """Normalize (slices, rows, columns)."""
        fitted = self.scale.fit(slices)
        return np.stack([fitted.apply(image, index).astype(np.float32) for index, image in enumerate(slices)])


@dataclass(frozen=True)
class Clipped:
    """Division by a percentile of the volume, clipped to [0, 1].

    Attributes:
        percentile: that becomes 1; the volume's maximum does where it is not positive.
    """

    percentile: float

    @property
    def description(self) -> str:
        """The percentile."""
        return repr(self)

    def __call__(self, slices: NDArray[Any]) -> NDArray[np.float32]:
        """Normalize (slices, rows, columns)."""
        return self.scaled_like(slices, slices)

    def scaled_like(self, slices: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float32]:
        """Slices as others are normalized, by those others' percentile; both (slices, rows, columns)."""
        (high,) = percentiles(others, (self.percentile,))
        if high <= 0:  # nearly all voxels are background
            high = float(others.max())
        return np.clip(slices / (high if high > 0 else 1.0), 0, 1).astype(np.float32)


for_reporting = Clipped(99.9)
"""Divided by the volume's 99.9th percentile and clipped to [0, 1], so that SSIM values can be compared."""


def scaling_in_words(sources: Sequence[DataSource]) -> str:
    """How ``for_reporting`` slices of these sources are scaled, for what is said of figures measured on them."""
    kinds = [
        (any(source.png for source in sources), "PNG divided by their largest grey level"),
        (any(source.h5 for source in sources), "slices of .h5 scaled by their own range"),
        (
            any(not (source.png or source.h5) for source in sources),
            "divided by the volume's 99.9th percentile and clipped to [0, 1]",
        ),
    ]
    return "; ".join(words for there, words in kinds if there)


def with_scale(scale: IntensityScale) -> Scaled:
    """Normalization by an intensity scale, as the model will get its sources."""
    return Scaled(scale)
