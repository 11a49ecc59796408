import numpy as np
import pytest
from skimage.measure import shannon_entropy
from skimage.metrics import normalized_mutual_information as scikit_image

from InvertibleFusionLib.metrics.information import (
    entropy,
    nonlinear_correlation_information_entropy,
    normalised_mutual_information,
)

SHARED = [normalised_mutual_information, nonlinear_correlation_information_entropy]


def test_values_of_the_authors_code(golden):
    assert entropy(golden.fused, data_range=255) == pytest.approx(golden.values["EN"], abs=1e-9)
    shared, correlation = (metric(golden.fused, golden.sources) for metric in SHARED)
    assert shared == pytest.approx(golden.values["Q_MI"], abs=1e-9)
    assert correlation == pytest.approx(golden.values["NCIE"], abs=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_type_and_scale_of_the_numbers_do_not_matter(golden, dtype):
    fused, sources = golden.fused.astype(dtype), [source.astype(dtype) for source in golden.sources]
    assert entropy(fused, data_range=255) == pytest.approx(golden.values["EN"], abs=1e-9)
    assert entropy(golden.fused.astype("float32") / 255) == pytest.approx(golden.values["EN"], abs=1e-9)
    assert normalised_mutual_information(fused, sources) == pytest.approx(golden.values["Q_MI"], abs=1e-9)
    shifted = [fused.astype(float) / 7 - 3, *(source * 4.0 + 100 for source in sources)]
    assert normalised_mutual_information(shifted[0], shifted[1:]) == pytest.approx(golden.values["Q_MI"], abs=1e-9)


def test_agrees_with_scikit_image(golden):
    """Its normalised mutual information is (H + H) / H_joint; ours is 2·(1 − 1 / that)."""
    expected = sum(2 - 2 / scikit_image(source, golden.fused, bins=256) for source in golden.sources)
    assert normalised_mutual_information(golden.fused, golden.sources) == pytest.approx(expected)
    assert entropy(golden.fused, data_range=255) == pytest.approx(shannon_entropy(golden.fused))


def test_the_order_of_the_sources_does_not_matter_and_telling_more_is_more(golden):
    a, b = golden.sources
    for metric in SHARED:
        assert metric(golden.fused, [a, b]) == pytest.approx(metric(golden.fused, [b, a]))
        noise = np.random.default_rng(0).permutation(golden.fused.ravel()).reshape(a.shape)
        assert metric(noise, [a, b]) < metric(golden.fused, [a, b])
    assert normalised_mutual_information(a, [a]) == pytest.approx(1)
    assert normalised_mutual_information(a, [a, a]) == pytest.approx(2)


def test_levels_that_are_used_alike_have_their_known_entropy():
    image = np.repeat([0.0, 1 / 3, 2 / 3, 1.0], 6).reshape(4, 6)
    assert entropy(image) == pytest.approx(2)
    assert entropy(image, grey_levels=2) == pytest.approx(1)
    assert entropy(np.array([[-5.0, 0.0], [1.0, 7.0]])) == pytest.approx(1)  # what lies outside counts as the ends
    every = np.arange(256.0).reshape(16, 16)
    assert entropy(every, data_range=255) == pytest.approx(8)
    # Three images that tell each other everything: one eigenvalue 3 and two 0.
    assert nonlinear_correlation_information_entropy(every, [every, every]) == pytest.approx(1)


def test_constant_images_are_defined():
    black, grey, image = np.zeros((6, 7)), np.full((6, 7), 0.5), np.random.default_rng(0).random((6, 7))
    assert entropy(black) == entropy(grey) == 0
    for fused, sources in ((grey, [black, image]), (image, [grey, grey]), (grey, [black, grey])):
        assert normalised_mutual_information(fused, sources) == 0
    assert nonlinear_correlation_information_entropy(grey, [black, grey]) == pytest.approx(1 - np.log2(3) / 8)
    assert nonlinear_correlation_information_entropy(image, [grey, black]) == pytest.approx(1 - np.log2(3) / 8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 3, 5)])
def test_tiny_images_and_stacks(shape):
    images = np.random.default_rng(0).random((3, *shape))
    assert entropy(images[0]) == pytest.approx(shannon_entropy(np.round(255 * images[0])))
    for metric in SHARED:
        assert metric(images[0], images[1:]) == metric(images[0].reshape(1, -1), images[1:].reshape(2, 1, -1))


def test_a_mask_leaves_out_what_lies_outside(blobs):
    inside = np.zeros(blobs[0].shape)
    inside[10:30, 5:25] = 1
    spoilt, cut = np.where(inside > 0, blobs, 9), blobs[:, 10:30, 5:25]
    for metric in SHARED:
        assert metric(spoilt[2], spoilt[:2], mask=inside) == metric(cut[2], cut[:2]) != metric(spoilt[2], spoilt[:2])
    assert entropy(spoilt[2], mask=inside) == entropy(cut[2]) != entropy(spoilt[2])


def test_fewer_grey_levels_feign_less_information():
    independent = np.random.default_rng(0).random((3, 40, 40))
    values = [
        normalised_mutual_information(independent[0], independent[1:], grey_levels=levels) for levels in (256, 32, 8)
    ]
    assert values[0] > 0.8 > 0.2 > values[1] > values[2] > 0
    assert values[2] < 0.02


@pytest.mark.parametrize("metric", SHARED)
def test_what_cannot_be_compared_is_refused(metric):
    image = np.ones((4, 5))
    with pytest.raises(ValueError, match=r"source 1 has the shape \(5, 4\), the image \(4, 5\)"):
        metric(image, [image.T, image])
    with pytest.raises(ValueError, match="mask is empty"):
        metric(image, [image], mask=0 * image)
    with pytest.raises(ValueError, match="two grey levels, not 1"):
        metric(image, [image], grey_levels=1)
