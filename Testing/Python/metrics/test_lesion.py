import math

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from InvertibleFusionLib.metrics.lesion import contrast_to_background, lesion_quality, surroundings
from InvertibleFusionLib.metrics.reference_quality import (
    mean_structural_similarity,
    normalised_mean_squared_error,
    peak_signal_to_noise_ratio,
)


@pytest.fixture
def head():
    """A noisy volume with a bright lesion in two of four slices."""
    target = 0.4 + 0.05 * np.random.default_rng(0).standard_normal((4, 40, 44))
    lesion = np.zeros(target.shape, np.uint8)
    lesion[1:3, 15:25, 18:30] = 1
    return target + 0.3 * lesion, lesion


def test_a_result_that_misses_the_lesion_is_found_out(head):
    target, lesion = head
    missed = np.where(lesion, target - 0.3, target)
    result = lesion_quality(missed, target, lesion)
    assert result.pixels == 240
    assert result.psnr == pytest.approx(20 * math.log10(1 / 0.3))
    assert peak_signal_to_noise_ratio(missed, target) > result.psnr + 10  # all of the head hardly shows it
    assert abs(result.contrast) < 0.5
    assert 5 < result.target_contrast < 7
    assert lesion_quality(target, target, lesion).psnr == math.inf


def test_it_is_the_metrics_inside_the_mask(head):
    target, lesion = head
    image = target + 0.02 * np.random.default_rng(1).standard_normal(target.shape)
    result = lesion_quality(image, target, lesion, data_range=2)
    assert result.psnr == peak_signal_to_noise_ratio(image, target, data_range=2, mask=lesion)
    assert result.nmse == normalised_mean_squared_error(image, target, mask=lesion)
    assert result.ssim == mean_structural_similarity(image, target, data_range=2, mask=lesion)
    outside = np.where(lesion, image, 0)
    assert lesion_quality(outside, target, lesion).nmse == result.nmse


def test_contrast_is_in_standard_deviations_and_free_of_units(head):
    target, lesion = head
    inside, background = lesion > 0, surroundings(lesion)
    expected = (target[inside].mean() - target[background].mean()) / target[background].std()
    assert contrast_to_background(target, lesion, background) == pytest.approx(expected)
    assert contrast_to_background(3 * target - 900, lesion, background) == pytest.approx(expected)
    assert contrast_to_background(-target, lesion, background) == pytest.approx(-expected)
    assert contrast_to_background(target, lesion, np.ones_like(lesion)) == pytest.approx(
        contrast_to_background(target, lesion, 1 - lesion)
    )


@pytest.mark.parametrize("level", [0.0, 0.1, 0.7])
def test_contrast_of_constant_images_is_defined(level):
    flat, lesion = np.full((9, 9), level), np.eye(9)
    assert contrast_to_background(flat, lesion, 1 - lesion) == 0
    assert contrast_to_background(flat + 0.1 * lesion, lesion, 1 - lesion) == math.inf
    assert contrast_to_background(flat - 0.1 * lesion, lesion, 1 - lesion) == -math.inf


@pytest.mark.parametrize("width", [1, 3, 5])
def test_surroundings_are_all_pixels_near_enough_in_the_same_slice(width):
    lesion = np.zeros((3, 30, 25))
    lesion[1, 10:14, 2:5] = 1  # near the border
    ring = surroundings(lesion, width=width)
    distance = distance_transform_edt(lesion[1] == 0)
    np.testing.assert_array_equal(ring[1], (distance > 0) & (distance <= width))
    assert not ring[0].any()
    assert not ring[2].any()
    within = np.zeros_like(lesion)
    within[:, :, 4:] = 1
    np.testing.assert_array_equal(surroundings(lesion, width=width, within=within), ring & (within > 0))
    np.testing.assert_array_equal(surroundings(lesion[1], width=width), ring[1])


def test_a_lesion_at_the_border_has_no_ssim_but_all_else(head):
    target, _ = head
    lesion = np.zeros(target.shape)
    lesion[0, 2:5, 20:25] = 1
    result = lesion_quality(target + 0.1, target, lesion)
    assert result.ssim is None
    assert result.psnr == pytest.approx(20)


def test_what_cannot_be_measured_is_refused(head):
    target, lesion = head
    with pytest.raises(ValueError, match="mask is empty"):
        lesion_quality(target, target, 0 * lesion)
    with pytest.raises(ValueError, match=r"mask has the shape \(40, 44\)"):
        lesion_quality(target, target, lesion[0])
    with pytest.raises(ValueError, match="nothing to compare with"):
        lesion_quality(target, target, lesion, background=lesion)
    with pytest.raises(ValueError, match="1 pixel wide, not 0"):
        surroundings(lesion, width=0)
