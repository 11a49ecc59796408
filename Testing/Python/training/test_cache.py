from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from InvertibleFusionLib.errors import ConfigurationError, OutputError
from InvertibleFusionLib.training.data import (
    DataSource,
    PatientSlices,
    SliceSelection,
    for_reporting,
    load_patients,
    reading,
    with_scale,
)
from InvertibleFusionLib.training.data.cache import digest
from InvertibleFusionLib.volumes.intensity import IntensityScale
from InvertibleFusionLib.volumes.volume import Volume

WritePatient = Callable[..., Path]
SOURCE = DataSource("set", "licence", "attribution", ["p"], mask="lesion")
PAIR = ["T1Gd", "FLAIR"]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Says when a case was really read, and not found in the cache."""
    read: list[str] = []
    real = reading.load_case

    def load_case(case, *rest):  # type: ignore[no-untyped-def]
        read.append(case.patient)
        return real(case, *rest)

    monkeypatch.setattr(reading, "load_case", load_case)
    return read


@pytest.fixture
def load(tmp_path: Path, write_patient: WritePatient) -> Callable[..., PatientSlices]:
    write_patient("p", lesion_slices=(2,))

    def loaded(normalize=for_reporting, **other: object) -> PatientSlices:  # type: ignore[no-untyped-def]
        [patient] = load_patients([SOURCE], PAIR, tmp_path, normalize, cache=tmp_path / "cache", **other)  # type: ignore[arg-type]
        return patient

    return loaded


def test_the_second_run_reads_nothing_and_sees_the_same(
    tmp_path: Path, load: Callable[..., PatientSlices], reads: list[str]
) -> None:
    [plain] = load_patients([SOURCE], PAIR, tmp_path, for_reporting)
    first, second = load(), load()
    assert reads == ["p", "p"]  # once without a cache, once with it
    for patient in (first, second):
        assert isinstance(patient.images, np.memmap)
        np.testing.assert_array_equal(patient.images, plain.images)
        np.testing.assert_array_equal(patient.mask, plain.mask)
        assert patient.contrasts == plain.contrasts
        torch.from_numpy(patient.images)  # warns, which is an error here, of arrays that cannot be written
    assert not list((tmp_path / "cache").glob(".*"))


def test_a_changed_file_or_setting_is_noticed(
    tmp_path: Path, load: Callable[..., PatientSlices], reads: list[str]
) -> None:
    before = load()
    volume = Volume.read(tmp_path / "p" / "FLAIR.nii.gz")
    volume.with_array(volume.array[::-1].copy()).write(tmp_path / "p" / "FLAIR.nii.gz")
    after = load()
    assert len(reads) == 2
    assert not np.array_equal(before.images[:, 1], after.images[:, 1])
    mask = Volume.read(tmp_path / "p" / "lesion.nii.gz")
    mask.with_array(1 - mask.array.clip(0, 1)).write(tmp_path / "p" / "lesion.nii.gz")
    assert load().mask.mean() > 0.5  # type: ignore[union-attr]
    other_settings: list[dict[str, object]] = [
        {"normalize": with_scale(IntensityScale())},
        {"normalize": with_scale(IntensityScale(lower=1.0))},
        {"selection": SliceSelection(middle=2)},
        {"grid_of": "FLAIR"},
    ]
    for number, other in enumerate(other_settings, 4):
        load(**other)
        assert len(reads) == number
        load(**other)
        assert len(reads) == number


@pytest.mark.parametrize("part", ["images.npy", "mask.npy", "json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_damaged_entries_are_made_again(
    tmp_path: Path, load: Callable[..., PatientSlices], reads: list[str], part: str, damage: str
) -> None:
    sound = load()
    expected, lesion = np.array(sound.images), np.array(sound.mask)
    del sound
    [file] = (tmp_path / "cache").glob(f"*.{part}")
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-7] if damage == "cut" else content[:-3] + b"\x01" + content[-2:])
    again = load()
    assert len(reads) == 2
    np.testing.assert_array_equal(again.images, expected)
    np.testing.assert_array_equal(again.mask, lesion)
    load()
    assert len(reads) == 2


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, write_patient: WritePatient, load: Callable[..., PatientSlices]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        load_patients([SOURCE], PAIR, tmp_path, for_reporting, cache=tmp_path / "file" / "cache")


def test_missing_files_are_reported_with_a_cache_as_without(tmp_path: Path) -> None:
    sources = [replace(SOURCE, mask=""), DataSource("h5", "licence", "attribution", h5=Path("gone.h5"))]
    with pytest.raises(ConfigurationError, match=r"(?s)2 cases.*p: there is no folder.*gone\.h5 cannot be read"):
        load_patients(sources, PAIR, tmp_path, for_reporting, cache=tmp_path / "cache")


def test_the_digest_covers_folders_and_detached_voxels(tmp_path: Path) -> None:
    (tmp_path / "a.mhd").write_text("header")
    (tmp_path / "a.raw").write_bytes(b"1")
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1.dcm").write_bytes(b"1")
    before = digest(tmp_path / "a.mhd"), digest(tmp_path / "series")
    (tmp_path / "a.raw").write_bytes(b"2")
    (tmp_path / "series" / "2.dcm").write_bytes(b"1")
    after = digest(tmp_path / "a.mhd"), digest(tmp_path / "series")
    assert before[0] != after[0]
    assert before[1] != after[1]
