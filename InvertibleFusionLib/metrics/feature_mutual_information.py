"""FMI: how much the pattern of grey levels around each pixel of a fused image tells of the sources'."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from InvertibleFusionLib.metrics.image_stacks import image_and_sources, mask_stack

WINDOW = 3
CHUNK = 2048
"""Windows computed at once: few enough for the processor's cache."""

Values = NDArray[np.float64]
Number = TypeVar("Number", NDArray[np.float64], NDArray[np.intp])


def feature_mutual_information(
    image: ArrayLike, sources: Sequence[ArrayLike], *, mask: ArrayLike | None = None
) -> float:
    """FMI with raw pixels as features and 3×3 windows, usually in [0, 1] (Haghighat et al. 2011; fast: 2014).

    In every window, the grey levels, less the smallest and divided by their sum, are taken for probabilities of the
    nine places (column after column), p for the source and q for the fused image. Their joint distribution is Nelsen's
    φ·(the most correlated one, Fréchet's bound) + (1 − φ)·p·q, with φ such that places correlate as the grey levels
    do; where these correlate negatively, Fréchet's lower bound takes the place of the upper one. The window's value
    is 2·I(p, q) / (H(p) + H(q)); FMI is its mean over windows and sources.

    Conventions of the authors' fmi.m (Fast-FMI, feature "none"): only windows inside the image; equal windows count 1,
    even constant ones; a constant window that differs, or one with a single pixel above the rest, counts 0; φ above 1
    can make "probabilities" p below 0, whose entropy is −p·log2 |p|. It does not depend on the images' scales.

    Args:
        image: the fused image, (rows, columns) or (slices, rows, columns), at least 3×3 pixels.
        sources: one or more of the same shape, usually two.
        mask: nonzero where to measure: the windows whose centre lies inside.

    Returns:
        The mean over windows and sources.

    Raises:
        ValueError: when shapes differ, the image is smaller, or no window has its centre inside the mask.
    """
    fused, others = image_and_sources(image, sources)
    if min(fused.shape[1:]) < WINDOW:
        raise ValueError(f"FMI needs images of at least {WINDOW}×{WINDOW} pixels, not {fused.shape[1:]}.")
    centres = mask_stack(mask, image)[:, 1:-1, 1:-1]
    count = int(np.count_nonzero(centres))
    if count == 0:
        raise ValueError("Inside the mask is no pixel away from the border, as FMI needs.")
    total = 0.0
    for index, places in enumerate(centres):
        ours = _windows(fused[index], places)
        for other in others:
            theirs = _windows(other[index], places)
            for start in range(0, ours.shape[1], CHUNK):
                part = slice(start, start + CHUNK)
                total += _total(theirs[:, part], ours[:, part])
    return total / (count * len(others))


# Below, arrays are (places, windows): sums over the few places are then sums of long rows.


def _windows(image: Values, places: NDArray[np.bool_]) -> Values:
    """The pixels of each window, column after column."""
    rows, columns = places.shape
    shifted = [image[i : i + rows, j : j + columns] for j in range(WINDOW) for i in range(WINDOW)]
    return np.stack([pixels[places] for pixels in shifted])


def _total(theirs: Values, ours: Values) -> float:
    """2·I / (H + H), summed over pairs of windows. Air, half of a slice, is equal or constant and costs nothing."""
    equal = (theirs == ours).all(axis=0)
    constant = (theirs == theirs[0]).all(axis=0) | (ours == ours[0]).all(axis=0)
    left = np.flatnonzero(~(equal | constant))
    if len(left) < len(equal):
        theirs, ours = theirs.take(left, axis=1), ours.take(left, axis=1)
    return float(np.count_nonzero(equal) + _shared(theirs, ours).sum())


def _shared(theirs: Values, ours: Values) -> Values:
    """2·I / (H + H) of every pair of windows that vary, (windows,)."""
    likeness = _correlation(theirs, ours)
    # Fréchet's lower bound of two distributions is the upper one when the places of one are counted backwards.
    turned = np.where(likeness < 0, theirs[::-1], theirs)
    first, second = _probabilities(turned), _probabilities(ours)
    single = -_plogp(first).sum(axis=0) - _plogp(second).sum(axis=0)
    joint = _joint_entropy(first, second, np.abs(likeness), single)
    return np.where(single > 0, 2 * (single - joint) / np.where(single > 0, single, 1), 0)


def _correlation(first: Values, second: Values) -> Values:
    """Of each pair of windows; 0 where they vary by less than numbers can tell."""
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    size = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    correlation: Values = np.where(size > 0, (a * b).sum(axis=0) / np.where(size > 0, size, 1), 0)
    return correlation


def _probabilities(windows: Values) -> Values:
    raised = windows - windows.min(axis=0)
    return np.asarray(raised / raised.sum(axis=0))


def _joint_entropy(first: Values, second: Values, likeness: Values, single: Values) -> Values:
    """Entropy of φ·upper bound + (1 − φ)·product, given the entropies of both, H(p) + H(q).

    The upper bound puts the two distribution functions side by side and pairs what lies at the same height: merged,
    their 2·8 inner steps cut [0, 1] into 17 pieces, each in one cell (i, j). All other cells hold (1 − φ)·p·q, whose
    entropy over all 81 cells is known; only the 17 are corrected. The published way computes the 81.
    """
    steps = np.concatenate((_running_sum(first)[:-1], _running_sum(second)[:-1]))
    order = np.ascontiguousarray(np.argsort(steps.T, axis=1).T)
    pieces = np.diff(np.take_along_axis(steps, order, axis=0), axis=0, prepend=0, append=1)
    i = np.zeros(pieces.shape, dtype=np.intp)
    i[1:] = _running_sum((order < len(first) - 1).astype(np.intp))
    j = np.arange(len(pieces))[:, np.newaxis] - i
    share = likeness / _greatest_correlation(first, second, (pieces * i * j).sum(axis=0))
    rest = 1 - share
    product = rest * np.take_along_axis(first, i, axis=0) * np.take_along_axis(second, j, axis=0)
    corrected = _plogp(product + share * pieces) - _plogp(product)
    return np.asarray(rest * single - _plogp(rest) - corrected.sum(axis=0))


def _greatest_correlation(first: Values, second: Values, mean_product: Values) -> Values:
    """Of the places under the upper bound; infinity where all of a distribution lies at one place."""
    place = np.arange(len(first))
    means = place @ first, place @ second
    variances = (place**2 @ values - mean**2 for values, mean in zip((first, second), means, strict=True))
    spread = np.sqrt(np.prod([np.maximum(variance, 0) for variance in variances], axis=0))
    covariance = mean_product - means[0] * means[1]
    known = (spread > 0) & (covariance > 0)
    return np.where(known, covariance / np.where(known, spread, 1), np.inf)


def _running_sum(values: Number) -> Number:
    """As np.cumsum over the places, but row by row, which is several times faster for few places."""
    sums = values.copy()
    for place in range(1, len(values)):
        sums[place] += sums[place - 1]
    return sums


def _plogp(values: Values) -> Values:
    """p·log2 |p|, 0 for 0."""
    return np.asarray(values * np.log2(np.abs(values) + np.finfo(np.float64).tiny))
