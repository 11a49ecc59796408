import numpy as np
import pytest

from InvertibleFusionLib.evaluation.paired_tests import holm, signed_rank


def test_signed_rank_of_a_published_example() -> None:
    """Hollander and Wolfe 1973, page 29, as in R's help of wilcox.test: one-sided p = .01953."""
    first = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    second = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    p, shift = signed_rank(first, second)
    assert p == pytest.approx(2 * 0.01953, abs=1e-4)
    assert shift == 40 - 5  # V = 40 of the 45 ranks are positive
    assert signed_rank(second, first) == (p, -shift)


def test_pairs_without_a_difference_are_left_out() -> None:
    assert signed_rank([1.0, 2.0], [1.0, 2.0]) == (1.0, 0.0)
    assert signed_rank([1, 2, 3, 4, 9], [0, 0, 0, 0, 9]) == signed_rank([1, 2, 3, 4], [0, 0, 0, 0])
    with pytest.raises(ValueError, match="paired"):
        signed_rank(np.zeros(3), np.zeros(2))


def test_holm_as_r_adjusts() -> None:
    """p.adjust(c(.01, .04, .03, .005), "holm") gives .03 .06 .06 .02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
