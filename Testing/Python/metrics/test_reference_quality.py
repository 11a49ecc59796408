import math

import numpy as np
import pytest
from skimage import metrics as scikit_image

from InvertibleFusionLib.metrics.reference_quality import (
    mean_structural_similarity,
    normalised_mean_squared_error,
    normalised_root_mean_squared_error,
    peak_signal_to_noise_ratio,
)

EVERY = [
    mean_structural_similarity,
    normalised_mean_squared_error,
    normalised_root_mean_squared_error,
    peak_signal_to_noise_ratio,
]


@pytest.mark.parametrize("shape", [(12, 11), (31, 20), (3, 15, 17)])
@pytest.mark.parametrize("data_range", [1.0, 255.0, 4095.0])
def test_agrees_with_scikit_image(shape, data_range):
    image, target = data_range * np.random.default_rng(0).random((2, *shape))
    ours = peak_signal_to_noise_ratio(image, target, data_range=data_range)
    assert ours == pytest.approx(scikit_image.peak_signal_noise_ratio(target, image, data_range=data_range))
    ours = normalised_root_mean_squared_error(image, target)
    assert ours == pytest.approx(scikit_image.normalized_root_mse(target, image, normalization="euclidean"))
    assert normalised_mean_squared_error(image, target) == pytest.approx(ours**2)
    if len(shape) == 2:
        _, whole = scikit_image.structural_similarity(
            target,
            image,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=data_range,
            full=True,
        )
        ours = mean_structural_similarity(image, target, data_range=data_range)
        assert ours == pytest.approx(whole[5:-5, 5:-5].mean(), abs=1e-10)


@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_psnr_agrees_with_torchmetrics(data_range):
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torchmetrics.functional.image").peak_signal_noise_ratio
    image, target = data_range * np.random.default_rng(0).random((2, 31, 20))
    expected = float(theirs(torch.tensor(image), torch.tensor(target), data_range=data_range))
    assert peak_signal_to_noise_ratio(image, target, data_range=data_range) == pytest.approx(expected, abs=1e-4)


def test_ssim_of_the_reference_implementation(golden_mean):
    """Wang's own ssim_index.m under GNU Octave."""
    a, b = golden_mean.sources
    assert mean_structural_similarity(golden_mean.fused, a, data_range=255) == pytest.approx(0.613741974691, abs=1e-9)
    assert mean_structural_similarity(golden_mean.fused, b, data_range=255) == pytest.approx(0.447942752512, abs=1e-9)
    assert mean_structural_similarity(b / 255, a / 255) == pytest.approx(0.097022426130, abs=1e-9)


def test_known_errors_have_their_known_values():
    target = np.full((20, 20), 0.5)
    assert peak_signal_to_noise_ratio(target + 0.1, target) == pytest.approx(20)
    assert peak_signal_to_noise_ratio(target + 0.1, target, data_range=10) == pytest.approx(40)
    assert normalised_mean_squared_error(target + 0.1, target) == pytest.approx(0.04)
    assert normalised_root_mean_squared_error(0 * target, target) == 1


def test_constant_and_equal_images_are_defined():
    black, grey = np.zeros((12, 13)), np.full((12, 13), 0.5)
    assert peak_signal_to_noise_ratio(grey, grey) == math.inf
    assert normalised_mean_squared_error(black, black) == normalised_root_mean_squared_error(grey, grey) == 0
    assert normalised_mean_squared_error(grey, black) == math.inf
    assert mean_structural_similarity(grey, grey) == pytest.approx(1)
    assert mean_structural_similarity(black, grey) < 1e-3


def test_unsigned_bytes_do_not_wrap_around():
    dark, bright = np.full((12, 12), 10, np.uint8), np.full((12, 12), 20, np.uint8)
    for metric in EVERY:
        assert metric(dark, bright) == metric(dark.astype(float), bright.astype(float))
    assert peak_signal_to_noise_ratio(dark, bright, data_range=255) == pytest.approx(20 * math.log10(25.5))


@pytest.mark.parametrize("metric", EVERY)
def test_a_mask_leaves_out_what_lies_outside(metric, blobs):
    image, target, _ = blobs
    inside = np.zeros(image.shape, bool)
    inside[12:25, 11:30] = True
    spoilt = image.copy()
    spoilt[31:] = 9  # further away than half a window
    assert metric(spoilt, target, mask=inside) == metric(image, target, mask=inside) != metric(image, target)
    assert metric(image, target, mask=np.full(image.shape, 255, np.uint8)) == pytest.approx(metric(image, target))
    if metric is not mean_structural_similarity:
        cut = metric(image[12:25, 11:30], target[12:25, 11:30])
        assert metric(image, target, mask=inside) == pytest.approx(cut)


def test_a_masked_ssim_is_the_mean_of_the_windows_centred_inside(blobs):
    image, target, _ = blobs
    inside = np.zeros(image.shape, bool)
    inside[20, 17] = inside[30, 8] = True
    windows = [mean_structural_similarity(image[i - 5 : i + 6, j - 5 : j + 6], target[i - 5 : i + 6, j - 5 : j + 6])
               for i, j in ((20, 17), (30, 8))]  # fmt: skip
    assert mean_structural_similarity(image, target, mask=inside) == pytest.approx(np.mean(windows))


@pytest.mark.parametrize("metric", EVERY)
def test_a_volume_is_measured_as_one(metric, blobs):
    volume, other = blobs, blobs[::-1].copy()
    assert metric(volume[0][None], other[0][None]) == pytest.approx(metric(volume[0], other[0]))
    inside = np.zeros(volume.shape)
    inside[1] = 1  # the lesion is in one slice only
    assert metric(volume, other, mask=inside) == pytest.approx(metric(volume[1], other[1]))


@pytest.mark.parametrize("metric", EVERY)
def test_what_cannot_be_compared_is_refused(metric):
    image = np.ones((12, 14))
    with pytest.raises(ValueError, match=r"target has the shape \(14, 12\), the image \(12, 14\)"):
        metric(image, image.T)
    with pytest.raises(ValueError, match="mask is empty"):
        metric(image, image, mask=0 * image)
    with pytest.raises(ValueError, match="target has 168 values that are not finite"):
        metric(image, np.full((12, 14), np.inf))


def test_ssim_near_the_border_only_is_refused():
    image = np.ones((12, 14))
    with pytest.raises(ValueError, match="5 or more away"):
        mean_structural_similarity(image, image, mask=np.arange(168).reshape(12, 14) < 14)
    with pytest.raises(ValueError, match="11×11"):
        mean_structural_similarity(image[:10], image[:10])
