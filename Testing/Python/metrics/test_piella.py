import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity as scikit_image

from InvertibleFusionLib.metrics.piella import piella_quality
from InvertibleFusionLib.metrics.reference_quality import mean_structural_similarity


def test_values_of_the_authors_code(golden):
    assert piella_quality(golden.fused, golden.sources, data_range=255) == pytest.approx(golden.values["Q_P"], abs=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_type_and_scale_of_the_numbers_do_not_matter(golden, dtype):
    fused, sources = golden.fused.astype(dtype), [source.astype(dtype) for source in golden.sources]
    assert piella_quality(fused, sources, data_range=255) == pytest.approx(golden.values["Q_P"], abs=1e-9)
    fused, sources = golden.fused.astype("float32") / 255, [source / 255 for source in golden.sources]
    assert piella_quality(fused, sources) == pytest.approx(golden.values["Q_P"], abs=1e-6)


def test_agrees_with_maps_of_scikit_image_and_scipy(blobs):
    first, second, fused = blobs
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0, "full": True}
    likeness = [scikit_image(source, fused, **options)[1] for source in (first, second)]
    blur = [gaussian_filter(image, 1.5, truncate=3.5) for image in (first, second, first**2, second**2)]
    variances = [blur[2] - blur[0] ** 2, blur[3] - blur[1] ** 2]
    weighted = (variances[0] * likeness[0] + variances[1] * likeness[1]) / (variances[0] + variances[1])
    assert piella_quality(fused, [first, second]) == pytest.approx(weighted[5:-5, 5:-5].mean(), abs=1e-9)


def test_the_source_that_varies_decides(blobs):
    first, _, fused = blobs
    flat = np.full(first.shape, 0.3)
    assert piella_quality(fused, [first, flat]) == pytest.approx(mean_structural_similarity(fused, first))
    assert piella_quality(fused, [flat, first]) == pytest.approx(mean_structural_similarity(fused, first))
    assert piella_quality(first, [first, first]) == pytest.approx(1)


@pytest.mark.parametrize("level", [0.0, 0.1, 0.7, 255.0])
def test_constant_sources_weigh_the_same(level):
    """Rounding leaves variances like −1e−17; weights made of those would be any number."""
    flat, black, image = np.full((20, 21), level), np.zeros((20, 21)), np.random.default_rng(0).random((20, 21))
    both = mean_structural_similarity(image, flat) / 2 + mean_structural_similarity(image, black) / 2
    assert piella_quality(image, [flat, black]) == pytest.approx(both)
    assert piella_quality(flat, [flat, flat]) == pytest.approx(1)


def test_masks_and_stacks(blobs):
    first, second, fused = blobs
    inside = np.zeros(fused.shape, bool)
    inside[12:25, 11:30] = True
    cut = (slice(7, 30), slice(6, 35))  # with the windows' borders
    expected = piella_quality(fused[cut], [first[cut], second[cut]])
    assert piella_quality(fused, [first, second], mask=inside) == pytest.approx(expected)
    whole = piella_quality(fused, [first, second])
    assert whole != pytest.approx(expected)
    assert piella_quality(fused[None], [first[None], second[None]]) == pytest.approx(whole)
    stacked = piella_quality(np.stack((fused, first)), [np.stack((first, first)), np.stack((second, first))])
    assert stacked == pytest.approx((whole + 1) / 2)


def test_what_cannot_be_compared_is_refused():
    image = np.ones((12, 14))
    with pytest.raises(ValueError, match=r"source 2 has the shape \(14, 12\), the image \(12, 14\)"):
        piella_quality(image, [image, image.T])
    with pytest.raises(ValueError, match=r"11×11 pixels, not \(12, 10\)"):
        piella_quality(image[:, :10], [image[:, :10]])
    with pytest.raises(ValueError, match="5 or more away"):
        piella_quality(image, [image], mask=np.arange(168).reshape(12, 14) < 14)
