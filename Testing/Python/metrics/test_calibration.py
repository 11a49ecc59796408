import math

import numpy as np
import pytest
from scipy import stats

from InvertibleFusionLib.metrics.calibration import GAUSSIAN_WITHIN_ONE, GAUSSIAN_WITHIN_TWO, calibration


@pytest.fixture
def simulated():
    """A target, a prediction with Gaussian errors, and the spread that these were drawn with."""
    generator = np.random.default_rng(3)
    target = generator.random((4, 120, 110))
    spread = generator.uniform(0.02, 0.2, target.shape)
    return target + spread * generator.standard_normal(target.shape), target, spread


def test_a_true_spread_is_calibrated(simulated):
    image, target, spread = simulated
    result = calibration(image, target, spread)
    assert result.within_one == pytest.approx(0.683, abs=0.006)
    assert result.within_two == pytest.approx(0.954, abs=0.003)
    assert result.scale == pytest.approx(1, abs=0.01)
    assert result.expected_error < 0.02 * spread.mean()
    assert len(result.bins) == 15
    assert sum(part.count for part in result.bins) == image.size
    for part in result.bins:
        assert part.error == pytest.approx(part.spread, rel=0.06)


def test_a_spread_that_is_twice_too_small_is_found_out(simulated):
    image, target, spread = simulated
    result, true = calibration(image, target, spread / 2), calibration(image, target, spread)
    assert result.scale == pytest.approx(2, abs=0.02)
    assert result.within_one == pytest.approx(stats.norm.cdf(0.5) * 2 - 1, abs=0.006)
    assert result.within_two == pytest.approx(true.within_one)
    root_mean_square = np.sqrt(np.mean(spread**2))
    assert 0.4 * root_mean_square < result.expected_error < 0.5 * root_mean_square
    assert all(part.error == pytest.approx(2 * part.spread, rel=0.06) for part in result.bins)
    assert (result.pearson, result.spearman) == pytest.approx((true.pearson, true.spearman))


def test_an_unrelated_spread_has_a_flat_curve_and_no_correlation(simulated):
    image, target, spread = simulated
    shuffled = np.random.default_rng(0).permutation(spread.ravel()).reshape(spread.shape)
    result = calibration(image, target, shuffled)
    assert abs(result.pearson) < 0.015
    assert abs(result.spearman) < 0.015
    errors = [part.error for part in result.bins]
    assert max(errors) < 1.1 * min(errors)
    assert result.bins[-1].spread > 5 * result.bins[0].spread
    assert result.expected_error > 5 * calibration(image, target, spread).expected_error


def test_correlations_are_scipys_even_with_ties(simulated):
    image, target, spread = (np.round(part, 1) for part in simulated)
    result = calibration(image, target, spread)
    error = np.abs(image - target).ravel()
    assert result.pearson == pytest.approx(stats.pearsonr(spread.ravel(), error).statistic)
    assert result.spearman == pytest.approx(stats.spearmanr(spread.ravel(), error).statistic)


def test_the_scale_is_the_most_likely_one(simulated):
    image, target, spread = simulated
    wrong = 0.3 * spread**1.2
    best = calibration(image, target, wrong).scale

    def surprise(scale):
        return -stats.norm.logpdf(image - target, scale=scale * wrong).mean()

    assert surprise(best) < min(surprise(0.99 * best), surprise(1.01 * best))


def test_the_mask_decides(simulated):
    image, target, spread = simulated
    inside = np.zeros(image.shape)
    inside[2, 20:90, 10:100] = 1
    outside = np.where(inside == 0, 50, spread)
    assert calibration(image, target, outside, mask=inside) == calibration(image, target, spread, mask=inside)
    assert calibration(image, target, outside) != calibration(image, target, spread)
    cut = (slice(2, 3), slice(20, 90), slice(10, 100))
    assert (
        calibration(image[cut], target[cut], spread[cut]).bins == calibration(image, target, spread, mask=inside).bins
    )


def test_voxels_of_one_spread_share_a_bin():
    generator = np.random.default_rng(0)
    image, spread = generator.standard_normal((40, 40)), np.ones((40, 40))
    (only,) = calibration(image, 0 * image, spread).bins
    assert (only.spread, only.count) == (1, 1600)
    assert only.error == pytest.approx(np.sqrt(np.mean(image**2)))
    spread[:, :30] = 0  # most of the image is air without any spread
    low, high = calibration(image, 0 * image, spread).bins
    assert (low.spread, low.count, high.spread, high.count) == (0, 1200, 1, 400)


def test_constant_spread_and_no_errors_are_defined():
    image, target = np.full((5, 6), 0.7), np.full((5, 6), 0.4)
    wrong = calibration(image, target, np.zeros((5, 6)))
    assert (wrong.pearson, wrong.spearman, wrong.within_one, wrong.scale) == (0, 0, 0, math.inf)
    assert wrong.expected_error == pytest.approx(0.3)
    perfect = calibration(image, image, np.zeros((5, 6)))
    assert (perfect.within_one, perfect.within_two, perfect.scale, perfect.expected_error) == (1, 1, 1, 0)
    assert calibration(image, image, np.ones((5, 6))).scale == 0
    single = calibration(image[:1, :1], target[:1, :1], np.ones((1, 1)))
    assert single.bins[0].count == 1


def test_the_gaussians_shares_are_the_known_ones():
    assert pytest.approx(0.6827, abs=1e-4) == GAUSSIAN_WITHIN_ONE
    assert pytest.approx(0.9545, abs=1e-4) == GAUSSIAN_WITHIN_TWO


def test_nonsense_is_refused():
    image = np.ones((4, 5))
    with pytest.raises(ValueError, match=r"target has the shape \(5, 4\)"):
        calibration(image, image.T, image)
    with pytest.raises(ValueError, match=r"spread has the shape \(5, 4\)"):
        calibration(image, image, image.T)
    with pytest.raises(ValueError, match="smallest is -1"):
        calibration(image, image, -image)
    with pytest.raises(ValueError, match="at least one bin, not 0"):
        calibration(image, image, image, bins=0)
