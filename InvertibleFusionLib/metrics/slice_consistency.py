"""Whether neighbouring slices of a result fit together, or flicker."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from InvertibleFusionLib.metrics.image_stacks import MaskStack, Stack, image_and_sources, image_stack, mask_stack


def slice_consistency(image: ArrayLike, sources: Sequence[ArrayLike], *, mask: ArrayLike | None = None) -> float:
    """Mean absolute difference between neighbouring slices of a result, relative to the sources' mean one.

    1 says that the result changes from slice to slice as its sources do. Well above 1 it flickers, as from intensities
    scaled slice by slice; well below, something was smeared across slices.

    Args:
        image: the result, (slices, rows, columns), at least two slices.
        sources: one or more of the same shape, on the same scale of intensities: [0, 1] or one unit.
        mask: nonzero where to measure: differences between two voxels inside it.

    Returns:
        The ratio; 1 where neither changes, infinity where only the result does.

    Raises:
        ValueError: when shapes differ, there is a single slice, or no two slices have voxels of the mask in one place.
    """
    result, others = image_and_sources(image, sources)
    inside = mask_stack(mask, image)
    ours, *changes = (_mean_difference(stack, inside) for stack in (result, *others))
    theirs = sum(changes) / len(changes)
    if theirs > 0:
        return ours / theirs
    return math.inf if ours > 0 else 1.0


def slice_differences(image: ArrayLike, *, mask: ArrayLike | None = None) -> NDArray[np.float64]:
    """Mean absolute difference between each slice and the next, (slices − 1,), to see where a result flickers.

    Args:
        image: (slices, rows, columns), at least two slices.
        mask: nonzero where to measure; 0 for two slices that have no voxel of it in one place.

    Raises:
        ValueError: as ``slice_consistency``.
    """
    totals, counts = _sums(image_stack(image), mask_stack(mask, image))
    return np.asarray(totals / np.maximum(counts, 1))


def _mean_difference(stack: Stack, inside: MaskStack) -> float:
    totals, counts = _sums(stack, inside)
    return float(totals.sum() / counts.sum())


def _sums(stack: Stack, inside: MaskStack) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """For each slice and the next: sum of the absolute differences, and of how many voxels."""
    if len(stack) < 2:
        raise ValueError("A single slice has no neighbours: slice consistency needs a volume of at least two.")
    both = inside[1:] & inside[:-1]
    counts = np.count_nonzero(both, axis=(1, 2))
    if not counts.any():
        raise ValueError("The mask holds no voxel whose neighbour in the next slice is inside too.")
    return np.where(both, np.abs(np.diff(stack, axis=0)), 0).sum(axis=(1, 2)), counts
