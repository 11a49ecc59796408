"""Studies as files, and what is refused."""

import json

import numpy as np
import pytest

from InvertibleFusionLib.errors import ConfigurationError, GridMismatchError, OutputError
from InvertibleFusionLib.phantom import Patient, Tissue, patient_seeds, write_study
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.volume import Volume

COARSE = Grid((40, 46, 2), (4.0, 4.0, 5.0), (-78.0, -90.0, 10.0))


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz"])
def test_a_study_is_written_and_reads_back(tmp_path, ending):
    folders = list(write_study(2, tmp_path / "study", 3, contrasts=("ADC", "FLAIR"), ending=ending, grid=COARSE))
    assert [folder.name for folder in folders] == ["patient-001", "patient-002"]
    for folder, seed in zip(folders, patient_seeds(2, 3), strict=True):
        names = ["ADC", "FLAIR", "labels"]
        records = [] if ending == ".nrrd" else [f"{name}.record.json" for name in names]
        expected = [*(f"{name}{ending}" for name in names), *records, "parameters.json"]
        assert sorted(path.name for path in folder.iterdir()) == sorted(expected)
        patient = Patient.from_seed(seed)
        adc = Volume.read(folder / f"ADC{ending}")
        assert adc.name == "ADC"
        assert np.array_equal(adc.array, patient.acquire("ADC", COARSE).array)
        assert np.allclose(adc.grid.corners(), COARSE.corners(), atol=1e-3)
        parameters = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
        assert parameters["seed"] == seed
        assert parameters["lesion"]["centre"] == list(patient.lesion_centre)
        assert parameters["labels"]["tumour_core"] == Tissue.TUMOUR_CORE


def test_a_longer_study_begins_with_the_same_patients():
    assert patient_seeds(5, 9)[:2] == patient_seeds(2, 9)
    assert len(set(patient_seeds(50, 9) + patient_seeds(50, 10))) == 100


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda folder: list(write_study(0, folder, 0)), "at least one patient"),
        (lambda folder: list(write_study(1, folder, -1)), "seed"),
        (lambda folder: list(write_study(1, folder, 0, ending=".png")), r"\.png.*\.nrrd"),
        (lambda folder: list(write_study(1, folder, 0, contrasts=("SWI",))), "SWI.*FLAIR"),
        (lambda folder: Patient.from_seed(-2), "-2"),
        (lambda folder: Patient.from_seed(0).acquire("T1", COARSE, noise=-0.1), r"noise.*-0\.1"),
        (lambda folder: Patient.from_seed(0).acquire("T1", COARSE, bias_field=2), "bias field.*2"),
    ],
)
def test_mistakes_are_refused_with_words_and_leave_no_files(tmp_path, mistake, words):
    with pytest.raises(ConfigurationError, match=words):
        mistake(tmp_path / "study")
    assert not list(tmp_path.iterdir())


def test_a_grid_that_misses_the_head_is_refused():
    with pytest.raises(GridMismatchError, match="misses"):
        Patient.from_seed(0).acquire("T1", Grid((4, 4, 4), (1.0, 1.0, 1.0), (900.0, 0.0, 0.0)))


def test_two_patients_never_share_a_folder(tmp_path):
    list(write_study(1, tmp_path, 0, contrasts=("ADC",), grid=COARSE))
    before = {path.name: path.read_bytes() for path in (tmp_path / "patient-001").iterdir()}
    with pytest.raises(OutputError, match="another phantom patient"):
        list(write_study(1, tmp_path, 1, contrasts=("ADC",), grid=COARSE))
    assert {path.name: path.read_bytes() for path in (tmp_path / "patient-001").iterdir()} == before
    list(write_study(1, tmp_path, 0, contrasts=("T1",), grid=COARSE))
    assert (tmp_path / "patient-001" / "T1.nrrd").exists()


def test_every_volume_says_that_it_is_simulated(tmp_path):
    (folder,) = write_study(1, tmp_path, 0, contrasts=("ADC", "PET"), ending=".nii.gz", grid=COARSE)
    for name in ("ADC", "PET", "labels"):
        record = Volume.read(folder / f"{name}.nii.gz").record
        assert record["simulated"] is True
        assert record["settings"]["seed"] == patient_seeds(1, 0)[0]
    assert json.loads((folder / "parameters.json").read_text())["simulated"] is True
