import logging
from pathlib import Path

import pytest

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data import DataSource, require_no_leakage, require_separate_patients
from InvertibleFusionLib.training.data.leakage import patient_of, require_separate_settings


def source(*patients: str, **other: object) -> DataSource:
    return DataSource("set", "licence", "attribution", list(patients), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("folder", "patient"),
    [
        ("open_ms_raw/patient01/study1", "open_ms_raw/patient01"),
        ("open_ms_raw/patient01/study2/", "open_ms_raw/patient01"),
        ("./open_ms//patient07", "open_ms/patient07"),
        ("bids/sub-03/ses-01", "bids/sub-03"),
        ("bids/sub-03/ses-baseline", "bids/sub-03"),
        ("a\\b\\visit 2", "a/b"),
        ("study1", "study1"),
        ("study1/patient4", "study1/patient4"),
        ("data/sesame", "data/sesame"),
        ("x/session_1/study2", "x"),
    ],
)
def test_studies_belong_to_their_patient(folder: str, patient: str) -> None:
    assert patient_of(folder) == patient


def test_a_patient_on_both_sides_is_refused_by_name_across_studies() -> None:
    with pytest.raises(ConfigurationError, match="raw/patient01 is in the training and the validation data"):
        require_separate_settings([source("raw/patient01/study1")], [source("raw/patient01/study2", "raw/patient02")])
    require_separate_settings([source("raw/patient07")], [source("other/patient07")])
    with pytest.raises(ConfigurationError, match="b, c are in"):
        require_no_leakage(["a", "b", "c"], ["c", "b"])


def test_phantoms_of_the_same_seeds_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"seeds 8 to 9 .* 10 or more"):
        require_separate_settings([source(phantoms=10)], [source(phantoms=2, phantom_seed=8)])
    require_separate_settings([source(phantoms=10**9)], [source(phantoms=2, phantom_seed=10**9)])


def test_manifests_are_compared_by_their_column(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.nii").write_bytes(b"")
    (tmp_path / "one.csv").write_text("patient,split,T1\nanna,training,a.nii\nbert,validation,b.nii\n")
    (tmp_path / "two.csv").write_text("patient,T1\nanna,c.nii\ncarl,d.nii\n")
    one = {split: source(manifest=Path("one.csv"), split=split) for split in ("training", "validation")}
    require_separate_patients([one["training"]], [one["validation"]], tmp_path)
    with pytest.raises(ConfigurationError, match="anna is in"):
        require_separate_patients([one["training"]], [source(manifest=Path("two.csv"))], tmp_path)


def test_it_is_said_that_an_h5_cannot_be_checked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "InvertibleFusion"):
        require_separate_patients([source(h5=Path("train.h5"))], [source(h5=Path("test.h5"))], tmp_path)
    assert "train.h5" in caplog.text
    assert "cannot be checked" in caplog.text
    with pytest.raises(ConfigurationError, match=r"train\.h5 is in"):
        require_separate_patients([source(h5=Path("train.h5"))], [source(h5=Path("./train.h5"))], tmp_path)
