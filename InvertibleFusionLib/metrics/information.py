"""Information: how much a fused image holds (EN), and how much of it comes from the sources (Q_MI, NCIE).

All are computed from histograms of grey levels, over all slices of a volume together.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from InvertibleFusionLib.metrics.image_stacks import check_data_range, image_and_sources, image_stack, mask_stack

Levels = NDArray[np.intp]


def entropy(
    image: ArrayLike, *, data_range: float = 1.0, mask: ArrayLike | None = None, grey_levels: int = 256
) -> float:
    """EN in bits: −Σ p·log2 p over the grey levels.

    0 to ``data_range`` is rounded to the levels; what lies outside counts as the first or the last.

    Args:
        image: (rows, columns) or (slices, rows, columns).
        data_range: the span of possible values, from 0 on.
        mask: nonzero where to measure.
        grey_levels: how many.

    Returns:
        Bits, at most log2 of the number of grey levels; 0 for a constant image.

    Raises:
        ValueError: when the mask is empty or there are fewer than two grey levels.
    """
    check_data_range(data_range)
    _check_levels(grey_levels)
    values = image_stack(image)[mask_stack(mask, image)]
    scaled = np.clip(values / data_range, 0, 1)
    return _entropy(np.bincount(_rounded(scaled, grey_levels)))


def normalised_mutual_information(
    image: ArrayLike, sources: Sequence[ArrayLike], *, mask: ArrayLike | None = None, grey_levels: int = 256
) -> float:
    """Q_MI, Σ over the sources of 2·MI(source, image) / (H(source) + H(image)) (Hossny et al. 2008).

    Each image's grey levels run from its own smallest to its own largest value (inside the mask), so that scales do
    not matter. Original code: metricMI.m of Liu et al. 2012. Joint histograms of small regions are nearly empty, which
    feigns information: compare values of equally many pixels only, or take fewer grey levels.

    Args:
        image: the fused image, (rows, columns) or (slices, rows, columns).
        sources: one or more of the same shape, usually two.
        mask: nonzero where to measure.
        grey_levels: how many.

    Returns:
        Between 0 and the number of sources. The term of a source is 0 where it or the fused image is constant: nothing
        was told.

    Raises:
        ValueError: when shapes differ, the mask is empty or there are fewer than two grey levels.
    """
    fused, *others = _levels(image, sources, mask, grey_levels)
    total = 0.0
    for other in others:
        theirs, ours, joint = _entropies(other, fused, grey_levels)
        if theirs + ours > 0:
            total += 2 * (theirs + ours - joint) / (theirs + ours)
    return total


def nonlinear_correlation_information_entropy(
    image: ArrayLike, sources: Sequence[ArrayLike], *, mask: ArrayLike | None = None, grey_levels: int = 256
) -> float:
    """NCIE, 1 + Σ (λ/K)·log_b(λ/K) over the eigenvalues λ of the K images' correlation matrix (Wang et al. 2008).

    K counts the sources and the fused image, b is the number of grey levels. The matrix holds 1 on its diagonal and
    elsewhere MI of each two images in units of log_b. Grey levels as in Q_MI. Original code: metricWang.m and NCC.m of
    Liu et al. 2012. For two sources and 256 levels it is hardly ever outside .80–.84: no headline figure.

    Arguments and errors as ``normalised_mutual_information``.

    Returns:
        Between 1 − log_b K, where no image tells of another or all are constant (.802 for two sources), and 1.
    """
    images = _levels(image, sources, mask, grey_levels)
    unit = math.log2(grey_levels)
    correlations = np.eye(len(images))
    for row, first in enumerate(images):
        for column, second in enumerate(images[:row]):
            one, other, joint = _entropies(first, second, grey_levels)
            correlations[row, column] = correlations[column, row] = (one + other - joint) / unit
    shares = np.maximum(np.linalg.eigvalsh(correlations), 0) / len(images)
    return 1 - _entropy(shares) / unit


def _check_levels(grey_levels: int) -> None:
    if grey_levels < 2:
        raise ValueError(f"Information needs at least two grey levels, not {grey_levels}.")


def _levels(image: ArrayLike, sources: Sequence[ArrayLike], mask: ArrayLike | None, grey_levels: int) -> list[Levels]:
    """Grey levels of the fused image and each source inside the mask, from smallest to largest value."""
    _check_levels(grey_levels)
    fused, others = image_and_sources(image, sources)
    inside = mask_stack(mask, image)
    levels = []
    for stack in (fused, *others):
        values = stack[inside]
        span = np.ptp(values)
        levels.append(_rounded((values - values.min()) / (span if span > 0 else 1), grey_levels))
    return levels


def _rounded(shares: NDArray[np.float64], grey_levels: int) -> Levels:
    # Halves upwards, as MATLAB; NumPy rounds them to even numbers.
    return np.floor(shares * (grey_levels - 1) + 0.5).astype(np.intp)


def _entropies(first: Levels, second: Levels, grey_levels: int) -> tuple[float, float, float]:
    """Of both, and of the pair."""
    joint = np.bincount(first * grey_levels + second, minlength=grey_levels**2).reshape(grey_levels, grey_levels)
    return _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0)), _entropy(joint)


def _entropy(counts: Levels | NDArray[np.float64]) -> float:
    """In bits; the counts need not sum to one."""
    filled = counts[counts > 0]
    shares = filled / filled.sum()
    return max(0.0, -float(np.sum(shares * np.log2(shares))))
