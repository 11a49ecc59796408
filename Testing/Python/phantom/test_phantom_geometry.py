"""Places in millimetres, by SimpleITK alone."""

from math import cos, radians, sin

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib.phantom import Patient, Tissue, clinical_flair_grid, default_grid
from InvertibleFusionLib.volumes.grid import Grid


def turned(degrees: float) -> np.ndarray:
    a, b = radians(degrees), radians(degrees / 2)
    about_left = np.array([[1, 0, 0], [0, cos(a), -sin(a)], [0, sin(a), cos(a)]])
    about_superior = np.array([[cos(b), -sin(b), 0], [sin(b), cos(b), 0], [0, 0, 1]])
    return about_superior @ about_left


DIRECTIONS = {
    "axial": np.eye(3),
    "oblique": turned(25),
    "flipped": np.diag([-1.0, 1.0, -1.0]),
    "mirrored": np.diag([1.0, -1.0, 1.0]),
    "sagittal": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "oblique and mirrored": turned(-40) @ np.diag([-1.0, 1.0, 1.0]),
}
TYPES = {"T1": "uint16", "ADC": "uint16", "PET": "float32", "labels": "uint8"}
SPACINGS = [(1.3, 1.3, 1.3), (0.8, 1.1, 5.0), (3.0, 0.9, 1.0)]


def grid_round(centre, spacing, direction) -> Grid:
    size = [int(64 / value) + 1 for value in spacing]
    # Off the middle, so that a mirrored axis cannot pass by chance.
    corner = np.asarray(centre) - direction @ (np.array([0.45, 0.55, 0.5]) * np.asarray(size) * np.asarray(spacing))
    return Grid(tuple(size), spacing, tuple(corner.tolist()), tuple(direction.ravel().tolist()))


def tumour_centroid(image: sitk.Image) -> np.ndarray:
    array = sitk.GetArrayViewFromImage(image)
    k, j, i = np.nonzero((array == Tissue.TUMOUR_RIM) | (array == Tissue.TUMOUR_CORE))
    return np.array(image.TransformContinuousIndexToPhysicalPoint((i.mean(), j.mean(), k.mean())))


@pytest.mark.parametrize("spacing", SPACINGS, ids=str)
@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_the_tumour_keeps_its_place_on_any_grid(patient, tmp_path, spacing, direction):
    patient.labels(grid_round(patient.lesion_centre, spacing, direction)).write(tmp_path / "labels.nrrd")
    image = sitk.ReadImage(str(tmp_path / "labels.nrrd"))
    assert np.linalg.norm(tumour_centroid(image) - patient.lesion_centre) < 0.1 + 0.1 * max(spacing)
    i, j, k = image.TransformPhysicalPointToIndex(patient.lesion_centre)
    assert image[i, j, k] == Tissue.TUMOUR_CORE


@pytest.mark.parametrize("seed", range(6))
def test_the_tumour_of_every_patient_is_where_it_says(seed):
    patient = Patient.from_seed(seed)
    volume = patient.labels(grid_round(patient.lesion_centre, (1.5, 1.5, 1.5), turned(10)))
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    assert np.linalg.norm(tumour_centroid(image) - patient.lesion_centre) < 0.3


def test_grids_see_the_same_head(patient, tmp_path):
    first = grid_round(patient.lesion_centre, (1.0, 1.0, 1.0), np.eye(3))
    second = grid_round(patient.lesion_centre, (0.9, 0.9, 0.9), turned(30) @ np.diag([1.0, -1.0, -1.0]))
    for name, grid in (("first", first), ("second", second)):
        patient.acquire("T2", grid, noise=0, bias_field=0).write(tmp_path / f"{name}.nrrd")
    one, other = (sitk.ReadImage(str(tmp_path / f"{name}.nrrd"), sitk.sitkFloat32) for name in ("first", "second"))
    moved = sitk.GetArrayFromImage(sitk.Resample(other, one, sitk.Transform(), sitk.sitkLinear, -1.0))
    both = moved >= 0
    assert np.corrcoef(moved[both], sitk.GetArrayFromImage(one)[both])[0, 1] > 0.97


def test_a_thick_slice_is_the_mean_of_thin_ones(patient):
    x, y, z = (float(value) for value in patient.lesion_centre)
    thin = Grid((60, 60, 6), (1.0, 1.0, 1.0), (x - 30, y - 30, z - 2.5))
    thick = Grid((60, 60, 1), (1.0, 1.0, 6.0), (x - 30, y - 30, z))
    mean = patient.acquire("T2", thin, noise=0, bias_field=0).array.mean(axis=0)
    slab = patient.acquire("T2", thick, noise=0, bias_field=0).array[0]
    assert np.abs(mean - slab).mean() < 0.05 * mean.mean()
    assert np.corrcoef(mean.ravel(), slab.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("size", [(1, 1, 1), (31, 17, 1), (1, 9, 5), (7, 1, 3)], ids=str)
def test_odd_sizes_and_single_slices(patient, size):
    grid = Grid(size, (2.3, 1.7, 4.1), patient.lesion_centre)
    contrasts = ["T1", "ADC", "PET"] if size[2] == 1 else ["T1", "ADC"]
    volumes = patient.acquire_all(contrasts, grid, labels=True)
    assert {name: volume.grid for name, volume in volumes.items()} == dict.fromkeys(volumes, grid)
    types = {name: volume.array.dtype.name for name, volume in volumes.items()}
    assert types == {name: TYPES[name] for name in [*contrasts, "labels"]}
    assert volumes["labels"].label_map
    assert volumes["labels"].array[0, 0, 0] == Tissue.TUMOUR_CORE


def test_the_clinical_flair_lies_oblique_to_the_standard_grid_and_holds_the_brain():
    flair, standard = clinical_flair_grid(), default_grid()
    assert flair.spacing[2] >= 5
    assert abs(flair.axes[2, 2]) < 0.99
    image = sitk.Image(list(flair.size), sitk.sitkUInt8)
    image.SetSpacing(flair.spacing)
    image.SetOrigin(flair.origin)
    image.SetDirection(flair.direction)
    for place in [(60, 0, 10), (-60, 0, 10), (0, -80, 0), (0, 80, 10), (0, 10, 70), (40, -10, -30), (0, 0, 0)]:
        index = image.TransformPhysicalPointToContinuousIndex([float(value) for value in place])
        assert all(0 <= value <= n - 1 for value, n in zip(index, flair.size, strict=True))
        inside = standard.corners().min(axis=0) <= place, place <= standard.corners().max(axis=0)
        assert np.all(inside)


@pytest.mark.parametrize("seed", range(0, 20, 4))
def test_the_standard_grid_holds_the_vertex(seed):
    grid = default_grid()
    top = Grid((60, 60, 1), (4.0, 4.0, 2.0), tuple(grid.position((0, 0, grid.size[2] - 1)).tolist()))
    assert not Patient.from_seed(seed).labels(top).array.any()
