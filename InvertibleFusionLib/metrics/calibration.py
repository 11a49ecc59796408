"""Whether a predicted spread says how large the error is."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from InvertibleFusionLib.metrics.image_stacks import image_and_target, mask_stack

Values = NDArray[np.float64]


@dataclass(frozen=True)
class ReliabilityBin:
    """Voxels of similar spread. With a true spread, both numbers are the same.

    Attributes:
        spread: root mean square of the predicted spread.
        error: root mean square of the error.
        count: of voxels.
    """

    spread: float
    error: float
    count: int


@dataclass(frozen=True)
class Calibration:
    """How spread and error agree. A true spread of Gaussian errors has the values in brackets.

    Attributes:
        pearson: linear correlation of spread and absolute error (below √(2/π) = .8 even for a true spread, since every
            error is a single draw; 0 where spread or error is constant).
        spearman: rank correlation of the same.
        within_one: share of voxels whose error is at most the spread [.683].
        within_two: share of voxels whose error is at most twice the spread [.954].
        expected_error: expected calibration error, Σ n_b / N · |error_b − spread_b| over the bins, in the image's
            units [0] (Laves et al. 2020, in standard deviations as in Levi et al. 2022).
        scale: what to multiply the spread with to make it most likely, √(mean (error / spread)²), the maximum of the
            Gaussian likelihood [1] (Laves et al. 2020, equation 8), over voxels with a spread above 0; 1 where there
            are none and no errors either, infinity where there are only errors.
        bins: the reliability curve, from small to large spread.
    """

    pearson: float
    spearman: float
    within_one: float
    within_two: float
    expected_error: float
    scale: float
    bins: tuple[ReliabilityBin, ...]


GAUSSIAN_WITHIN_ONE, GAUSSIAN_WITHIN_TWO = math.erf(1 / math.sqrt(2)), math.erf(2 / math.sqrt(2))


def calibration(
    image: ArrayLike, target: ArrayLike, spread: ArrayLike, *, mask: ArrayLike | None = None, bins: int = 15
) -> Calibration:
    """Compare a predicted spread with the errors that were really made.

    Args:
        image: the prediction, (rows, columns) or (slices, rows, columns).
        target: what it should be; the same shape and units.
        spread: predicted standard deviation of each voxel; the same shape and units, not negative.
        mask: nonzero where to measure. Without one, air outside the head makes every correlation look good.
        bins: of the reliability curve, with about equally many voxels each. Voxels of one spread share a bin, so
            there can be fewer.

    Raises:
        ValueError: when shapes differ, the mask is empty, a spread is negative or there are no bins.
    """
    if bins < 1:
        raise ValueError(f"The reliability curve needs at least one bin, not {bins}.")
    result, wanted = image_and_target(image, target)
    inside = mask_stack(mask, image)
    predicted = image_and_target(image, spread, "spread")[1][inside]
    if predicted.min() < 0:
        raise ValueError(f"A spread is not negative, but the smallest is {predicted.min():g}.")
    error = np.abs(result - wanted)[inside]
    curve = _reliability(predicted, error, bins)
    return Calibration(
        pearson=_correlation(predicted, error),
        spearman=_correlation(_ranks(predicted), _ranks(error)),
        within_one=float(np.mean(error <= predicted)),
        within_two=float(np.mean(error <= 2 * predicted)),
        expected_error=sum(part.count * abs(part.error - part.spread) for part in curve) / error.size,
        scale=_best_scale(predicted, error),
        bins=curve,
    )


def _reliability(spread: Values, error: Values, bins: int) -> tuple[ReliabilityBin, ...]:
    edges = np.unique(np.quantile(spread, np.arange(1, bins) / bins, method="lower"))
    place = np.searchsorted(edges, spread, side="left")
    counts = np.bincount(place)
    squares = [np.sqrt(np.bincount(place, values**2) / np.maximum(counts, 1)) for values in (spread, error)]
    return tuple(
        ReliabilityBin(float(predicted), float(observed), int(count))
        for predicted, observed, count in zip(*squares, counts, strict=True)
        if count
    )


def _best_scale(spread: Values, error: Values) -> float:
    known = spread > 0
    if not known.any():
        return math.inf if error.any() else 1.0
    return float(np.sqrt(np.mean((error[known] / spread[known]) ** 2)))


def _correlation(first: Values, second: Values) -> float:
    # Compared before the mean is taken off: the mean of equal numbers need not be that number.
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Values) -> Values:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Values = (last - (counts - 1) / 2)[place]
    return shared
