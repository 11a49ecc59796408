"""Which slices of a patient are used."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError


@dataclass(frozen=True)
class SliceSelection:
    """Slices are selected by what they show, then by the mask, then the middle ones of those that remain.

    Attributes:
        content_level: brightness above which a pixel shows something, as a fraction of the intensity scale.
        content_share: a slice is used when more than this share of its pixels shows something in any contrast.
        middle: how many slices in the middle of those that remain; 0 for all.
        labels: only slices in which the mask has one of these values; empty for all.

    Raises:
        ConfigurationError: for a share outside [0, 1) and a negative number of slices.
    """

    content_level: float = 0.05
    content_share: float = 0.05
    middle: int = 0
    labels: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 <= self.content_share < 1:
            raise ConfigurationError(f"The content share lies in [0, 1), not at {self.content_share}.")
        if self.middle < 0:
            raise ConfigurationError(f"The number of middle slices is 0 (all) or more, not {self.middle}.")

    def showing(self, images: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which of (slices, contrasts, rows, columns) show something."""
        share = (images > self.content_level).mean(axis=(2, 3))
        return np.asarray((share > self.content_share).any(axis=1))

    def chosen(self, images: NDArray[np.float32], labels: NDArray[Any] | None) -> NDArray[np.int64]:
        """Positions of the slices to use, ascending.

        Args:
            images: (slices, contrasts, rows, columns), scaled.
            labels: (slices, rows, columns), whole numbers; None where there is no mask.

        Raises:
            ConfigurationError: when no slice is left, or labels are asked for and there is no mask.
        """
        used = self.showing(images)
        if not used.any():
            raise ConfigurationError("no axial slice shows anything; are they the right files?")
        if self.labels:
            if labels is None:
                raise ConfigurationError(f"slices with the labels {self.labels} are asked for, but there is no mask.")
            used &= np.isin(labels, self.labels).any(axis=(1, 2))
            if not used.any():
                found = ", ".join(f"{value:g}" for value in np.unique(labels)[:10])
                raise ConfigurationError(f"no slice has the labels {self.labels}; the mask holds {found}.")
        positions = np.flatnonzero(used)
        if 0 < self.middle < len(positions):
            first = (len(positions) - self.middle) // 2
            positions = positions[first : first + self.middle]
        return positions.astype(np.int64)
