"""Where voxels lie: grids, and what two of them differ in, in words and millimetres."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import GridMismatchError

TOLERANCE_MM = 0.01
"""Two grids are one when no corner voxel is farther off than this: NIfTI headers keep float32, about 1e-5 mm."""

RIGHT_ANGLE = 5e-3
"""Cosine between two axes, and deviation of an axis from length 1, that rounded headers may have: 1 mm in a head."""

IDENTITY_DIRECTION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Grid:
    """A regular lattice of voxel centres in patient space (LPS, millimetres), as SimpleITK describes it.

    Attributes:
        size: number of voxels along i, j, k (the reverse of a NumPy shape).
        spacing: distance between neighbouring voxel centres along i, j, k, in mm.
        origin: position of voxel (0, 0, 0), in mm.
        direction: 3×3 matrix, row by row; its columns are the unit vectors of i, j and k, at right angles.

    Raises:
        ValueError: when the numbers are no such lattice.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...] = IDENTITY_DIRECTION

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(int(n) for n in self.size))
        for field in ("spacing", "origin", "direction"):
            object.__setattr__(self, field, tuple(float(value) for value in getattr(self, field)))
        if len(self.direction) != 9:
            raise ValueError(f"A direction has 9 numbers, not {len(self.direction)}.")
        if any(not np.isfinite(value) or value <= 0 for value in self.spacing):
            raise ValueError(f"Spacings must be positive millimetres, not {self.spacing}.")
        if not np.isfinite(self.origin).all():
            raise ValueError(f"An origin must be three finite numbers, not {self.origin}.")
        # NaN must fail, too.
        if not np.abs(self.axes.T @ self.axes - np.eye(3)).max() <= RIGHT_ANGLE:
            raise ValueError(f"Axes must be at right angles to each other and of length 1, not {self.direction}.")

    @property
    def axes(self) -> NDArray[np.float64]:
        """The 3×3 direction matrix; column c is the unit vector of voxel axis c (0 = i, 1 = j, 2 = k)."""
        return np.asarray(self.direction, dtype=np.float64).reshape(3, 3)

    def position(self, index: tuple[float, float, float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Patient position in mm (LPS) of the continuous voxel index (i, j, k)."""
        offset = self.axes @ (np.asarray(self.spacing) * np.asarray(index, dtype=np.float64))
        return np.asarray(np.asarray(self.origin) + offset)

    def corners(self) -> NDArray[np.float64]:
        """Positions of the eight corner voxels' centres, shape (8, 3), in mm."""
        last = [(0, n - 1) for n in self.size]
        return np.array([self.position(np.array(index, dtype=np.float64)) for index in product(*last)])

    def extended(self, size: tuple[int, int, int]) -> "Grid":
        """The same lattice with more or fewer voxels at the far end of each axis; no voxel moves."""
        return Grid(size, self.spacing, self.origin, self.direction)


def same_grid(first: Grid, second: Grid, tolerance_mm: float = TOLERANCE_MM) -> bool:
    """Whether both grids have the same size and no corner lies farther apart than ``tolerance_mm``."""
    return first.size == second.size and corner_distance(first, second) <= tolerance_mm


def corner_distance(first: Grid, second: Grid) -> float:
    """Largest distance between corresponding corner voxels, in mm."""
    return float(np.linalg.norm(first.corners() - second.corners(), axis=1).max())


def describe_difference(first: Grid, second: Grid) -> str:
    """What ``second`` has other than ``first``, in words and millimetres; an empty string where nothing differs."""
    parts = []
    if first.size != second.size:
        parts.append(f"{_times(second.size)} voxels instead of {_times(first.size)}")
    if not np.allclose(first.spacing, second.spacing, rtol=0, atol=1e-4):
        parts.append(f"spacing {_millimetres(second.spacing)} instead of {_millimetres(first.spacing)}")
    if not np.allclose(first.origin, second.origin, rtol=0, atol=TOLERANCE_MM):
        distance = float(np.linalg.norm(np.subtract(first.origin, second.origin)))
        parts.append(f"an origin {distance:.2f} mm away")
    turn = rotation_degrees(first, second)
    if turn is None:
        parts.append("axes that are permuted or mirrored")
    elif turn > 0.01:
        parts.append(f"axes turned by {turn:.2f}°")
    if not parts and not same_grid(first, second):
        parts.append(f"corners up to {corner_distance(first, second):.3f} mm away")
    return ", ".join(parts)


def rotation_degrees(first: Grid, second: Grid) -> float | None:
    """Angle in degrees between the axes of two grids; None where they are mirrored or turned by more than 60°."""
    relative = first.axes.T @ second.axes
    if np.linalg.det(relative) < 0 or np.diag(relative).min() < 0.5:
        return None
    # The cosine alone would make 0.03° of a header's float32 rounding.
    sine = float(np.linalg.norm(relative - relative.T)) / np.sqrt(8)
    return float(np.degrees(np.arctan2(sine, (np.trace(relative) - 1) / 2)))


def require_same_grid(first: Grid, second: Grid, first_name: str, second_name: str) -> None:
    """Refuse two grids that are not one.

    Raises:
        GridMismatchError: with what differs, in numbers.
    """
    if not same_grid(first, second):
        raise GridMismatchError(
            f"{second_name} is not on the grid of {first_name}: it has {describe_difference(first, second)}. "
            f"Allow resampling (--resample, resample=True) to bring it onto the grid of {first_name}."
        )


def _times(size: tuple[int, ...]) -> str:
    return "×".join(str(n) for n in size)


def _millimetres(spacing: tuple[float, ...]) -> str:
    return "×".join(f"{value:.6g}" for value in spacing) + " mm"
