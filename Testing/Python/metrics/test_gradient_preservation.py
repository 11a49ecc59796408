import numpy as np
import pytest

from InvertibleFusionLib.metrics.gradient_preservation import average_gradient, gradient_preservation, spatial_frequency


def test_values_of_the_authors_code(golden):
    preserved = gradient_preservation(golden.fused, golden.sources, data_range=255)
    assert preserved == pytest.approx(golden.values["Q_AB/F"], abs=1e-9)
    assert average_gradient(golden.fused, data_range=255) == pytest.approx(golden.values["AG"], abs=1e-9)
    assert spatial_frequency(golden.fused, data_range=255) == pytest.approx(golden.values["SF"], abs=1e-9)


def test_images_in_zero_to_one_give_the_same_values(golden):
    """With the range given, the scale of the input does not matter."""
    fused, sources = golden.fused / 255, [source / 255 for source in golden.sources]
    assert gradient_preservation(fused, sources) == pytest.approx(golden.values["Q_AB/F"], abs=1e-6)
    assert average_gradient(fused) == pytest.approx(golden.values["AG"], abs=1e-9)
    assert spatial_frequency(fused) == pytest.approx(golden.values["SF"], abs=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_numbers_of_every_type_are_computed_with_in_double_precision(golden, dtype):
    """Differences of unsigned bytes would wrap around."""
    fused, sources = golden.fused.astype(dtype), [source.astype(dtype) for source in golden.sources]
    preserved = gradient_preservation(fused, sources, data_range=255)
    assert preserved == pytest.approx(golden.values["Q_AB/F"], abs=1e-9)
    assert average_gradient(fused, data_range=255) == pytest.approx(golden.values["AG"], abs=1e-9)
    assert spatial_frequency(fused, data_range=255) == pytest.approx(golden.values["SF"], abs=1e-9)


def test_more_of_the_edges_is_more(blobs):
    first, second, other = blobs
    values = [gradient_preservation(image, [first]) for image in (first, (2 * first + other) / 3, other)]
    assert 0.9 < values[0] < 1
    assert values[0] > values[1] > values[2]
    assert gradient_preservation(first, [first, second]) == pytest.approx(gradient_preservation(first, [second, first]))


def test_a_constant_image_has_no_gradient_and_black_sources_no_edges():
    black, grey = np.zeros((5, 7)), np.full((5, 7), 0.5)
    assert average_gradient(grey) == spatial_frequency(grey) == 0
    assert gradient_preservation(grey, [black, black]) == gradient_preservation(black, [black, black]) == 0
    assert gradient_preservation(black, [grey, grey]) < 1e-3
    assert gradient_preservation(grey, [grey, grey]) > 0.9  # their frame, which counts as an edge
    assert gradient_preservation(np.random.default_rng(0).random((5, 7)), [grey, grey]) < 0.9


def test_a_ramp_has_the_gradient_that_it_was_given():
    ramp = np.tile(np.arange(9) / 255, (6, 1))  # one grey level a column
    assert average_gradient(ramp) == pytest.approx(np.sqrt(0.5) * 6 * 9 / (5 * 8))
    assert spatial_frequency(ramp) == pytest.approx(1)
    assert spatial_frequency(ramp.T) == pytest.approx(1)


def test_a_mask_leaves_out_what_lies_outside(blobs):
    first, second, fused = blobs
    inside = np.zeros(fused.shape, bool)
    inside[10:30, 12:33] = True
    spoilt = fused.copy()
    spoilt[35:] = 77  # two pixels and more away from the mask
    for metric in (average_gradient, spatial_frequency):
        assert metric(fused, mask=inside) == metric(spoilt, mask=inside) != metric(fused)
        assert metric(fused, mask=np.ones_like(inside)) == pytest.approx(metric(fused))
    masked = gradient_preservation(fused, [first, second], mask=inside)
    assert masked == gradient_preservation(spoilt, [first, second], mask=inside.astype(np.uint8))
    assert masked != gradient_preservation(fused, [first, second])
    assert spatial_frequency(fused[10:30, 12:33]) == pytest.approx(spatial_frequency(fused, mask=inside))
    alone = np.zeros_like(inside)
    alone[3, 3] = True
    assert spatial_frequency(fused, mask=alone) == 0


def test_a_stack_pools_its_slices_and_never_differences_across_them(blobs):
    first, second, fused = blobs
    twice = [np.stack((image, image)) for image in (first, second, fused)]
    assert gradient_preservation(twice[2], twice[:2]) == pytest.approx(gradient_preservation(fused, [first, second]))
    assert average_gradient(twice[2]) == pytest.approx(average_gradient(fused))
    assert spatial_frequency(fused[None]) == spatial_frequency(fused)
    squares = (spatial_frequency(first) ** 2 + spatial_frequency(second) ** 2) / 2
    assert spatial_frequency(np.stack((first, second))) == pytest.approx(np.sqrt(squares))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (3, 2, 7)])
def test_tiny_images(shape):
    image = np.random.default_rng(1).random(shape)
    preserved = gradient_preservation(image, [image])
    assert 0.9 < preserved < 1 or (image.size == 1 and preserved == 0)  # a single pixel has no gradient
    if min(shape[-2:]) > 1:
        assert average_gradient(image) > 0
        assert spatial_frequency(image) > 0
    else:
        for metric in (average_gradient, spatial_frequency):
            with pytest.raises(ValueError, match=r"2×2 pixels, not \(1, "):
                metric(image)


def test_what_cannot_be_compared_is_refused_with_the_numbers():
    image = np.ones((4, 5))
    with pytest.raises(ValueError, match=r"source 2 has the shape \(5, 4\), the image \(4, 5\)"):
        gradient_preservation(image, [image, image.T])
    with pytest.raises(ValueError, match="there are none"):
        gradient_preservation(image, [])
    with pytest.raises(ValueError, match=r"mask has the shape \(4,\)"):
        average_gradient(image, mask=np.ones(4))
    with pytest.raises(ValueError, match="mask is empty"):
        spatial_frequency(image, mask=np.zeros((4, 5)))
    with pytest.raises(ValueError, match="1 values that are not finite"):
        gradient_preservation(image, [np.where(np.eye(4, 5) * np.arange(5) == 3, np.nan, 1)])
    with pytest.raises(ValueError, match=r"positive number.* not 0"):
        gradient_preservation(image, [image], data_range=0)
    with pytest.raises(ValueError, match=r"slices, rows, columns\), not \(20,\)"):
        average_gradient(np.ones(20))
