"""Whether differences between two methods on the same slices or cases are more than chance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata, wilcoxon

SIGNIFICANT = 0.05


def signed_rank(first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """The two-sided p-value of Wilcoxon's signed-rank test of paired values (Wilcoxon 1945).

    Pairs without a difference are left out. Exact for up to 50 pairs without equal differences, else the normal
    approximation (scipy).

    Args:
        first: values of one method.
        second: of the other, in the same order.

    Returns:
        The p-value, 1 where no pair differs; and the sum of the ranks of positive differences less that of negative
        ones, above 0 where the first method's values are larger.

    Raises:
        ValueError: when there are not as many of both.
    """
    ours, theirs = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if ours.shape != theirs.shape:
        raise ValueError(f"Values must be paired, not {ours.shape} and {theirs.shape}.")
    differences = (ours - theirs)[ours != theirs]
    if not differences.size:
        return 1.0, 0.0
    shift = float((np.sign(differences) * rankdata(np.abs(differences))).sum())
    return float(wilcoxon(differences).pvalue), shift


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number, so that the chance of a single false finding keeps its level (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return [float(value) for value in corrected]
