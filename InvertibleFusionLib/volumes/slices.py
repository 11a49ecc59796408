"""Volumes as stacks of slices: along which axis, and padded to the sizes that a network takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.volumes.grid import Grid

Axis = Literal["axial", "coronal", "sagittal", "acquisition"]
PATIENT_AXIS = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Which LPS coordinate changes from one slice to the next."""


def slice_axis(grid: Grid, axis: Axis) -> int:
    """The array axis (0 = k, 1 = j, 2 = i) along which slices are counted.

    "acquisition" is k, as the scanner stacked them. The anatomical names pick the voxel axis nearest to the patient
    axis, each voxel axis serving one name. A volume of a single slice is taken slice by slice along its flat axis,
    whatever the name.
    """
    if axis not in ("acquisition", *PATIENT_AXIS):
        raise ConfigurationError(f"There is no slice axis {axis!r}; use axial, coronal, sagittal or acquisition.")
    flat = [a for a in (0, 1, 2) if grid.size[2 - a] == 1]
    if len(flat) == 1:
        return flat[0]
    if axis == "acquisition":
        return 0
    cosines = np.abs(grid.axes)  # [patient axis, voxel axis]
    assigned = max(permutations(range(3)), key=lambda order: float(sum(cosines[p, order[p]] for p in range(3))))
    return 2 - assigned[PATIENT_AXIS[axis]]


@dataclass(frozen=True)
class SliceStack:
    """How a volume is cut into slices.

    Attributes:
        grid: of the volume.
        axis: the array axis along which slices are counted.
        multiple: rows and columns are padded at their far end to a multiple of this.
    """

    grid: Grid
    axis: int
    multiple: int

    @property
    def count(self) -> int:
        """Number of slices."""
        return self.grid.size[2 - self.axis]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        rows, columns = (n for a, n in enumerate(reversed(self.grid.size)) if a != self.axis)
        return rows, columns

    @property
    def padded_shape(self) -> tuple[int, int]:
        """Rows and columns of a slice as the network gets it."""
        rows, columns = (-(-n // self.multiple) * self.multiple for n in self.shape)
        return rows, columns

    @property
    def padded_grid(self) -> Grid:
        """The lattice of the padded slices: the volume's own, longer at the far end where a size is padded."""
        size = list(reversed(self.grid.size))
        for a, n in zip((a for a in range(3) if a != self.axis), self.padded_shape, strict=True):
            size[a] = n
        return self.grid.extended((size[2], size[1], size[0]))

    def slices(self, array: NDArray[Any]) -> NDArray[Any]:
        """A view of the volume's array as (slices, rows, columns[, components])."""
        return np.moveaxis(array, self.axis, 0)

    def pad(self, images: NDArray[Any]) -> NDArray[Any]:
        """Pad (…, rows, columns) to the network's sizes by reflection, by repetition where there is but one voxel."""
        missing = [p - n for p, n in zip(self.padded_shape, self.shape, strict=True)]
        for a, extra in zip((-2, -1), missing, strict=True):
            if extra:
                width = [(0, 0)] * images.ndim
                width[a] = (0, extra)
                images = np.pad(images, width, mode="reflect" if images.shape[a] > extra else "edge")
        return images

    def crop(self, images: NDArray[Any]) -> NDArray[Any]:
        """Undo ``pad``: (…, padded rows, padded columns) to (…, rows, columns)."""
        rows, columns = self.shape
        return images[..., :rows, :columns]


def join_channels(images: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Images (rows, columns) or (rows, columns, components) as the channels of one array (channels, rows, columns)."""
    return np.concatenate([image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0) for image in images])


def split_channels(channels: NDArray[Any], components: Sequence[int]) -> list[NDArray[Any]]:
    """Undo ``join_channels`` for images of so many components each; those of one are (rows, columns)."""
    parts = np.split(channels, np.cumsum(components)[:-1])
    return [part[0] if count == 1 else np.moveaxis(part, 0, -1) for part, count in zip(parts, components, strict=True)]
