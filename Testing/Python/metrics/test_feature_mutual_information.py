import time

import numpy as np
import pytest

from InvertibleFusionLib.metrics.feature_mutual_information import feature_mutual_information


def by_definition(source, fused):
    """FMI of one source, cell by cell of the 9×9 joint distribution, with Fréchet's own formulae for both bounds."""
    rows, columns = fused.shape
    values = []
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            a, b = (image[i - 1 : i + 2, j - 1 : j + 2].T.ravel() for image in (source, fused))
            values.append(1.0 if (a == b).all() else shared(a, b))
    return np.mean(values)


def shared(a, b):
    p, q = (np.full(9, 1 / 9) if np.ptp(x) == 0 else (x - x.min()) / (x - x.min()).sum() for x in (a, b))
    above, left = np.meshgrid(np.r_[0, p.cumsum()], np.r_[0, q.cumsum()], indexing="ij")
    likeness = 0 if np.ptp(a) == 0 or np.ptp(b) == 0 else np.corrcoef(p, q)[0, 1]
    bound = np.minimum(above, left) if likeness >= 0 else np.maximum(above + left - 1, 0)
    extreme = np.diff(np.diff(bound, axis=0), axis=1)
    place = np.arange(9)
    spread = np.sqrt((p @ place**2 - (p @ place) ** 2) * (q @ place**2 - (q @ place) ** 2))
    share = 0
    if spread > 0:
        share = likeness / ((place @ extreme @ place - (p @ place) * (q @ place)) / spread)
    joint = share * extreme + (1 - share) * np.outer(p, q)
    entropies = [-sum(x * np.log2(abs(x)) for x in values.ravel() if x != 0) for values in (p, q, joint)]
    return 2 * (entropies[0] + entropies[1] - entropies[2]) / (entropies[0] + entropies[1]) if sum(entropies[:2]) else 0


def test_values_of_the_authors_code(golden):
    value = feature_mutual_information(golden.fused, golden.sources)
    assert value == pytest.approx(golden.values["FMI"], abs=1e-9)


@pytest.mark.parametrize("levels", [2, 3, 5, 1000])
def test_agrees_with_the_definition_with_many_and_few_grey_levels(levels):
    """Few levels make constant windows, single bright pixels, equal windows and ties."""
    images = np.random.default_rng(levels).integers(0, levels, (3, 14, 11)).astype(float)
    images[:, 2:9, 3:7] = np.array([0, 1, 1])[:, None, None]
    expected = (by_definition(images[0], images[2]) + by_definition(images[1], images[2])) / 2
    assert feature_mutual_information(images[2], images[:2]) == pytest.approx(expected, abs=1e-9)


def test_scales_and_types_do_not_matter_but_the_direction_of_grey_does(golden_mean):
    fused, sources = golden_mean.fused, golden_mean.sources
    expected = golden_mean.values["FMI"]
    assert feature_mutual_information(fused.astype(np.uint8), [s.astype(np.uint8) for s in sources]) == pytest.approx(
        expected, abs=1e-9
    )
    scaled = feature_mutual_information(fused / 255, [source / 255 for source in sources])
    assert scaled == pytest.approx(expected, abs=1e-9)
    assert feature_mutual_information(fused.astype("float32"), sources) == pytest.approx(expected, abs=1e-9)
    assert feature_mutual_information(255 - fused, sources) != pytest.approx(expected, abs=1e-3)


def test_equal_constant_and_single_pixel_windows_are_defined():
    black, grey, image = np.zeros((5, 6)), np.full((5, 6), 0.5), np.random.default_rng(0).random((5, 6))
    point = black.copy()
    point[2, 2] = 1
    for same in (black, grey, image, point):
        assert feature_mutual_information(same, [same, same.copy()]) == 1
    for different in (black, image, point):
        assert feature_mutual_information(grey, [different]) == pytest.approx(0, abs=1e-12)
        assert feature_mutual_information(different, [grey]) == pytest.approx(0, abs=1e-12)
    assert feature_mutual_information(point[1:4, 1:4], [2 * point[1:4, 1:4]]) == 0


def test_air_is_free_and_counts_as_by_definition():
    """Where a window of either image is constant nothing is computed."""
    images = np.random.default_rng(0).random((3, 16, 15))
    images[:, :6] = 0
    images[0, :, :5] = 0.3
    images[2, 10:, 8:] = 0.1
    expected = (by_definition(images[0], images[2]) + by_definition(images[1], images[2])) / 2
    assert feature_mutual_information(images[2], images[:2]) == pytest.approx(expected, abs=1e-12)


def test_masks_stacks_and_the_order_of_sources(blobs):
    first, second, fused = blobs
    whole = feature_mutual_information(fused, [first, second])
    assert whole == pytest.approx(feature_mutual_information(fused, [second, first]))
    inside = np.zeros(fused.shape)
    inside[12:25, 11:30] = 1
    cut = (slice(11, 26), slice(10, 31))
    expected = feature_mutual_information(fused[cut], [first[cut], second[cut]])
    assert feature_mutual_information(fused, [first, second], mask=inside) == pytest.approx(expected)
    assert whole != pytest.approx(expected)
    stacked = feature_mutual_information(np.stack((fused, first)), [np.stack((first, first))])
    assert stacked == pytest.approx((feature_mutual_information(fused, [first]) + 1) / 2)


def test_a_slice_of_a_brain_takes_a_moment():
    """Cell by cell it takes minutes. Some .1 s of processor time; the bound is loose, as machines are shared."""
    images = np.random.default_rng(0).random((3, 240, 240))
    seconds = []
    for _ in range(3):
        start = time.process_time()
        feature_mutual_information(images[2], images[:2])
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.6


def test_what_cannot_be_compared_is_refused():
    image = np.ones((4, 5))
    with pytest.raises(ValueError, match=r"source 1 has the shape \(5, 4\), the image \(4, 5\)"):
        feature_mutual_information(image, [image.T])
    with pytest.raises(ValueError, match=r"3×3 pixels, not \(2, 5\)"):
        feature_mutual_information(image[:2], [image[:2]])
    with pytest.raises(ValueError, match="away from the border"):
        feature_mutual_information(image, [image], mask=np.arange(20).reshape(4, 5) < 5)
