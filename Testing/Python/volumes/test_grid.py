import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib.errors import GridMismatchError
from InvertibleFusionLib.volumes.grid import (
    IDENTITY_DIRECTION,
    TOLERANCE_MM,
    Grid,
    corner_distance,
    describe_difference,
    require_same_grid,
    rotation_degrees,
    same_grid,
)

SIZE = (7, 5, 4)


def grid_of(geometry, size=SIZE):
    return Grid(size, *geometry)


def plain(size=SIZE, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), direction=IDENTITY_DIRECTION):
    return Grid(size, spacing, origin, tuple(np.ravel(direction)))


def test_voxels_lie_where_simpleitk_says(geometry, rng):
    image = geometry.put_on(sitk.Image(SIZE, sitk.sitkUInt8))
    for index in rng.uniform(-3, 9, (20, 3)):
        expected = image.TransformContinuousIndexToPhysicalPoint(index.tolist())
        np.testing.assert_allclose(grid_of(geometry).position(index), expected, atol=1e-9)


def test_corners_are_those_of_simpleitk(geometry):
    image = geometry.put_on(sitk.Image(SIZE, sitk.sitkUInt8))
    expected = [image.TransformIndexToPhysicalPoint((i, j, k)) for i in (0, 6) for j in (0, 4) for k in (0, 3)]
    found = grid_of(geometry).corners()
    assert found.shape == (8, 3)
    distances = np.linalg.norm(found[:, None] - np.array(expected)[None], axis=2)
    assert sorted(distances.argmin(axis=1)) == list(range(8))
    assert distances.min(axis=1).max() < 1e-9


def test_a_longer_grid_moves_no_voxel(geometry):
    grid = grid_of(geometry)
    longer = grid.extended((16, 8, 4))
    assert longer.size == (16, 8, 4)
    np.testing.assert_array_equal(longer.position((6, 4, 3)), grid.position((6, 4, 3)))


def test_rounding_of_nifti_headers_is_not_called_a_mismatch(geometry, tmp_path):
    size = (240, 240, 155)
    image = geometry.put_on(sitk.Image([2, 2, 2], sitk.sitkUInt8))
    sitk.WriteImage(image, str(tmp_path / "a.nii"))
    back = sitk.ReadImage(str(tmp_path / "a.nii"))
    written, read = grid_of(geometry, size), Grid(size, back.GetSpacing(), back.GetOrigin(), back.GetDirection())
    assert same_grid(written, read)
    assert describe_difference(written, read) == ""


def test_rounding_of_nifti_headers_is_not_called_a_turn(oblique, tmp_path):
    sitk.WriteImage(oblique.put_on(sitk.Image([2, 2, 2], sitk.sitkUInt8)), str(tmp_path / "a.nii"))
    back = sitk.ReadImage(str(tmp_path / "a.nii"))
    rounded = tuple(float(value) for value in np.float32(back.GetDirection()))
    other = Grid((9, 5, 4), back.GetSpacing(), back.GetOrigin(), rounded)
    assert describe_difference(grid_of(oblique), other) == "9×5×4 voxels instead of 7×5×4"


@pytest.mark.parametrize(("shift", "same"), [(0.9 * TOLERANCE_MM, True), (1.1 * TOLERANCE_MM, False)])
def test_tolerance_is_in_millimetres(shift, same):
    assert same_grid(plain(), plain(origin=(0, shift, 0))) is same


@pytest.mark.parametrize(("voxels", "same"), [(50, True), (200, False)])
def test_a_small_error_of_spacing_counts_by_what_it_adds_up_to(voxels, same):
    size = (voxels, 5, 4)  # 1e-4 mm a voxel: 0.005 mm or 0.02 mm at the far end
    assert same_grid(plain(size), plain(size, spacing=(1.0001, 1, 1))) is same


def test_distance_is_that_of_the_farthest_corner():
    far = plain((101, 5, 4), spacing=(1.03, 1, 1))
    assert corner_distance(plain((101, 5, 4)), far) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (plain((7, 5, 9)), "7×5×9 voxels instead of 7×5×4"),
        (plain(spacing=(1, 1, 5)), "spacing 1×1×5 mm instead of 1×1×1 mm"),
        (plain((7, 5, 400), spacing=(1, 1, 1.0002)), "spacing 1×1×1.0002 mm instead of 1×1×1 mm"),
        (plain(origin=(3, 0, -4)), "an origin 5.00 mm away"),
        (plain(direction=np.diag([-1, 1, 1])), "axes that are permuted or mirrored"),
        (plain(direction=[[0, 1, 0], [1, 0, 0], [0, 0, 1]]), "axes that are permuted or mirrored"),
        (plain(direction=[[0, -1, 0], [1, 0, 0], [0, 0, 1]]), "axes that are permuted or mirrored"),
    ],
)
def test_a_difference_is_told_in_words_and_millimetres(other, words):
    assert words in describe_difference(plain(), other)


@pytest.mark.parametrize("degrees", [0.05, 10.0, 45.0])
def test_a_turn_is_told_in_degrees(degrees, rotation):
    turn = rotation(0, 0, np.radians(degrees))
    assert describe_difference(plain(), plain(direction=turn)) == f"axes turned by {degrees:.2f}°"


def test_a_turn_is_the_one_that_was_made_about_any_axis(rotation, oblique):
    start = np.array(oblique.direction).reshape(3, 3)
    for angles in ((0.2, 0, 0), (0, -0.4, 0), (0, 0, 0.7)):
        turned = plain(direction=rotation(*angles) @ start)
        degrees = np.degrees(np.abs(angles).max())
        assert rotation_degrees(plain(direction=start), turned) == pytest.approx(degrees, abs=1e-6)


def test_the_same_box_mirrored_is_not_the_same_grid():
    mirrored = plain(origin=(6, 0, 0), direction=np.diag([-1, 1, 1]))
    assert not same_grid(plain(), mirrored)
    assert "mirrored" in describe_difference(plain(), mirrored)


def test_a_mismatch_names_both_volumes_the_numbers_and_the_way_out():
    with pytest.raises(GridMismatchError) as caught:
        require_same_grid(plain(), plain((512, 512, 29), (0.45, 0.45, 5)), "ADC", "FLAIR")
    message = str(caught.value)
    assert message.startswith("FLAIR is not on the grid of ADC")
    for part in ("512×512×29 voxels instead of 7×5×4", "0.45×0.45×5 mm instead of 1×1×1 mm", "--resample"):
        assert part in message
    assert "\n" not in message


def test_one_grid_is_not_refused(geometry):
    require_same_grid(grid_of(geometry), grid_of(geometry), "ADC", "FLAIR")
    assert describe_difference(grid_of(geometry), grid_of(geometry)) == ""


def test_every_refused_pair_is_told_a_difference(rng, rotation):
    for _ in range(200):
        other = plain(
            spacing=tuple(1 + rng.choice([0, 1e-5, 1e-3], 3)),
            origin=tuple(rng.choice([0, 5e-3, 1], 3)),
            direction=rotation(*rng.choice([0, 1e-4, 0.2], 3)),
        )
        if not same_grid(plain(), other):
            assert describe_difference(plain(), other) != ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"spacing": (1, 0, 1)}, "positive"),
        ({"spacing": (1, -1, 1)}, "positive"),
        ({"spacing": (1, float("nan"), 1)}, "positive"),
        ({"origin": (0, float("nan"), 0)}, "finite"),
        ({"direction": np.eye(2)}, "9 numbers"),
        ({"direction": np.zeros((3, 3))}, "right angles"),
        ({"direction": [[1, 0.3, 0], [0, 1, 0], [0, 0, 1]]}, "right angles"),
        ({"direction": 2 * np.eye(3)}, "length 1"),
        ({"direction": np.full((3, 3), np.nan)}, "right angles"),
    ],
)
def test_what_is_no_lattice_is_not_taken_for_one(wrong, words):
    with pytest.raises(ValueError, match=words):
        plain(**wrong)


def test_axes_rounded_to_three_digits_are_accepted(oblique):
    rounded = np.round(oblique.direction, 3)
    assert plain(direction=rounded).direction == tuple(rounded)
