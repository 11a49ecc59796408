import itertools
import logging
from pathlib import Path

import pytest

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data import DataSource, require_no_leakage, require_separate_patients
from InvertibleFusionLib.training.data.leakage import patient_of, require_separate_settings

PAIR = ["T1Gd", "FLAIR"]


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
    require_separate_patients([one["training"]], [one["validation"]], PAIR, tmp_path)
    with pytest.raises(ConfigurationError, match="anna is in"):
        require_separate_patients([one["training"]], [source(manifest=Path("two.csv"))], PAIR, tmp_path)


def test_it_is_said_that_an_h5_cannot_be_checked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "InvertibleFusion"):
        require_separate_patients([source(h5=Path("train.h5"))], [source(h5=Path("test.h5"))], PAIR, tmp_path)
    assert "train.h5" in caplog.text
    assert "cannot be checked" in caplog.text
    with pytest.raises(ConfigurationError, match=r"train\.h5 is in"):
        require_separate_patients([source(h5=Path("train.h5"))], [source(h5=Path("./train.h5"))], PAIR, tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two patients as folders of volumes, as PNG cases and as .h5 files, and other names for all of them."""
    lines = ["patient,split,T1,T2"]
    for number in (18, 19):
        folder = tmp_path / "raw" / f"patient{number}" / "study1"
        folder.mkdir(parents=True)
        for contrast in (*PAIR, "T1", "T2"):
            (folder / f"{contrast}.nii.gz").write_bytes(b"")
        (tmp_path / f"linked{number}").symlink_to(folder)
        (tmp_path / f"files{number}").mkdir()
        for contrast in PAIR:
            (tmp_path / f"files{number}" / f"{contrast}.nii.gz").symlink_to(folder / f"{contrast}.nii.gz")
        lines.append(",".join([f"patient{number}", str(number), *(str(folder / f"{c}.nii.gz") for c in ("T1", "T2"))]))
        (tmp_path / f"{number}.h5").write_bytes(b"")
        (tmp_path / f"other{number}.h5").symlink_to(tmp_path / f"{number}.h5")
        for contrast in PAIR:
            (tmp_path / "png" / contrast).mkdir(parents=True, exist_ok=True)
            (tmp_path / "png" / contrast / f"{number}001.png").write_bytes(b"")
    (tmp_path / "cases.csv").write_text("\n".join(lines))
    (tmp_path / "others").symlink_to(tmp_path / "png")
    return tmp_path


def volumes_of(number: int, data: Path) -> dict[str, DataSource]:
    return {
        "folder": source(f"raw/patient{number}/study1"),
        "absolute": source(str(data / f"raw/patient{number}/study1")),
        "linked folder": source(f"linked{number}"),
        "linked files": source(f"files{number}"),
        "other contrasts": source(f"linked{number}", contrast_sets=[["T1", "T2"]]),
        "manifest of other contrasts": source(manifest=Path("cases.csv"), split=str(number)),
    }


def slices_of(number: int) -> dict[str, DataSource]:
    return {
        "png": source(png=Path("png"), cases=[str(number)]),
        "h5": source(h5=Path(f"{number}.h5")),
        "phantom": source(phantoms=1, phantom_seed=number),
    }


def test_the_same_files_are_one_patient_whatever_they_are_called(data: Path) -> None:
    """Each way to name a patient's volumes against each other; only links to single files hide a folder's others."""
    ours, theirs, other = volumes_of(19, data), volumes_of(19, data), volumes_of(18, data)
    for one, two in itertools.product(ours, theirs):
        require_separate_patients([ours[one]], [other[two]], PAIR, data)
        if {one, two} == {"linked files", "manifest of other contrasts"}:
            continue  # no file and no folder of the patient is named on both sides
        with pytest.raises(ConfigurationError, match=r"(?s)(patient|linked|files)19 (is )?in.* training.*validation"):
            require_separate_patients([other[one], ours[one]], [theirs[two]], PAIR, data)


def test_who_is_on_both_sides_is_told_by_both_names(data: Path) -> None:
    sources = volumes_of(19, data)
    with pytest.raises(ConfigurationError, match=r"patient19 in training is linked19 in validation \(.*raw/patient19"):
        require_separate_patients([sources["manifest of other contrasts"]], [sources["linked folder"]], PAIR, data)


def test_slices_under_another_name_are_found(data: Path) -> None:
    others = {"png": source(png=data / "others", cases=["19"]), "h5": source(h5=Path("other19.h5"))}
    for kind, same in others.items():
        require_separate_patients([slices_of(18)[kind]], [same], PAIR, data)
        with pytest.raises(ConfigurationError, match="The same files"):
            require_separate_patients([slices_of(19)[kind]], [same], PAIR, data)


def test_different_kinds_of_sources_meet_by_name_only(data: Path) -> None:
    kinds = {
        **slices_of(19),
        "folder": source("raw/patient19"),
        "manifest": volumes_of(19, data)["manifest of other contrasts"],
    }
    for one, two in itertools.product(kinds, slices_of(19)):
        if one != two:
            require_separate_patients([kinds[one]], [kinds[two]], PAIR, data)
    (data / "named.csv").write_text(f"patient,T1\npng/19,{data}/raw/patient18/study1/T1.nii.gz\n")
    named = {"png": slices_of(19)["png"], "folder": source("png/19"), "manifest": source(manifest=Path("named.csv"))}
    for one, two in itertools.permutations(named, 2):
        with pytest.raises(ConfigurationError, match="png/19 is in the training and the validation data"):
            require_separate_patients([named[one]], [named[two]], PAIR, data)


def test_files_in_one_folder_may_be_of_many_patients(tmp_path: Path) -> None:
    """A flat list is no leak, and neither are folders called study1 and study2 at the top of the data folder."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.nii").write_bytes(b"")
    (tmp_path / "cases.csv").write_text("patient,split,T1\na,1,a.nii\nb,2,b.nii\n")
    sides = [source(manifest=Path("cases.csv"), split=split) for split in "12"]
    require_separate_patients([sides[0]], [sides[1]], PAIR, tmp_path)
    require_separate_patients([source("study1")], [source("study2")], PAIR, tmp_path)


def test_lists_that_cannot_be_read_are_left_to_the_reading(tmp_path: Path) -> None:
    for wrong in (source(manifest=Path("none.csv")), source(png=Path("none")), source("none")):
        require_separate_patients([wrong], [source("raw/patient01")], PAIR, tmp_path)


def test_one_png_case_stands_on_both_sides_in_slabs_that_lie_apart_only(tmp_path: Path) -> None:
    for contrast in ("MRI", "PET"):
        (tmp_path / "pairs" / contrast).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "pairs" / contrast / f"4{number:03}.png").write_bytes(b"")

    def slab(*slices: int, cases: tuple[str, ...] = ()) -> DataSource:
        return source(png=Path("pairs"), slices=list(slices), cases=list(cases))

    require_separate_patients([slab(0, 4), slab(16, 19)], [slab(10, 10)], ["MRI", "PET"], tmp_path)
    with pytest.raises(ConfigurationError, match=r"0 to 4 are learnt from and 9 to 12 .* at least 5 slices"):
        require_separate_patients([slab(0, 4)], [slab(9, 12)], ["MRI", "PET"], tmp_path)
    with pytest.raises(ConfigurationError, match="same files"):
        require_separate_patients([slab()], [slab(10, 12)], ["MRI", "PET"], tmp_path)
    require_separate_settings([slab(0, 4, cases=("4",))], [slab(3, 8, cases=("5",))])
    for wrong in ((3,), (4, 2), (-1, 2)):
        with pytest.raises(ConfigurationError, match="first and the last one"):
            slab(*wrong)
    with pytest.raises(ConfigurationError, match="goes with png only"):
        source("folder", slices=[0, 4])
