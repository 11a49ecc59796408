import math

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import GridMismatchError
from InvertibleFusionLib.volumes.grid import IDENTITY_DIRECTION, Grid
from InvertibleFusionLib.volumes.resampling import coverage, resample, resample_labels, smoothing_sigmas

SLOPE = np.array([3.0, -2.0, 0.7])


def cube(size, spacing=1.0, origin=(0.0, 0.0, 0.0), direction=IDENTITY_DIRECTION):
    sizes = (size,) * 3 if isinstance(size, int) else size
    spacings = (spacing,) * 3 if isinstance(spacing, float) else spacing
    return Grid(sizes, spacings, origin, tuple(np.ravel(direction)))


def positions(grid):
    """Millimetres of every voxel by SimpleITK, shape (k, j, i, 3)."""
    source = sitk.PhysicalPointImageSource()
    source.SetSize(grid.size)
    source.SetSpacing(grid.spacing)
    source.SetOrigin(grid.origin)
    source.SetDirection(grid.direction)
    source.SetOutputPixelType(sitk.sitkVectorFloat64)
    return sitk.GetArrayFromImage(source.Execute())


def ramp(grid):
    """Values that rise evenly with the millimetres, along no axis in particular."""
    return Volume.on_grid(positions(grid) @ SLOPE + 50, grid, name="ramp", units="HU")


def centred(size, spacing, direction):
    """A grid whose middle lies at the origin of the patient."""
    axes = np.reshape(direction, (3, 3))
    origin = -axes @ ((np.array(size) - 1) / 2 * np.array(spacing))
    return cube(tuple(size), tuple(spacing), tuple(origin), direction)


def inner(array, margin):
    return array[tuple(slice(margin, -margin) for _ in range(3))]


@pytest.mark.parametrize(
    "spacing", [(0.5, 0.5, 0.5), (2.0, 2.0, 2.0), (1.5, 0.8, 4.0)], ids=["finer", "coarser", "thick"]
)
def test_a_ramp_in_millimetres_stays_that_ramp(spacing, rotation):
    source = centred((60, 50, 20), (0.7, 0.9, 3.0), rotation(0.3, -0.2, 0.4))
    target = centred((9, 8, 5), spacing, rotation(-0.1, 0.25, 0.6))
    placed = resample(ramp(source), target)
    np.testing.assert_allclose(placed.array, positions(target) @ SLOPE + 50, atol=1e-6)
    assert placed.grid == target
    assert (placed.name, placed.units, placed.record) == ("ramp", "HU", None)


def test_a_mirrored_volume_is_turned_round_not_its_patient():
    source = centred((30, 28, 26), (1.0, 1.1, 1.2), np.diag([-1.0, -1.0, 1.0]))
    target = centred((9, 8, 7), (1.0, 1.1, 1.2), [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(resample(ramp(source), target).array, positions(target) @ SLOPE + 50, atol=1e-6)


def test_a_volume_on_its_own_grid_does_not_change(geometry, rng):
    volume = Volume(rng.normal(size=(6, 7, 8)), *geometry)
    np.testing.assert_allclose(resample(volume, volume.grid).array, volume.array, atol=1e-9)


def test_fine_stripes_do_not_become_coarse_ones():
    """A checkerboard of 0.5 mm is grey at 2.2 mm; picking single voxels would draw a pattern of full contrast."""
    k, j, i = np.indices((80, 80, 80))
    volume = Volume(((i + j + k) % 2 * 2.0 - 1), spacing=(0.5, 0.5, 0.5))
    target = cube(15, 2.2, (4.0, 4.0, 4.0))
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    careless = sitk.Resample(image, target.size, sitk.Transform(), sitk.sitkLinear, target.origin, target.spacing)
    assert np.abs(sitk.GetArrayViewFromImage(careless)).max() > 0.9
    assert np.abs(resample(volume, target).array).max() < 0.01


def test_the_brightness_of_a_region_survives_coarsening(rng):
    volume = Volume(rng.uniform(100, 200, (60, 60, 60)), spacing=(0.5, 0.5, 0.5))
    placed = resample(volume, cube(10, 2.0, (5.0, 5.0, 5.0)))
    assert placed.array.mean() == pytest.approx(volume.array[10:50, 10:50, 10:50].mean(), rel=0.005)
    assert placed.array.std() < 0.3 * volume.array.std()


def test_smoothing_widens_a_voxel_to_the_coarser_one():
    """Gaussians of full width at half maximum 0.5 and 2 mm: σ² = (2² − 0.5²) / (8 ln 2)."""
    sigma = math.sqrt((2**2 - 0.5**2) / (8 * math.log(2)))
    assert smoothing_sigmas(cube(9, 0.5), cube(9, 2.0)) == pytest.approx([sigma] * 3)
    assert smoothing_sigmas(cube(9, (0.5, 2.0, 5.0)), cube(9, 2.0)) == pytest.approx([sigma, 0, 0])


def test_smoothing_follows_the_axes_in_the_patient_not_their_numbers():
    source = cube(9, 0.5, direction=[[0, 0, 1], [1, 0, 0], [0, 1, 0]])  # its i runs along the target's j
    target = cube(9, (0.5, 3.0, 0.5))
    assert smoothing_sigmas(source, target) == pytest.approx([math.sqrt((9 - 0.25) / (8 * math.log(2))), 0, 0])


def test_smoothing_has_the_promised_width_in_millimetres():
    """A bright voxel of 0.5 mm, looked at through voxels of 4 mm at every place."""
    line = np.zeros((9, 9, 121))
    line[:, :, 60] = 1
    volume = Volume(line, spacing=(0.5, 3.0, 3.0))
    x = np.arange(18, 42.5, 0.5)
    profile = [resample(volume, cube(1, (4.0, 3.0, 3.0), (at, 12.0, 12.0))).array.item() for at in x]
    assert np.sum(profile) == pytest.approx(1, rel=1e-3)
    variance = np.average((x - 30) ** 2, weights=profile)
    assert variance == pytest.approx((4**2 - 0.5**2) / (8 * math.log(2)), rel=0.02)


@pytest.mark.parametrize("coarser", [1.0, 1.04])
def test_a_mere_rounding_of_spacing_does_not_blur(coarser):
    assert smoothing_sigmas(cube(9, 1.0), cube(9, coarser)) == [0, 0, 0]


def test_finer_grids_are_not_smoothed():
    assert smoothing_sigmas(cube(9, 2.0), cube(9, 0.5)) == [0, 0, 0]


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_outside_a_ct_is_air_not_water(dtype, rng):
    array = rng.integers(-900, 2000, (8, 8, 8)).astype(dtype)
    array[4, 4, 4] = -1000
    volume = Volume(array, name="CT")
    placed = resample(volume, cube(20, 1.0, (-6.0, -6.0, -6.0)))
    outside = np.ones((20, 20, 20), bool)
    outside[6:14, 6:14, 6:14] = False
    assert set(placed.array[outside].tolist()) == {-1000.0}
    np.testing.assert_allclose(placed.array[6:14, 6:14, 6:14], array)
    assert placed.array.dtype == ("float64" if dtype == "float64" else "float32")


def test_every_component_is_resampled_as_if_alone(rng, rotation):
    source, target = (
        centred((20, 20, 20), (1.0,) * 3, np.eye(3)),
        centred((6, 6, 6), (1.7,) * 3, rotation(0.1, 0.2, 0.3)),
    )
    array = rng.normal(size=(20, 20, 20, 2))
    both = resample(Volume.on_grid(array, source), target)
    assert both.array.shape == (6, 6, 6, 2)
    for c in range(2):
        alone = resample(Volume.on_grid(array[..., c], source), target)
        np.testing.assert_allclose(both.array[..., c], alone.array, atol=1e-9)


def test_a_source_is_not_changed(rng):
    array = rng.normal(size=(8, 8, 8)).astype(np.float32)
    before = array.copy()
    resample(Volume(array), cube(4, 2.0))
    np.testing.assert_array_equal(array, before)


def test_a_thick_slice_flair_lands_in_place_on_a_2_mm_grid(rotation):
    """29 slices of 0.45×0.45×5 mm, oblique, holding a smooth shape of known millimetres, onto an ADC's 2 mm."""
    flair = centred((160, 160, 29), (0.45, 0.45, 5.0), rotation(0.1, -0.05, 0.08))
    adc = centred((24, 24, 50), (2.0, 2.0, 2.0), np.eye(3))

    def shape(points):
        return 1000 * np.exp(-((points / [12, 15, 30]) ** 2).sum(axis=-1) / 2)

    placed = resample(Volume.on_grid(shape(positions(flair)).astype(np.float32), flair, name="FLAIR"), adc)
    assert placed.array.shape == (50, 24, 24)
    assert np.abs(placed.array - shape(positions(adc))).max() < 15  # of 1000: linear between slices 5 mm apart
    centre = np.average(positions(adc).reshape(-1, 3), axis=0, weights=placed.array.ravel())
    np.testing.assert_allclose(centre, 0, atol=0.02)


# No overlap


def test_volumes_of_different_places_are_refused_with_the_millimetres():
    volume = Volume(np.ones((5, 6, 11)), name="PET", origin=(100.0, 0.0, -40.0))
    with pytest.raises(GridMismatchError) as caught:
        resample(volume, cube(21))
    message = str(caught.value)
    for part in (
        "PET does not overlap",
        "100 to 110 × 0 to 5 × -40 to -36 mm",
        "0 to 20 × 0 to 20 × 0 to 20 mm",
        "Register",
    ):
        assert part in message
    assert "\n" not in message


def test_a_single_slice_within_a_large_grid_is_found(rng):
    """It lies between the points at which the overlap is sampled."""
    slice_ = Volume(rng.normal(size=(1, 60, 60)), origin=(0.0, 0.0, 77.0))
    placed = resample(slice_, cube((60, 60, 155)))
    np.testing.assert_allclose(placed.array[77], slice_.array[0])
    assert (placed.array[:77] == slice_.array.min()).all()


def test_a_small_patch_within_a_large_grid_is_found(rng):
    patch = Volume(rng.normal(size=(2, 2, 2)), origin=(99.0, 3.0, 101.0))
    placed = resample(patch, cube(104))
    np.testing.assert_allclose(placed.array[101:103, 3:5, 99:101], patch.array)


def test_a_slice_thinner_than_the_gaps_between_voxels_is_refused():
    slice_ = Volume(np.ones((1, 9, 9)), spacing=(1.0, 1.0, 0.5), origin=(0.0, 0.0, 2.5))
    with pytest.raises(GridMismatchError, match="does not overlap"):
        resample(slice_, cube(9, (1.0, 1.0, 5.0)))


@pytest.mark.parametrize(("shift", "share"), [(0, 1.0), (5, 0.5), (9, 0.1), (10, 0.0), (-3, 0.7)])
def test_coverage_is_the_share_of_voxels_inside(shift, share):
    assert coverage(cube(10), cube(10, 1.0, (float(shift), 0.0, 0.0))) == pytest.approx(share)


def test_coverage_of_oblique_grids_is_that_of_simpleitk(rotation):
    source = centred((20, 15, 6), (0.9, 1.1, 4.0), rotation(0.4, 0.1, -0.2))
    target = centred((16, 17, 18), (1.0, 1.5, 2.0), rotation(-0.2, 0.3, 0.1))
    image = sitk.GetImageFromArray(np.ones((6, 15, 20), np.uint8))
    image.SetSpacing(source.spacing)
    image.SetOrigin(source.origin)
    image.SetDirection(source.direction)
    placed = sitk.Resample(
        image, target.size, sitk.Transform(), sitk.sitkNearestNeighbor, target.origin, target.spacing, target.direction
    )
    share = sitk.GetArrayViewFromImage(placed).mean()
    assert 0.1 < share < 0.9
    assert coverage(source, target) == pytest.approx(share, abs=1e-12)


# Labels and masks


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "bool"])
def test_labels_stay_labels(dtype, rng, rotation):
    labels = rng.choice([0, 3, 7, 200], (20, 20, 20)).astype(dtype)
    target = cube(30, 0.9, (-3.0, -3.0, -3.0), rotation(0.2, 0.1, 0.3))
    placed = resample_labels(Volume(labels, name="lesion", label_map=True), target)
    assert placed.array.dtype == dtype
    assert set(np.unique(placed.array)) == set(np.unique(labels))
    assert placed.label_map
    assert placed.grid == target
    assert placed.array[0, 0, 0] == 0


def test_a_mask_keeps_its_volume_and_place(rotation):
    source = centred((60, 60, 60), (1.0, 1.0, 1.0), rotation(0.3, 0.2, 0.1))
    target = centred((50, 50, 25), (1.3, 1.3, 2.6), np.eye(3))
    centre, radius = np.array([3.0, -4.0, 5.0]), 15.0
    ball = np.linalg.norm(positions(source) - centre, axis=-1) < radius
    placed = resample_labels(Volume.on_grid(ball, source), target)
    volume_mm3 = placed.array.sum() * 1.3 * 1.3 * 2.6
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.02)
    np.testing.assert_allclose(positions(target)[placed.array].mean(axis=0), centre, atol=0.15)


def test_labels_take_the_nearest_voxel():
    labels = np.arange(1, 6, dtype=np.int16).reshape(1, 1, 5)
    placed = resample_labels(Volume(labels), cube((7, 1, 1), (0.6, 1.0, 1.0), (0.15, 0.0, 0.0)))
    assert placed.array.ravel().tolist() == [1, 2, 2, 3, 4, 4, 5]  # at 0.15, 0.75, 1.35, 1.95, 2.55, 3.15, 3.75
