import math

import numpy as np
import pytest

from InvertibleFusionLib.metrics.slice_consistency import slice_consistency, slice_differences


@pytest.fixture
def volumes():
    """Two sources that change slowly from slice to slice."""
    z, i, j = np.mgrid[:9, :20, :22]
    return [0.5 + 0.4 * np.sin(z / 6 + i / 4) * np.cos(j / 5), 0.5 + 0.4 * np.cos(z / 5 - j / 6) * np.sin(i / 7)]


def test_a_mean_of_the_sources_is_consistent_and_scaling_slice_by_slice_is_not(volumes):
    mean = (volumes[0] + volumes[1]) / 2
    assert slice_consistency(volumes[0], [volumes[0]]) == 1
    assert 0.5 < slice_consistency(mean, volumes) <= 1
    gains = 1 + 0.15 * np.random.default_rng(0).standard_normal(9)
    flickering = mean * gains[:, None, None]
    assert slice_consistency(flickering, volumes) > 1.5
    smeared = np.broadcast_to(mean.mean(axis=0), mean.shape)
    assert slice_consistency(smeared, volumes) == pytest.approx(0, abs=1e-12)


def test_it_is_the_ratio_of_mean_absolute_differences(volumes):
    first, second = volumes
    expected = np.abs(np.diff(first, axis=0)).mean() / np.abs(np.diff(second, axis=0)).mean()
    assert slice_consistency(first, [second]) == pytest.approx(expected)
    assert slice_consistency((255 * first).astype(np.uint8), [(255 * second).astype(np.uint8)]) == pytest.approx(
        expected, rel=0.05
    )


def test_the_slice_that_flickers_is_shown(volumes):
    spoilt = volumes[0].copy()
    spoilt[4] += 0.3
    differences = slice_differences(spoilt)
    assert differences.shape == (8,)
    assert set(np.argsort(differences)[-2:]) == {3, 4}
    np.testing.assert_allclose(differences, np.abs(np.diff(spoilt, axis=0)).mean(axis=(1, 2)))


def test_a_mask_leaves_out_what_lies_outside(volumes):
    inside = np.zeros(volumes[0].shape)
    inside[2:6, 5:12, 6:13] = 1
    spoilt = np.where(inside, volumes[0], 9)
    cut = (slice(2, 6), slice(5, 12), slice(6, 13))
    expected = slice_consistency(volumes[0][cut], [volumes[1][cut]])
    assert slice_consistency(spoilt, [volumes[1]], mask=inside) == pytest.approx(expected)
    assert slice_consistency(spoilt, [volumes[1]]) != pytest.approx(expected)
    np.testing.assert_array_equal(slice_differences(spoilt, mask=inside)[[0, 1, 5, 6, 7]], 0)


def test_constant_volumes_are_defined(volumes):
    flat = np.full(volumes[0].shape, 0.7)
    assert slice_consistency(flat, [flat]) == 1
    assert slice_consistency(volumes[0], [flat]) == math.inf
    assert slice_consistency(flat, volumes) == 0


def test_what_cannot_be_measured_is_refused(volumes):
    first, second = volumes
    with pytest.raises(ValueError, match="A single slice has no neighbours"):
        slice_consistency(first[0], [second[0]], mask=np.ones(first[0].shape))
    with pytest.raises(ValueError, match="A single slice has no neighbours"):
        slice_differences(first[:1])
    with pytest.raises(ValueError, match="source 1 has the shape"):
        slice_consistency(first, [second[1:]])
    lonely = np.zeros(first.shape)
    lonely[3] = 1
    with pytest.raises(ValueError, match="neighbour in the next slice"):
        slice_consistency(first, [second], mask=lonely)
