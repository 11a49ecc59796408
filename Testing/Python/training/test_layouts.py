"""Folders as data sets come; names as on the data sets' pages."""

from pathlib import Path

import pytest

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data.cases import Case
from InvertibleFusionLib.training.data.layouts import find_cases, split_cases
from InvertibleFusionLib.training.data.manifest import read_manifest


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def names(case: Case, folder: Path) -> dict[str, str]:
    return {contrast: file.relative_to(folder).as_posix() for contrast, file in case.files.items()}


def test_brats_old_and_new_names(tmp_path: Path) -> None:
    old, new = "HGG/Brats18_CBICA_AAB_1", "BraTS-GLI-00005-100"
    touch(tmp_path, *(f"{old}/Brats18_CBICA_AAB_1_{each}.nii.gz" for each in ("t1", "t1ce", "t2", "flair", "seg")))
    for visit in ("100", "101"):
        patient = f"BraTS-GLI-00005-{visit}"
        touch(tmp_path, *(f"{patient}/{patient}-{each}.nii.gz" for each in ("t1n", "t1c", "t2w", "t2f", "seg")))
    found = find_cases(tmp_path)
    assert found.left_out == {}
    # Two visits, one patient: they must never be parted.
    assert [case.patient for case in found.cases] == ["BraTS-GLI-00005", "BraTS-GLI-00005", old]
    assert names(found.cases[0], tmp_path) == {
        "T1Gd": f"{new}/{new}-t1c.nii.gz",
        "T1": f"{new}/{new}-t1n.nii.gz",
        "FLAIR": f"{new}/{new}-t2f.nii.gz",
        "T2": f"{new}/{new}-t2w.nii.gz",
    }
    assert set(found.cases[2].files) == {"T1", "T1Gd", "T2", "FLAIR"}
    assert found.cases[2].files["T1Gd"].name == "Brats18_CBICA_AAB_1_t1ce.nii.gz"
    assert [case.mask is not None and "seg" in case.mask.name for case in found.cases] == [True] * 3


def test_bids_with_sessions_contrast_agent_and_derived_masks(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_ce-gadolinium_T1w.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_FLAIR.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_acq-highres_T2w.nii.gz",
        "sub-01/ses-01/dwi/sub-01_ses-01_adc.nii.gz",
        "sub-01/ses-01/dwi/sub-01_ses-01_dwi.nii.gz",
        "sub-01/ses-02/anat/sub-01_ses-02_T1w.nii.gz",
        "sub-02/anat/sub-02_run-1_PDw.nii.gz",
        "sub-02/anat/sub-02_run-2_PDw.nii.gz",
        "sub-02/func/sub-02_task-rest_bold.nii.gz",
        "derivatives/lesions/sub-01/ses-01/sub-01_ses-01_label-L_mask.nii.gz",
        "derivatives/prep/sub-01/ses-01/sub-01_ses-01_T1w.nii.gz",
        "derivatives/lesions/sub-09/sub-09_mask.nii.gz",
    )
    (tmp_path / "participants.tsv").write_text("participant_id\n")
    found = find_cases(tmp_path)
    assert [case.patient for case in found.cases] == ["sub-01", "sub-01", "sub-02"]
    first, second, third = found.cases
    assert set(first.files) == {"T1", "T1Gd", "FLAIR", "T2", "ADC", "DWI"}
    assert first.files["T1"].parts[-4] == "sub-01"  # the raw one, not the derived
    assert "ce-gadolinium" in first.files["T1Gd"].name
    assert first.mask is not None
    assert first.mask.name == "sub-01_ses-01_label-L_mask.nii.gz"
    assert (set(second.files), second.mask) == ({"T1"}, None)
    assert third.files["PD"].name == "sub-02_run-1_PDw.nii.gz"
    reasons = {file.name: why for file, why in found.left_out.items()}
    assert reasons == {
        "sub-02_run-2_PDw.nii.gz": "a second PD beside sub-02_run-1_PDw.nii.gz",
        "sub-02_task-rest_bold.nii.gz": "its name tells no contrast",
        "sub-01_ses-01_T1w.nii.gz": "a second T1 beside sub-01_ses-01_T1w.nii.gz",
        "sub-09_mask.nii.gz": "a mask without images",
    }


def test_plain_folders_with_studies(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "raw/patient01/study1/T1.nii.gz",
        "raw/patient01/study2/flair.nrrd",
        "raw/patient01/study2/lesion.nii.gz",
        "patient07/T1Gd.nii.gz",
        "patient07/labels.nii.gz",
        "patient07/.unfinished-x/T2.nii.gz",
    )
    found = find_cases(tmp_path)
    assert [(case.patient, *case.files) for case in found.cases] == [
        ("patient07", "T1Gd"),
        ("raw/patient01", "T1"),
        ("raw/patient01", "FLAIR"),
    ]
    assert found.cases[2].mask == tmp_path / "raw/patient01/study2/lesion.nii.gz"
    assert found.left_out == {Path("patient07/labels.nii.gz"): "its name tells no contrast"}


def test_a_folder_without_cases_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a/scan.nii.gz")
    with pytest.raises(ConfigurationError, match="1 volumes have other names"):
        find_cases(tmp_path)
    with pytest.raises(ConfigurationError, match="no folder"):
        find_cases(tmp_path / "none")


def test_splits_keep_patients_together_and_follow_the_seed() -> None:
    cases = [Case(f"p{number:02d}") for number in range(20) for _ in range(3)]
    split = split_cases(cases, 0.2, 0.1, seed=4)
    of_patient = {case.patient: {other.split for other in split if other.patient == case.patient} for case in cases}
    assert all(len(splits) == 1 for splits in of_patient.values())
    counts = [sum(splits == {name} for splits in of_patient.values()) for name in ("training", "validation", "test")]
    assert counts == [14, 4, 2]
    assert split_cases(list(reversed(cases)), 0.2, 0.1, seed=4) == list(reversed(split))
    assert split_cases(cases, 0.2, 0.1, seed=5) != split
    few = split_cases([Case("a"), Case("b")], 0.1, 0, seed=0)
    assert sorted(case.split for case in few) == ["training", "validation"]
    for wrong in ((0.6, 0.5), (-0.1, 0.0), (1.0, 0.0)):
        with pytest.raises(ConfigurationError, match="Shares"):
            split_cases(cases, *wrong, seed=0)
    with pytest.raises(ConfigurationError, match="too few"):
        split_cases([Case("a")], 0.2, 0, seed=0)


def test_the_command_writes_a_list_and_says_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, *(f"data/p{number}/{c}.nii.gz" for number in range(5) for c in ("T1", "FLAIR")))
    touch(tmp_path, "data/p1/odd.nii.gz")
    out = tmp_path / "cases.csv"
    assert main(["manifest", str(tmp_path / "data"), "--out", str(out), "--validation", "0.4", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    assert "Patients: 5, studies: 5, masks: 0." in said
    assert "3 training" in said
    assert "2 validation" in said
    assert "p1/odd.nii.gz: its name tells no contrast" in said
    cases = read_manifest(out)
    assert sorted(case.split for case in cases) == ["training"] * 3 + ["validation"] * 2
    assert main(["manifest", str(tmp_path / "data"), "--out", str(tmp_path / "x.doc")]) == 1
    assert not (tmp_path / "x.doc").exists()
