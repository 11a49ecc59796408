import json

import numpy as np
import pytest

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.volumes.intensity import IDENTITY_SCALE, FittedScale, IntensityScale, percentiles

SCALES = {
    "percentile": IntensityScale(),
    "narrow percentile": IntensityScale("percentile", 20, 60),
    "slice-minmax": IntensityScale("slice-minmax"),
    "window": IntensityScale("window", -160, 240),
}
EVERY_TYPE = ["bool", "uint8", "int8", "uint16", "int16", ">i2", "uint32", "int32", "uint64", "int64"]
EVERY_TYPE += ["float16", "float32", ">f4", "float64", ">f8"]


@pytest.fixture(params=list(SCALES))
def scale(request):
    return SCALES[request.param]


@pytest.fixture
def head(rng):
    """Much background, skewed tissue, a few bright vessels: (slices, rows, columns) of float64."""
    stack = rng.gamma(4, 90, (7, 41, 50))  # sizes at which no wanted rank is a whole number
    stack[:, :, :20] = 0
    stack[:, 5, 30:33] = 4000
    return stack


def way_back(fitted, stack):
    return np.stack([fitted.undo(fitted.apply(image, n), n) for n, image in enumerate(stack)])


# Percentiles


@pytest.mark.parametrize("dtype", EVERY_TYPE)
def test_percentiles_are_those_of_numpy_for_every_type(dtype, rng):
    stack = (rng.normal(size=(5, 17, 23)) * 40).astype(dtype)
    wanted = (0, 0.1, 2.5, 33.3, 50, 77.7, 99.9, 100)
    expected = np.percentile(stack.astype(np.float64), wanted, method="inverted_cdf")
    np.testing.assert_array_equal(percentiles(stack, wanted), expected)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "uint64", "int64", "float32", "float64"])
def test_percentiles_hold_over_the_whole_range_of_a_type(dtype, rng):
    if np.issubdtype(dtype, np.floating):
        stack = (rng.normal(size=(5, 17, 23)) * 10.0 ** rng.integers(-30, 30, (5, 17, 23))).astype(dtype)
    else:
        stack = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (5, 17, 23), dtype=dtype, endpoint=True)
    ordered = np.sort(stack.ravel())
    for q in (0.1, 10, 50, 99.9):
        assert percentiles(stack, (q,)) == (float(ordered[int(np.ceil(q / 100 * stack.size)) - 1]),)


def test_percentiles_of_a_view_across_the_slices_are_the_same(head):
    np.testing.assert_array_equal(percentiles(np.moveaxis(head, 2, 0), (1, 50, 99)), percentiles(head, (1, 50, 99)))


def test_percentiles_of_one_voxel_are_its_value():
    assert percentiles(np.full((1, 1, 1), -3.5), (0, 50, 100)) == (-3.5, -3.5, -3.5)


@pytest.mark.parametrize("outlier", [1e6, -1e6, 1e30])
def test_a_broken_voxel_does_not_turn_the_image_black(outlier, head):
    stack = head.astype(np.float32)
    clean = percentiles(stack, (0.1, 99.9))
    stack[3, 20, 40] = outlier
    found = percentiles(stack, (0.1, 99.9))
    assert found == pytest.approx(clean, abs=0.02 * 4000)
    fitted = IntensityScale().fit(stack)
    tissue = fitted.apply(stack[0, :, 20:], 0)
    assert tissue.std() > 0.02


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("base", [1000.0, -1e6, 3e-7])
def test_values_a_hair_apart_are_told_apart(base, dtype):
    low = np.array(base, dtype)
    values = [low]
    for _ in range(7):
        values.append(np.nextafter(values[-1], np.array(np.inf, dtype)))
    stack = np.array(values).reshape(2, 2, 2)
    assert percentiles(stack, (0, 50, 100)) == (float(values[0]), float(values[3]), float(values[7]))
    fitted = IntensityScale("percentile", 0, 100).fit(stack.astype(np.float64))
    scaled = [fitted.apply(image.astype(np.float64), 0) for image in stack]
    assert np.min(scaled) == 0
    assert np.max(scaled) == 1


# Fitting


def test_the_percentiles_land_on_0_and_1(head):
    for lower, upper in ((0.1, 99.9), (5, 61), (0, 100)):
        low, high = np.percentile(head, (lower, upper), method="inverted_cdf")
        fitted = IntensityScale("percentile", lower, upper).fit(head)
        np.testing.assert_allclose(fitted.apply(np.array([[low, high]]), 0), [[0, 1]], atol=1e-12)
        assert fitted.offset.shape == fitted.gain.shape == (1,)


def test_one_grey_scale_for_all_slices_of_a_volume(head):
    fitted = IntensityScale().fit(head)
    np.testing.assert_array_equal(fitted.apply(head[2], 2), fitted.apply(head[2], 5))


def test_minimum_and_maximum_of_every_slice_land_on_0_and_1(head):
    fitted = IntensityScale("slice-minmax").fit(head * np.arange(1, 8)[:, None, None] - 30)
    for n in range(7):
        scaled = fitted.apply(head[n] * (n + 1) - 30, n)
        assert (scaled.min(), scaled.max()) == (0, 1)


def test_the_limits_of_a_window_land_on_0_and_1():
    fitted = IntensityScale("window", -160, 240).fit(np.zeros((2, 3, 4)))
    np.testing.assert_array_equal(fitted.apply(np.array([[-160.0, 40, 240]]), 1), [[0, 0.5, 1]])


def test_nothing_is_clipped(head, scale):
    fitted = scale.fit(head)
    beyond = np.array([[-1e4, 1e5]])
    scaled = fitted.apply(beyond, 0)
    assert scaled[0, 0] < -1
    assert scaled[0, 1] > 2
    np.testing.assert_allclose(fitted.undo(scaled, 0), beyond, rtol=1e-12)


def test_blank_slices_are_zero_not_nan(rng):
    stack = rng.normal(size=(4, 5, 6))
    stack[0] = 0
    stack[3] = -7.5
    fitted = IntensityScale("slice-minmax").fit(stack)
    for n in (0, 3):
        assert not fitted.apply(stack[n], n).any()
    np.testing.assert_array_equal(way_back(fitted, stack)[[0, 3]], stack[[0, 3]])


def test_a_constant_volume_is_zero_not_nan(scale):
    fitted = scale.fit(np.full((3, 4, 5), 37.0))
    assert np.isfinite(fitted.apply(np.full((4, 5), 37.0), 0)).all()
    np.testing.assert_array_equal(way_back(fitted, np.full((3, 4, 5), 37.0)), 37.0)


def test_a_few_voxels_in_much_background_still_get_a_scale():
    stack = np.zeros((10, 100, 100))
    stack[5, 50, 50:54] = (10, 20, 30, 40)  # fewer than 0.1 %
    fitted = IntensityScale().fit(stack)
    np.testing.assert_array_equal(fitted.apply(stack[5], 5)[50, 50:54], [0.25, 0.5, 0.75, 1])


# The way back


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e6])
def test_float64_comes_back_within_a_few_ulp(scale, unit, head):
    stack = (head - 200) * unit
    fitted = scale.fit(stack)
    offset = np.broadcast_to(np.abs(fitted.offset), 7)[:, None, None]
    ulp = np.spacing(np.maximum(np.abs(stack), offset))
    assert (np.abs(way_back(fitted, stack) - stack) <= 4 * ulp).all()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32"])
def test_whole_numbers_come_back_bit_for_bit_in_float64(scale, dtype, rng):
    limits = np.iinfo(dtype)
    stack = rng.integers(limits.min, limits.max, (6, 20, 30), dtype=dtype, endpoint=True)
    stack[:, 0, :2] = limits.min, limits.max
    stack[2] = 11  # a blank slice
    back = way_back(scale.fit(stack), stack.astype(np.float64))
    np.testing.assert_array_equal(np.rint(back).astype(dtype), stack)


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_whole_numbers_of_16_bits_come_back_bit_for_bit_even_in_float32(scale, dtype, rng):
    limits = np.iinfo(dtype)
    stack = rng.integers(limits.min, limits.max, (6, 20, 30), dtype=dtype, endpoint=True)
    fitted = scale.fit(stack)
    assert fitted.apply(stack[0], 0).dtype == np.float32
    np.testing.assert_array_equal(np.rint(way_back(fitted, stack)).astype(dtype), stack)


def test_float32_comes_back_within_its_own_precision(scale, head):
    stack = head.astype(np.float32)
    fitted = scale.fit(stack)
    assert fitted.apply(stack[0], 0).dtype == np.float32
    limit = 4 * np.finfo(np.float32).eps * np.abs(stack).max()
    assert np.abs(way_back(fitted, stack) - stack).max() <= limit


@pytest.mark.parametrize("value", [1e6, -1e6])
def test_outliers_come_back_unharmed(scale, value, head):
    head[4, 7, 9] = value
    assert way_back(scale.fit(head), head)[4, 7, 9] == pytest.approx(value, rel=1e-12)


def test_neighbours_of_large_numbers_stay_apart_in_float32():
    """Whole numbers above 2²⁴ would merge if they were made float32 before the offset is taken off."""
    stack = (2**30 + np.arange(24, dtype=np.int32)).reshape(2, 3, 4)
    fitted = IntensityScale("percentile", 0, 100).fit(stack)
    np.testing.assert_array_equal(np.rint(way_back(fitted, stack)), stack)


def test_a_spread_is_scaled_without_the_offset():
    fitted = IntensityScale("window", 100, 300).fit(np.zeros((1, 1, 1)))
    np.testing.assert_array_equal(fitted.undo_spread(np.array([[0.0, 0.25]], np.float32), 0), [[0, 50]])


def test_the_scale_of_unknown_numbers_changes_nothing(rng):
    image = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(IDENTITY_SCALE.undo(IDENTITY_SCALE.apply(image, 5), 5), image)


def test_fitting_and_scaling_leave_the_source_alone(scale, head):
    before = head.copy()
    way_back(scale.fit(head), head)
    np.testing.assert_array_equal(head, before)


# In a record


def test_a_fitted_scale_survives_json_to_the_last_bit(scale, head):
    fitted = scale.fit(head / 3)
    again = FittedScale.from_json(json.loads(json.dumps(fitted.to_json())))
    for n in range(7):
        np.testing.assert_array_equal(again.undo(fitted.apply(head[n], n), n), fitted.undo(fitted.apply(head[n], n), n))
    np.testing.assert_array_equal(again.gain, fitted.gain)


def test_a_scale_survives_json(scale):
    assert IntensityScale.from_json(json.loads(json.dumps(scale.to_json()))) == scale


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("zscore",), "'zscore'; use percentile, slice-minmax, window"),
        (("percentile", 99, 1), "lower < upper, not 99 and 1"),
        (("percentile", 5, 5), "lower < upper"),
        (("percentile", -1, 99), "0, 100"),
        (("percentile", 1, 101), "0, 100"),
        (("window", 240, -160), "lower < upper"),
        (("window", 0, float("nan")), "lower < upper"),
        (("window", 0, float("inf")), "finite"),
    ],
)
def test_a_scale_that_makes_no_sense_is_refused(settings, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        IntensityScale(*settings)
    assert "\n" not in str(caught.value)
