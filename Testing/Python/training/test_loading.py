"""Patients read from folders and manifests: geometry, and everything that can be wrong with them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import (
    DataSource,
    SliceSelection,
    for_reporting,
    load_both_sides,
    load_patients,
    load_stocks,
)
from InvertibleFusionLib.training.data.cases import Case
from InvertibleFusionLib.training.data.manifest import write_manifest
from InvertibleFusionLib.training.data.phantoms import PhantomStock
from InvertibleFusionLib.training.run import dry_run
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.volume import Volume

WritePatient = Callable[..., Path]
PAIR = ["T1Gd", "FLAIR"]


def source(*patients: str, **other: object) -> DataSource:
    return DataSource("set", "licence", "attribution", list(patients), **other)  # type: ignore[arg-type]


def test_blank_slices_are_left_out(tmp_path: Path, write_patient: WritePatient) -> None:
    folder = write_patient("one")
    for contrast in PAIR:
        volume = Volume.read(folder / f"{contrast}.nii.gz")
        array = volume.array.copy()
        array[[0, 5]] = 0
        volume.with_array(array).write(folder / f"{contrast}.nii.gz")
    [patient] = load_patients([source("one")], PAIR, tmp_path, for_reporting)
    assert patient.images.shape == (4, 2, 25, 21)
    assert patient.images.dtype == np.float32
    assert (patient.patient, patient.contrasts, patient.mask) == ("one", ("T1Gd", "FLAIR"), None)


@pytest.mark.parametrize(("grid_of", "slices", "columns"), [("", 73, 56), ("FLAIR", 29, 128), ("ADC", 73, 56)])
def test_mixed_grids_land_on_the_named_contrasts_grid(
    tmp_path: Path, write_patient: WritePatient, grid_of: str, slices: int, columns: int
) -> None:
    """29 thick FLAIR slices and 73 thin ADC ones, as ISLES has them; the same millimetre shows the same brightness."""
    write_patient("p", ("ADC",), (56, 56, 73), (4.0, 4.0, 2.0))
    write_patient("p", ("FLAIR",), (128, 128, 29), (1.75, 1.75, 5.0))
    [patient] = load_patients([source("p")], ["ADC", "FLAIR"], tmp_path, for_reporting, grid_of=grid_of)
    assert patient.images.shape == (slices, 2, columns, columns)
    # Both are 100 + x + noise; away from the border they must agree after their common scale.
    inner = patient.images[3:-3, :, 10:-10, 10:-10].mean(axis=(0, 2))
    assert np.abs(inner[0] - inner[1]).max() < 0.02
    assert inner[0][-1] > inner[0][0] + 0.2


@pytest.mark.parametrize("size", [(21, 25, 1), (20, 3, 4), (7, 31, 5)], ids=str)
def test_one_slice_and_odd_sizes_are_read(
    tmp_path: Path, write_patient: WritePatient, size: tuple[int, int, int]
) -> None:
    write_patient("p", size=size)
    [patient] = load_patients([source("p")], PAIR, tmp_path, for_reporting)
    assert patient.images.shape == (size[2], 2, size[1], size[0])


def test_any_number_of_contrasts_is_read_in_the_asked_order(tmp_path: Path, write_patient: WritePatient) -> None:
    folder = write_patient("p", ("T1", "T2", "FLAIR"))
    for contrasts in (["T2"], ["FLAIR", "T1", "T2"]):
        [patient] = load_patients([source("p")], contrasts, tmp_path, for_reporting)
        for number, contrast in enumerate(contrasts):
            array = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{contrast}.nii.gz")))
            expected = np.clip(array / np.sort(array.ravel())[int(np.ceil(0.999 * array.size)) - 1], 0, 1)
            np.testing.assert_allclose(patient.images[:, number], expected, rtol=1e-5)


def test_masks_follow_their_slices_by_nearest_neighbour(tmp_path: Path, write_patient: WritePatient) -> None:
    folder = write_patient("p", lesion_slices=(2, 4))
    [patient] = load_patients([source("p", mask="lesion")], PAIR, tmp_path, for_reporting)
    assert patient.mask is not None
    assert patient.mask.dtype == np.bool_
    assert [k for k in range(6) if patient.mask[k].any()] == [2, 4]
    assert patient.mask.sum() == 2 * 12
    chosen = SliceSelection(labels=[2])
    [lesions] = load_patients([source("p", mask="lesion.nii.gz")], PAIR, tmp_path, for_reporting, chosen)
    assert len(lesions.images) == 2
    np.testing.assert_array_equal(lesions.images, patient.images[[2, 4]])
    # The same mask in voxels of half the size marks the same pixels.
    fine = Grid((42, 50, 12), (1.0, 1.0, 2.0), (-0.5, -0.5, -1.0))
    array = Volume.read(folder / "lesion.nii.gz").array.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    Volume.on_grid(array.astype(np.float32), fine, name="lesion").write(folder / "fine.nii.gz")
    [resampled] = load_patients([source("p", mask="fine")], PAIR, tmp_path, for_reporting)
    assert resampled.mask is not None
    np.testing.assert_array_equal(resampled.mask, patient.mask)


def test_contrast_sets_are_sets_of_the_same_patient(tmp_path: Path, write_patient: WritePatient) -> None:
    for name in ("p/study1", "p/study2", "q"):
        write_patient(name, ("T1", "T2", "FLAIR"))
    sets = [["T1", "FLAIR"], ["T2", "FLAIR"]]
    [stock] = load_stocks(
        [source("p/study1", "p/study2", "q", contrast_sets=sets)], ["A", "B"], tmp_path, for_reporting
    )
    assert [(slices.patient, slices.contrasts) for slices in stock.everyone()] == [
        (name, tuple(names)) for name in ("p/study1", "p/study2", "q") for names in sets
    ]
    generator = np.random.default_rng(0)
    drawn = [stock.draw(0, generator).patient for _ in range(2000)]
    assert drawn.count("q") / 2000 == pytest.approx(0.5, abs=0.05)  # two patients, however many studies


def test_a_contrast_that_a_source_lacks_is_nan_and_its_place_is_kept(
    tmp_path: Path, write_patient: WritePatient
) -> None:
    write_patient("p", ("T1", "T2", "FLAIR"))
    [whole] = load_patients([source("p")], ["T1", "T2", "FLAIR"], tmp_path, for_reporting)
    for read in ("made", "taken from the cache"):
        sets = [["T1", "", "FLAIR"]]
        [slices] = load_patients(
            [source("p", contrast_sets=sets)], ["T1", "T2", "FLAIR"], tmp_path, for_reporting, cache=tmp_path / "cache"
        )
        assert np.isnan(slices.images[:, 1]).all(), read
        np.testing.assert_array_equal(slices.images[:, [0, 2]], whole.images[:, [0, 2]])


def test_all_unusable_cases_are_reported_together(tmp_path: Path, write_patient: WritePatient) -> None:
    """Of eight patients one is fine; each of the others is named with its own reason."""
    write_patient("fine", lesion_slices=(1,))
    write_patient("lacking", ("T1Gd",))
    cut = write_patient("cut") / "FLAIR.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-200])
    elsewhere = write_patient("elsewhere", ("T1Gd",))
    write_patient("elsewhere", ("FLAIR",), origin=(900.0, 0.0, 0.0))
    flat = write_patient("flat") / "T1Gd.nii.gz"
    Volume(np.ones((6, 25, 21), np.float32)).write(flat)
    holes = write_patient("holes") / "T1Gd.nii.gz"
    volume = Volume.read(holes)
    array = volume.array.copy()
    array[2, 2, 2] = np.nan
    volume.with_array(array).write(holes)
    write_patient("labels", ("FLAIR",), lesion_slices=(1,))
    (tmp_path / "labels" / "lesion.nii.gz").rename(tmp_path / "labels" / "T1Gd.nii.gz")
    names = ("fine", "lacking", "cut", "elsewhere", "flat", "holes", "labels", "absent")
    with pytest.raises(ConfigurationError, match="7 cases cannot be used") as caught:
        load_stocks([source(*names)], PAIR, tmp_path, for_reporting)
    said = str(caught.value).splitlines()[1:]
    expected = ["no FLAIR", "cut short|damaged|stop", "overlap", "constant", "1 of", "label map", "no folder"]
    assert len(said) == 7
    for line, name, reason in zip(said, names[1:], expected, strict=True):
        assert line.startswith(f"- {name}: ")
        assert any(word in line for word in reason.split("|")), line
    assert elsewhere.is_dir()


def test_unusable_cases_of_both_sides_are_reported_together(
    tmp_path: Path, write_patient: WritePatient, configuration: TrainingConfiguration
) -> None:
    """By the whole run: a list with mistakes on one side does not hide a missing folder on the other."""
    write_patient("fine")
    write_patient("lacking", ("T1Gd",))
    (tmp_path / "wrong.csv").write_text("patient,T1Gd\nanna,nowhere.nii\n")
    sides = {
        "training": [source("fine", "lacking"), source(manifest=Path("wrong.csv"))],
        "validation": [source("absent")],
    }
    broken = replace(configuration, data_folder=tmp_path, **sides)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="3 cases cannot be used") as caught:
        dry_run(broken)
    for words in ("- training, lacking: there is no FLAIR", "nowhere.nii", "- validation, absent: there is no folder"):
        assert words in str(caught.value)
    with pytest.raises(ConfigurationError, match="1 case cannot"):
        load_patients([source("absent")], PAIR, tmp_path, for_reporting)


def test_an_unusable_phantom_to_measure_on_is_reported_with_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(self: PhantomStock, number: int) -> None:
        raise ConfigurationError("The phantom of seed 5: nothing is seen.")

    monkeypatch.setattr(PhantomStock, "make", make)
    phantoms = DataSource("heads", "licence", "nobody", phantoms=1, phantom_seed=5)
    with pytest.raises(ConfigurationError, match=r"(?s)2 cases.*training, absent.*validation, heads: .*seed 5"):
        load_both_sides([source("absent")], [phantoms], PAIR, tmp_path, for_reporting)


def test_missing_and_distant_masks_are_reported(tmp_path: Path, write_patient: WritePatient) -> None:
    write_patient("without")
    folder = write_patient("distant", lesion_slices=(1,))
    mask = Volume.read(folder / "lesion.nii.gz")
    Volume.on_grid(mask.array, Grid((21, 25, 6), (2, 2, 4), (0, 500, 0))).write(folder / "lesion.nii.gz")
    with pytest.raises(ConfigurationError, match=r"(?s)2 cases.*without: there is no lesion.*distant: the mask"):
        load_stocks([source("without", "distant", mask="lesion")], PAIR, tmp_path, for_reporting)


def test_manifests_give_the_cases_of_their_split(tmp_path: Path, write_patient: WritePatient) -> None:
    cases = []
    for name, split in (("a", "training"), ("b", "training"), ("c", "validation")):
        folder = write_patient(name, lesion_slices=(1,))
        files = {contrast: folder / f"{contrast}.nii.gz" for contrast in PAIR}
        cases.append(Case(f"P-{name}", files, folder / "lesion.nii.gz", split))
    write_manifest(cases, tmp_path / "cases.csv")
    listed = {"manifest": Path("cases.csv")}
    patients = load_patients([source(split="training", **listed)], PAIR, tmp_path, for_reporting)
    assert [patient.patient for patient in patients] == ["P-a", "P-b"]
    assert all(patient.mask is not None for patient in patients)
    [same] = load_patients([source("c")], PAIR, tmp_path, for_reporting)
    [listed_one] = load_patients([source(split="validation", **listed)], PAIR, tmp_path, for_reporting)
    np.testing.assert_array_equal(same.images, listed_one.images)
    with pytest.raises(ConfigurationError, match="no case of the split 'testing'; its splits: training, validation"):
        load_patients([source(split="testing", **listed)], PAIR, tmp_path, for_reporting)
    with pytest.raises(ConfigurationError, match=r"(?s)2 cases.*P-a: it has no T2, only T1Gd, FLAIR.*P-b"):
        load_patients([source(split="training", **listed)], ["T2", "FLAIR"], tmp_path, for_reporting)


def test_a_grid_of_an_unknown_contrast_is_refused(tmp_path: Path, write_patient: WritePatient) -> None:
    write_patient("p")
    with pytest.raises(ConfigurationError, match="grid is to be that of T2"):
        load_stocks([source("p")], PAIR, tmp_path, for_reporting, grid_of="T2")
