import numpy as np
import pytest

from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import UnsuitableVolumeError
from InvertibleFusionLib.volumes.suitability import looks_like_labels, replace_nonfinite, require_finite, require_image


def refuse(array, *parts, check=require_image, **fields):
    with pytest.raises(UnsuitableVolumeError) as caught:
        check(Volume(array, name="ADC of patient 3", **fields))
    message = str(caught.value)
    assert message.startswith("ADC of patient 3 ")
    assert "\n" not in message
    for part in parts:
        assert part in message


def accept(array, **fields):
    volume = Volume(array, **fields)
    require_image(volume)
    assert not looks_like_labels(volume)


# What is an image


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32", "float64"])
def test_a_scan_is_accepted(dtype, rng):
    accept((rng.gamma(3, 100, (8, 16, 16))).astype(dtype))


def test_a_small_scan_of_whole_numbers_is_not_taken_for_labels(rng):
    accept(rng.integers(0, 1000, (3, 4, 5)).astype(np.int16))
    accept(np.arange(8, dtype=np.uint8).reshape(2, 2, 2))
    accept(rng.integers(0, 256, (1, 20, 20)).astype(np.uint8))


def test_a_scan_mostly_of_background_is_not_taken_for_labels(rng):
    array = np.zeros((20, 20, 20), np.int16)
    array[5:15, 5:15, 5:15] = rng.integers(50, 500, (10, 10, 10))
    accept(array)


def test_few_values_that_are_not_whole_are_an_image(rng):
    accept(rng.choice([0.0, 0.25, 0.5, 1.0], (20, 20, 20)))


def test_one_slice_and_one_row_are_images(rng):
    accept(rng.normal(size=(1, 20, 20)))
    accept(rng.normal(size=(1, 1, 20)))


def test_a_scan_with_one_deviating_voxel_is_an_image():
    array = np.zeros((4, 4, 4))
    array[1, 2, 3] = 0.5
    accept(array)


# What is none


@pytest.mark.parametrize("components", [2, 3, 4])
def test_colour_is_refused_with_the_number_of_values(components, rng):
    array = rng.integers(0, 256, (4, 5, 6, components)).astype(np.uint8)
    refuse(array, f"{components} values per voxel", "grey", "scalar volume")


@pytest.mark.parametrize("shape", [(0, 4, 4), (4, 0, 4), (4, 4, 0)])
def test_an_empty_volume_is_refused_with_its_size(shape):
    refuse(np.zeros(shape), "empty", "×".join(map(str, reversed(shape))))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_voxels_that_are_not_finite_are_counted(dtype, rng):
    array = rng.normal(size=(6, 10, 10)).astype(dtype)
    array[0, :2] = np.nan
    array[3, 4, 5], array[5, 9, 9] = np.inf, -np.inf
    refuse(array, "22 of 600 voxels", "NaN", "--replace-nonfinite 0", "replace_nonfinite(volume, 0)")
    refuse(array, "22 of 600 voxels", check=require_finite)


def test_a_volume_of_nothing_but_nan_is_refused(rng):
    refuse(np.full((3, 4, 5), np.nan), "60 of 60 voxels")


def test_finite_volumes_pass(rng):
    for dtype in ("int16", "float32", "bool"):
        volume = Volume(rng.integers(0, 2, (3, 4, 5)).astype(dtype))
        require_finite(volume)
        assert replace_nonfinite(volume, 0) is volume


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_value_asked_for_takes_the_place_of_what_is_not_finite(dtype, rng):
    array = rng.normal(size=(3, 4, 5)).astype(dtype)
    array[1, 2, 3], array[0, 0, 0] = np.nan, -np.inf
    volume = replace_nonfinite(Volume(array, name="ADC", units="mm^2/s", spacing=(1, 2, 3)), -5.0)
    expected = array.copy()
    expected[1, 2, 3] = expected[0, 0, 0] = -5
    np.testing.assert_array_equal(volume.array, expected)
    assert volume.array.dtype == dtype
    assert (volume.name, volume.units, volume.spacing) == ("ADC", "mm^2/s", (1, 2, 3))
    assert np.isnan(array[1, 2, 3])
    require_finite(volume)


@pytest.mark.parametrize(
    ("value", "dtype"), [(0, "int16"), (-1000, "int16"), (0.125, "float32"), (True, "bool"), (7, "uint8")]
)
def test_a_constant_volume_is_refused_with_its_value(value, dtype):
    refuse(np.full((3, 4, 5), value, dtype), f"all 60 voxels are {float(value):g}", "right file")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_a_segmentation_is_refused_whatever_its_type(dtype, rng):
    array = rng.choice([0, 0, 0, 1, 2, 4], (10, 20, 20)).astype(dtype)
    refuse(array, "label map", "from 0 to 4", "the scan itself")


def test_a_mask_of_truth_values_is_refused(rng):
    refuse(rng.integers(0, 2, (10, 10, 10)).astype(bool), "label map", "from 0 to 1")


def test_a_parcellation_with_large_numbers_is_refused(rng):
    refuse(rng.choice([0, 1001, 2035, 12175], (10, 20, 20)).astype(np.int32), "label map", "from 0 to 12175")


def test_a_lesion_in_a_few_slices_only_is_refused():
    array = np.zeros((30, 20, 20), np.uint8)
    array[17, 4:7, 4:7] = 1
    refuse(array, "label map")


def test_a_small_segmentation_is_refused(rng):
    refuse(rng.choice([0, 1, 2, 3], (1, 10, 10)).astype(np.uint8), "label map", "from 0 to 3")


def test_a_constant_volume_is_not_called_a_label_map():
    assert not looks_like_labels(Volume(np.full((10, 10, 10), 3, np.int16)))


def test_what_a_file_calls_labels_is_refused_whatever_its_values(rng):
    refuse(rng.integers(0, 1000, (8, 8, 8)).astype(np.int16), "label map", label_map=True)
