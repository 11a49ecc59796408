from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.case_reading import Wanted, read_cases, read_files

FUSION = Wanted(["T1Gd", "FLAIR"], mask="lesion")


def scaled(path: Path) -> np.ndarray:
    """Divided by the 99.9th percentile and clipped, from the file by SimpleITK alone."""
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(np.float64)
    return np.clip(array / np.sort(array, axis=None)[int(np.ceil(0.999 * array.size)) - 1], 0, 1)


def test_slices_keep_their_number_in_the_volume(patient: Path) -> None:
    """The first and the last slice are air and left out."""
    (case,) = read_cases([patient.name], FUSION, patient.parent)
    assert (case.name, case.numbers, case.labels) == ("some one", (1, 2, 3), ("1", "2", "3"))
    for number, name in enumerate(("T1Gd", "FLAIR")):
        expected = scaled(patient / f"{name}.nii.gz")[[1, 2, 3]]
        np.testing.assert_allclose(case.images[:, number], expected, atol=2e-5)
    assert [case.lesion_of(index) is not None for index in range(3)] == [False, True, False]


def test_plain_files_are_a_case(patient: Path) -> None:
    files = [patient / "FLAIR.nii.gz", patient / "T1Gd.nii.gz"]
    case = read_files(files, Wanted(["FLAIR", "T1Gd"]))
    assert case.mask is None
    assert case.sources == ("FLAIR", "T1Gd")
    np.testing.assert_allclose(case.images[:, 1], scaled(files[1])[[1, 2, 3]], atol=2e-5)
    with pytest.raises(ConfigurationError, match="2 files were given for the contrasts FLAIR"):
        read_files(files, Wanted(["FLAIR"]))


def test_a_list_of_cases_with_two_studies_of_one_patient(patient: Path) -> None:
    again = patient.parent / "again"
    for name in ("T1Gd", "FLAIR"):
        Volume.read(patient / f"{name}.nii.gz").write(again / f"{name}.nii.gz")
    rows = ["p1,some one/T1Gd.nii.gz,some one/FLAIR.nii.gz,some one/lesion.nii.gz"]
    rows += ["p1,again/T1Gd.nii.gz,again/FLAIR.nii.gz,"]
    (patient.parent / "cases.csv").write_text("patient,T1Gd,FLAIR,mask\n" + "\n".join(rows) + "\n")
    cases = read_cases(["cases.csv"], Wanted(["T1Gd"], ["FLAIR"]), patient.parent)
    assert [(case.name, case.patient) for case in cases] == [("p1", "p1"), ("p1 (2)", "p1")]
    assert [case.mask is None for case in cases] == [False, True]
    assert cases[0].targets == ("FLAIR",)
    assert cases[0].slice(0).sources.shape[0] == 1  # methods do not see their target


def test_png_pairs_keep_the_names_of_their_files(tmp_path: Path) -> None:
    """Cases by the digits before the last three; 9 comes before 10; a black slice is left out."""
    generator = np.random.default_rng(0)
    names = ["16009", "16010", "16011", "2001"]
    for contrast in ("CT", "MRI"):
        (tmp_path / "set" / contrast).mkdir(parents=True)
        for name in names:
            pixels = (generator.random((20, 24)) * 255).astype(np.uint8) * (name != "16010")
            sitk.WriteImage(sitk.GetImageFromArray(pixels), str(tmp_path / "set" / contrast / f"{name}.png"))
    cases = {case.name: case for case in read_cases(["set"], Wanted(["CT", "MRI"]), tmp_path)}
    assert set(cases) == {"set/16", "set/2"}
    assert cases["set/16"].labels == ("16009", "16011")
    assert cases["set/16"].numbers == (0, 2)
    pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "set" / "MRI" / "16011.png")))
    np.testing.assert_allclose(cases["set/16"].images[1, 1], pixels / 255, atol=1e-6)


def test_everything_that_cannot_be_used_is_said_at_once(patient: Path) -> None:
    (patient.parent / "empty").mkdir()
    with pytest.raises(ConfigurationError, match=r"(?s)2 cases cannot be used.*empty: .*T1Gd.*nobody: .*no folder"):
        read_cases(["empty", "some one", "nobody"], FUSION, patient.parent)
