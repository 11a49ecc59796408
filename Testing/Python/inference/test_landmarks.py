"""Places in millimetres through fusing and decomposing, read back from the files by SimpleITK alone."""

from math import cos, radians, sin
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume, decompose, fuse
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.phantom import Patient
from InvertibleFusionLib.volumes.grid import Grid


def turned(degrees: float) -> np.ndarray:
    a, b = radians(degrees), radians(degrees / 2)
    about_left = np.array([[1, 0, 0], [0, cos(a), -sin(a)], [0, sin(a), cos(a)]])
    about_superior = np.array([[cos(b), -sin(b), 0], [sin(b), cos(b), 0], [0, 0, 1]])
    return about_superior @ about_left


DIRECTIONS = {
    "oblique": turned(25),
    "flipped": np.diag([-1.0, 1.0, -1.0]),
    "mirrored": turned(-40) @ np.diag([-1.0, 1.0, 1.0]),
    "sagittal": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
}


@pytest.fixture(scope="module")
def patient() -> Patient:
    return Patient.from_seed(107)


def grid_round(centre: tuple[float, ...], spacing: tuple[float, float, float], direction: np.ndarray) -> Grid:
    """An odd-sized box about the tumour, off its middle, so that a mirrored axis cannot pass by chance."""
    size = tuple(2 * int(35 / value) + 1 for value in spacing)
    corner = np.asarray(centre) - direction @ (np.array([0.45, 0.55, 0.5]) * np.asarray(size) * np.asarray(spacing))
    return Grid(size, spacing, tuple(corner.tolist()), tuple(direction.ravel().tolist()))  # type: ignore[arg-type]


def written(volume: Volume, folder: Path, name: str) -> sitk.Image:
    volume.write(folder / f"{name}.nrrd")
    return sitk.ReadImage(str(folder / f"{name}.nrrd"), sitk.sitkFloat64)


def values_at(image: sitk.Image, places: np.ndarray) -> np.ndarray:
    return np.array([image.EvaluateAtPhysicalPoint(place.tolist(), sitk.sitkLinear) for place in places])


@pytest.mark.parametrize("spacing", [(1.3, 1.1, 1.2), (0.9, 1.1, 5.0)], ids=str)
@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_every_landmark_keeps_its_place(
    model: Model, patient: Patient, tmp_path: Path, direction: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    grid = grid_round(patient.lesion_centre, spacing, direction)
    scans = patient.acquire_all(["ADC", "FLAIR"], grid, noise=0, bias_field=0)
    sources = [scans["ADC"], scans["FLAIR"]]
    fusion = fuse(model, sources)
    result = decompose(model, fusion.image, latent=fusion.latent)
    generator = np.random.default_rng(0)
    places = np.asarray(patient.lesion_centre) + generator.uniform(-14, 14, (200, 3))
    for number, source in enumerate(sources):
        before = written(source, tmp_path, f"source-{number}")
        after = written(result.sources[number].mean, tmp_path, f"exact-{number}")
        np.testing.assert_allclose(
            values_at(after, places), values_at(before, places), atol=1e-5 * float(np.ptp(source.array))
        )


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_a_mark_appears_in_the_fused_image_and_alone_from_it_where_it_was_made(
    model: Model, patient: Patient, tmp_path: Path, direction: np.ndarray
) -> None:
    """One voxel is changed, off every mirror plane; what changes in the results must lie round it, in millimetres."""
    spacing = (1.3, 1.1, 2.0)
    scans = patient.acquire_all(["ADC", "FLAIR"], grid_round(patient.lesion_centre, spacing, direction), 0, 0)
    adc, flair = scans["ADC"], scans["FLAIR"]
    reference = written(adc, tmp_path, "reference")
    off_centre = np.asarray(patient.lesion_centre) + direction @ np.array([9.0, -7.0, 6.0])
    i, j, k = reference.TransformPhysicalPointToIndex(off_centre.tolist())
    mark = np.array(reference.TransformIndexToPhysicalPoint((i, j, k)))

    def distance(before: Volume, after: Volume) -> float:
        """From the mark to the middle of what changed, in mm, read from the files."""
        change = sitk.Abs(written(after, tmp_path, "after") - written(before, tmp_path, "before"))
        array = sitk.GetArrayFromImage(change)
        array[array < 0.05 * array.max()] = 0
        middle = [float((array * index).sum() / array.sum()) for index in np.indices(array.shape)]
        return float(np.linalg.norm(change.TransformContinuousIndexToPhysicalPoint(middle[::-1]) - mark))

    changed = adc.array.copy()
    changed[k, j, i] = changed[k, j, i] // 2 + 900
    fused = fuse(model, [adc, flair]).image
    assert distance(fused, fuse(model, [adc.with_array(changed), flair]).image) < 2.0
    touched = fused.array.copy()
    touched[k, j, i] = 1 - touched[k, j, i]
    marked = Volume.on_grid(touched, fused.grid, name=fused.name, record=fused.record)
    pairs = zip(decompose(model, fused, samples=2).sources, decompose(model, marked, samples=2).sources, strict=True)
    for before, after in pairs:
        assert distance(before.mean, after.mean) < 2.0


def test_a_scan_on_a_grid_of_its_own_lands_on_the_same_head(model: Model, patient: Patient, tmp_path: Path) -> None:
    """FLAIR acquired on a flipped oblique grid and resampled must be the FLAIR that ADC's grid would have seen."""
    grid = grid_round(patient.lesion_centre, (1.5, 1.5, 2.0), np.eye(3))
    other = Grid((70, 70, 60), (1.6, 1.6, 1.8), (0.0, 0.0, 0.0), tuple(DIRECTIONS["mirrored"].ravel().tolist()))
    middle = other.position((34.5, 34.5, 29.5))
    origin = tuple((np.asarray(patient.lesion_centre) - middle).tolist())
    other = Grid(other.size, other.spacing, origin, other.direction)  # type: ignore[arg-type]
    adc = patient.acquire("ADC", grid, noise=0, bias_field=0)
    flair = patient.acquire("FLAIR", other, noise=0, bias_field=0)
    fusion = fuse(model, [adc, flair], resample=True)
    back = decompose(model, fusion.image, latent=fusion.latent).sources[1].mean
    truth = sitk.GetArrayFromImage(written(patient.acquire("FLAIR", grid, noise=0, bias_field=0), tmp_path, "truth"))
    landed = sitk.GetArrayFromImage(written(back, tmp_path, "landed"))
    inside = landed > landed.min()

    def agreement(shift: tuple[int, int, int]) -> float:
        moved = np.roll(landed, shift, axis=(0, 1, 2))
        return float(np.corrcoef(moved[inside], truth[inside])[0, 1])

    here = agreement((0, 0, 0))
    assert here > 0.9
    for shift in [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]:
        assert agreement(shift) < here
