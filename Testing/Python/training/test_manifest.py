from pathlib import Path

import pytest
import yaml

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data.cases import Case
from InvertibleFusionLib.training.data.manifest import read_manifest, write_manifest


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize("ending", [".csv", ".yaml", ".yml"])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str) -> None:
    touch(tmp_path, "data/a/T1.nii.gz", "data/a/T2.nrrd", "data/a/seg.nii", "data/ü, b/T2.mha")
    data = tmp_path / "data"
    cases = [
        Case("a", {"T1": data / "a" / "T1.nii.gz", "T2": data / "a" / "T2.nrrd"}, data / "a" / "seg.nii", "training"),
        Case("ü, b", {"T2": data / "ü, b" / "T2.mha"}, None, "validation"),
    ]
    path = tmp_path / "lists" / f"cases{ending}"
    write_manifest(cases, path)
    assert str(tmp_path) not in path.read_text(encoding="utf-8")
    read = read_manifest(path)
    assert [(case.patient, case.split) for case in read] == [("a", "training"), ("ü, b", "validation")]
    assert [{c: f.resolve() for c, f in case.files.items()} for case in read] == [case.files for case in cases]
    assert [case.mask and case.mask.resolve() for case in read] == [case.mask for case in cases]


def test_lists_written_by_hand_and_by_spreadsheets_are_read(tmp_path: Path) -> None:
    touch(tmp_path, "a1.nii", "a2.nii", "b1.nii", "m.nii")
    (tmp_path / "hand.csv").write_text(
        "\ufeffPatient ; T1;FLAIR;Mask\r\na;a1.nii; a2.nii ;m.nii\r\n;;;\r\nb;b1.nii\r\n"
    )
    first, second = read_manifest(tmp_path / "hand.csv")
    assert (first.patient, first.split, first.mask) == ("a", "", tmp_path / "m.nii")
    assert first.files == {"T1": tmp_path / "a1.nii", "FLAIR": tmp_path / "a2.nii"}
    assert (second.files, second.mask) == ({"T1": tmp_path / "b1.nii"}, None)
    rows = [{"patient": 7, "split": "training", "T1": "a1.nii"}]
    (tmp_path / "hand.yaml").write_text(yaml.safe_dump(rows))
    assert read_manifest(tmp_path / "hand.yaml") == [Case("7", {"T1": tmp_path / "a1.nii"}, None, "training")]


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii", "b.nii", "c.jpg", "d.nii", "e.nii")
    (tmp_path / "cases.csv").write_text(
        "patient,split,T1,FLAIR\n"
        "alpha,training,a.nii,b.nii\n"
        "alpha,validation,d.nii,\n"  # leakage across studies
        "beta,training,gone.nii,c.jpg\n"  # missing, unknown type
        "gamma,training,,\n"  # nothing
        ",training,e.nii,\n"  # nobody
        "delta,test,a.nii,\n"  # a file of alpha's
    )
    with pytest.raises(ConfigurationError) as caught:
        read_manifest(tmp_path / "cases.csv")
    first, *said = str(caught.value).splitlines()
    assert "6 mistakes" in first
    for words in (
        ("beta", "no file", "gone.nii", "T1"),
        ("beta", "c.jpg", "none of .nrrd"),
        ("gamma has no contrast",),
        ("case 5 has no patient",),
        ("a.nii is named more than once", "alpha", "delta"),
        ("patient alpha is in 2 splits", "training, validation"),
    ):
        assert any(all(word in line for word in words) for line in said), (words, said)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "name,T1\nx,y.nii\n", "no column 'patient', only name, T1"),
        ("a.csv", "", "lists no case"),
        ("a.csv", "patient,T1,T1\na,b.nii,c.nii\n", "same name"),
        ("a.csv", "patient,T1\na,b.nii,c.nii\n", "more cells than columns in case 1"),
        ("a.yaml", "patient: a\n", "must be a list"),
        ("a.yaml", "- {patient: a, T1: [b.nii]}\n", "several values for T1"),
        ("a.yaml", "- {patient: a", "no YAML"),
        ("a.txt", "patient,T1\n", "neither"),
    ],
    ids=str,
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_manifest(tmp_path / name)


def test_a_missing_manifest_and_an_unknown_ending_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(ConfigurationError, match="ends in"):
        write_manifest([], tmp_path / "cases.xlsx")
    assert list(tmp_path.iterdir()) == []
