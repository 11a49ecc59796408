"""The Volume: an array of voxels and where they lie in the patient."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.volumes.grid import IDENTITY_DIRECTION, Grid


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels with a geometry, a name and units. Volumes are never modified: operations return new ones.

    Attributes:
        array: shape (k, j, i), or (k, j, i, component) for colour and latent volumes. A read-only view.
        spacing: mm along i, j, k.
        origin: position of voxel (0, 0, 0) in mm, LPS.
        direction: nine numbers as SimpleITK gives them, LPS.
        name: what a user calls it, such as "ADC".
        units: of the voxel values, as the source states them; empty where it states none.
        record: how the volume came to be, as JSON-ready data; None for a volume that this library did not make.
        label_map: the file or node says that the values are labels.

    Raises:
        ValueError: when the array has neither three nor four dimensions or no real numbers, or the geometry is none.
    """

    array: NDArray[Any]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY_DIRECTION
    name: str = "volume"
    units: str = ""
    record: Mapping[str, Any] | None = None
    label_map: bool = False

    def __post_init__(self) -> None:
        view = np.asarray(self.array).view()
        if view.ndim == 4 and view.shape[3] == 1:
            view = view[..., 0]
        if view.dtype.kind not in "biuf":
            raise ValueError(f"A volume holds real numbers, not {view.dtype}.")
        if view.ndim not in (3, 4):
            raise ValueError(f"A volume has 3 dimensions, or 4 with components, not {view.ndim}.")
        view.setflags(write=False)
        object.__setattr__(self, "array", view)
        for field in ("spacing", "origin", "direction"):
            object.__setattr__(self, field, tuple(float(value) for value in getattr(self, field)))
        _ = self.grid  # checks the geometry

    @classmethod
    def read(cls, path: str | Path) -> "Volume":
        """Read NRRD, NIfTI, MetaImage, or a folder holding one DICOM series; see ``volumes.reading``."""
        from InvertibleFusionLib.volumes.reading import read_volume

        return read_volume(Path(path))

    def write(self, path: str | Path) -> None:
        """Write NRRD, NIfTI or MetaImage, by the file's ending, whole or not at all; see ``volumes.writing``."""
        from InvertibleFusionLib.volumes.writing import write_volume

        write_volume(self, Path(path))

    @classmethod
    def on_grid(cls, array: NDArray[Any], grid: Grid, **other: Any) -> "Volume":
        """A volume of ``array`` lying on ``grid``; ``other`` are further fields of the volume."""
        if tuple(reversed(array.shape[:3])) != grid.size:
            raise ValueError(f"An array of shape {array.shape} does not fit a grid of {grid.size} voxels.")
        return cls(array, spacing=grid.spacing, origin=grid.origin, direction=grid.direction, **other)

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        k, j, i = self.array.shape[:3]
        return Grid((i, j, k), self.spacing, self.origin, self.direction)

    @property
    def components(self) -> int:
        """Values per voxel: 1, or the length of the array's fourth axis."""
        return 1 if self.array.ndim == 3 else int(self.array.shape[3])

    @property
    def file_name(self) -> str:
        """The name as part of a file name: letters, digits, dots, hyphens and underscores only."""
        return re.sub(r"[^\w.-]+", "_", self.name, flags=re.ASCII).strip("._") or "volume"

    def renamed(self, name: str) -> "Volume":
        """The same volume under another name."""
        return replace(self, name=name)

    def with_array(self, array: NDArray[Any], **other: Any) -> "Volume":
        """Other voxel values on the same grid, without the record, which speaks of the old ones."""
        if array.shape[:3] != self.array.shape[:3]:
            raise ValueError(f"An array of shape {array.shape} does not fit a volume of {self.array.shape}.")
        return replace(self, **{"array": array, "record": None, **other})
