from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.volumes.grid import IDENTITY_DIRECTION, Grid
from InvertibleFusionLib.volumes.slices import SliceStack, slice_axis

NAMES = ("sagittal", "coronal", "axial")  # which of the patient's x, y, z changes from slice to slice
SHAPES = [(5, 16, 24), (4, 7, 9), (3, 1, 5), (1, 1, 1), (2, 3, 1), (9, 2, 3), (1, 5, 6), (3, 17, 31)]


def grid_of(shape, spacing=(1.0, 1.0, 1.0), direction=IDENTITY_DIRECTION):
    return Grid(tuple(reversed(shape)), spacing, (0.0, 0.0, 0.0), tuple(np.ravel(direction)))


@pytest.mark.parametrize("turn", [(0, 0, 0), (0.3, -0.2, 0.25)], ids=["straight", "oblique"])
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_anatomical_names_find_their_axis_however_the_scanner_stored_it(order, signs, turn, rotation):
    direction = np.zeros((3, 3))
    for voxel_axis, patient_axis in enumerate(order):
        direction[patient_axis, voxel_axis] = signs[voxel_axis]
    grid = grid_of((20, 30, 40), direction=rotation(*turn) @ direction)
    for voxel_axis, patient_axis in enumerate(order):
        assert slice_axis(grid, NAMES[patient_axis]) == 2 - voxel_axis  # NumPy counts from k
    assert slice_axis(grid, "acquisition") == 0


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("xyz", {"axial": 0, "coronal": 1, "sagittal": 2}),
        ("xzy", {"axial": 1, "coronal": 0, "sagittal": 2}),
        ("yzx", {"axial": 1, "coronal": 2, "sagittal": 0}),
    ],
    ids=["axial scan", "coronal scan", "sagittal scan"],
)
def test_scans_of_the_three_usual_kinds(columns, expected):
    direction = np.eye(3)[:, ["xyz".index(letter) for letter in columns]]
    assert {name: slice_axis(grid_of((4, 5, 6), direction=direction), name) for name in NAMES} == expected


def test_every_name_gets_an_axis_of_its_own_at_any_angle(rng, rotation):
    for angles in rng.uniform(-np.pi, np.pi, (300, 3)):
        grid = grid_of((4, 5, 6), direction=rotation(*angles))
        assert sorted(slice_axis(grid, name) for name in NAMES) == [0, 1, 2]


@pytest.mark.parametrize("axis", ["acquisition", *NAMES])
@pytest.mark.parametrize("flat", [0, 1, 2])
def test_a_single_slice_is_taken_as_the_slice_that_it_is(flat, axis):
    shape = [12, 13, 14]
    shape[flat] = 1
    assert slice_axis(grid_of(shape), axis) == flat


@pytest.mark.parametrize("shape", [(1, 1, 9), (9, 1, 1), (1, 1, 1)])
def test_lines_and_points_of_voxels_still_have_an_axis(shape):
    assert slice_axis(grid_of(shape), "acquisition") == 0
    assert sorted(slice_axis(grid_of(shape), name) for name in NAMES) == [0, 1, 2]


def test_an_unknown_axis_is_refused_with_those_that_are_known():
    with pytest.raises(ConfigurationError, match="'horizontal'; use axial, coronal, sagittal or acquisition"):
        slice_axis(grid_of((4, 5, 6)), "horizontal")


@pytest.mark.parametrize("multiple", [1, 2, 8])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_slices_padded_and_cropped_are_the_volume_again(shape, axis, multiple, rng):
    array = rng.normal(size=shape)
    stack = SliceStack(grid_of(shape), axis, multiple)
    slices = stack.slices(array)
    assert slices.shape == (stack.count, *stack.shape)
    assert np.shares_memory(slices, array)
    padded = stack.pad(slices)
    assert padded.shape == (stack.count, *stack.padded_shape)
    for n, p in zip(stack.shape, stack.padded_shape, strict=True):
        assert p % multiple == 0
        assert 0 <= p - n < multiple
    np.testing.assert_array_equal(np.moveaxis(stack.crop(padded), 0, axis), array)


def test_slices_are_counted_along_their_axis(rng):
    array = rng.normal(size=(4, 5, 6))
    for axis, expected in ((0, array[2]), (1, array[:, 2]), (2, array[:, :, 2])):
        np.testing.assert_array_equal(SliceStack(grid_of((4, 5, 6)), axis, 2).slices(array)[2], expected)


def test_components_stay_last(rng):
    array = rng.normal(size=(4, 5, 6, 2))
    np.testing.assert_array_equal(SliceStack(grid_of((4, 5, 6)), 1, 2).slices(array)[3], array[:, 3])


def test_padding_reflects_the_image_at_its_far_edge():
    stack = SliceStack(grid_of((1, 3, 5)), 0, 4)
    image = np.array([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]])
    rows = [image[0], image[1], image[2], image[1]]
    np.testing.assert_array_equal(stack.pad(image), [[*row, row[3], row[2], row[1]] for row in rows])


@pytest.mark.parametrize(
    ("row", "multiple", "padded"),
    [
        ([1, 2], 3, [1, 2, 1]),
        ([1, 2, 3, 4, 5], 8, [1, 2, 3, 4, 5, 4, 3, 2]),
        ([1, 2, 3, 4], 8, [1, 2, 3, 4, 4, 4, 4, 4]),
        ([1, 2, 3], 8, [1, 2, 3, 3, 3, 3, 3, 3]),
        ([1], 4, [1, 1, 1, 1]),
    ],
)
def test_padding_repeats_the_edge_where_there_is_too_little_to_reflect(row, multiple, padded):
    stack = SliceStack(grid_of((1, 1, len(row))), 0, multiple)
    np.testing.assert_array_equal(stack.pad(np.array([row])), [padded] * multiple)


def test_leading_axes_are_not_padded(rng):
    batch = rng.normal(size=(2, 3, 7, 9))
    stack = SliceStack(grid_of((1, 7, 9)), 0, 4)
    assert stack.pad(batch).shape == (2, 3, 8, 12)
    np.testing.assert_array_equal(stack.crop(stack.pad(batch)), batch)


def test_sizes_that_fit_are_not_copied(rng):
    image = rng.normal(size=(8, 16))
    assert SliceStack(grid_of((1, 8, 16)), 0, 8).pad(image) is image


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_padded_grid_keeps_every_voxel_in_place(axis, geometry, rng):
    """Seen by SimpleITK: a padded volume on the padded grid holds each voxel at the millimetres where it was."""
    array = rng.normal(size=(5, 6, 7))
    stack = SliceStack(Grid((7, 6, 5), *geometry), axis, 4)
    padded = np.moveaxis(stack.pad(stack.slices(array)), 0, axis)
    grid = stack.padded_grid
    assert grid.size == tuple(reversed(padded.shape))
    image = sitk.GetImageFromArray(padded)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    before = geometry.put_on(sitk.GetImageFromArray(array))
    for index in ((0, 0, 0), (6, 0, 0), (0, 5, 4), (6, 5, 4), (3, 2, 1)):
        point = before.TransformIndexToPhysicalPoint(index)
        assert image[image.TransformPhysicalPointToIndex(point)] == before[index]
        np.testing.assert_allclose(image.TransformPhysicalPointToContinuousIndex(point), index, atol=1e-9)
