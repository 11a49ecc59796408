"""Sampling the head on a grid: each voxel holds the mean over its box, thick slices included."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.phantom.anatomy import Anatomy
from InvertibleFusionLib.phantom.shapes import Floats
from InvertibleFusionLib.volumes.grid import Grid

FINEST = 1.5
"""A voxel is sampled at least once for every so many mm along each of its axes; surfaces fade in between."""
MOST = 8
"""Not more samples than this along an axis of a voxel."""
POINTS_AT_ONCE = 32_000
"""Few enough that what is computed of them stays in the processor's cache."""


def tissue_shares(anatomy: Anatomy, grid: Grid, finest: float = FINEST) -> Iterator[tuple[slice, Floats]]:
    """Tissue shares of all voxels of ``grid``, part by part.

    Args:
        anatomy: of the head.
        grid: of the voxels.
        finest: distance in mm between samples that is close enough.

    Yields:
        The voxels, as a slice of the flattened (k, j, i) array, and their shares, shape (tissues, voxels).
    """
    counts = [min(max(math.ceil(value / finest - 1e-6), 1), MOST) for value in grid.spacing]
    inner = _inside_voxel(grid, counts)
    edge = max(value / count for value, count in zip(grid.spacing, counts, strict=True))
    for part, middles in voxel_centres(grid, max(POINTS_AT_ONCE // inner.shape[1], 1)):
        points = (middles[:, None, :] + inner[:, :, None]).reshape(3, -1)
        shares = anatomy.shares(points, edge)
        yield part, shares.reshape(len(shares), inner.shape[1], -1).mean(axis=1)


def voxel_centres(grid: Grid, at_once: int) -> Iterator[tuple[slice, Floats]]:
    """Positions of all voxels, part by part: a slice of the flattened (k, j, i) array, and (3, voxels) mm, LPS."""
    total = math.prod(grid.size)
    steps = grid.axes * np.asarray(grid.spacing)
    for start in range(0, total, at_once):
        part = slice(start, min(start + at_once, total))
        k, j, i = np.unravel_index(np.arange(part.start, part.stop), tuple(reversed(grid.size)))
        places = np.einsum("ab,bn->an", steps, np.stack([i, j, k])) + np.asarray(grid.origin)[:, None]
        yield part, places.astype(np.float32)


def _inside_voxel(grid: Grid, counts: list[int]) -> Floats:
    """Where a voxel is sampled, relative to its middle, shape (3, samples), mm."""
    shares = [(np.arange(count) + 0.5) / count - 0.5 for count in counts]
    offsets: NDArray[np.float64] = np.stack(np.meshgrid(*shares, indexing="ij")).reshape(3, -1)
    return np.asarray((grid.axes * np.asarray(grid.spacing)) @ offsets, dtype=np.float32)
