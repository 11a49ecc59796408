"""Going back from scans of the target: what the record says of them, and when the user is warned."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib import Volume, decompose, synthesize
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.inference.record_in_words import record_in_words
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.model_file import read_model
from InvertibleFusionLib.volumes.suitability import replace_nonfinite

MakeModel = Callable[..., Model]


@pytest.fixture(autouse=True)
def _no_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("InvertibleFusionLib.inference.plan.numba_works", lambda: False)


@pytest.fixture(scope="session")
def make_model(synthesis_file: Callable[..., Path]) -> MakeModel:
    return lambda *arguments: read_model(synthesis_file(*arguments))


def scan(name: str, seed: int = 0) -> Volume:
    array = np.random.default_rng(seed).integers(0, 1000, (3, 12, 10), dtype=np.int16)
    return Volume(array, (0.9, 1.1, 3.5), (-50.0, 31.0, 7.5), name=name, units="u")


@pytest.mark.parametrize("names", [["T1", "FLAIR"], ["FLAIR", "T2"], ["Doe_John_T2", "T1Gd"]])
def test_scans_of_other_contrasts_are_said_in_log_and_record_and_allowed(
    make_model: MakeModel, caplog: pytest.LogCaptureFixture, names: list[str]
) -> None:
    model = make_model("T1 PD", "T2 FLAIR")
    with caplog.at_level(logging.WARNING):
        result = decompose(model, [scan(name, seed) for seed, name in enumerate(names)])
    [said] = caplog.messages
    assert "given as T2 + FLAIR" in said
    assert "may show what is not there" in said
    assert "Doe" not in said
    for record in (result.record, *(estimate.mean.record for estimate in result.sources)):
        assert record is not None
        assert record["warnings"] == [said]


def test_scans_of_the_target_and_what_was_synthesized_are_not_warned_of(
    make_model: MakeModel, caplog: pytest.LogCaptureFixture
) -> None:
    """A synthetic image is what its record says, whatever its file is called."""
    model = make_model("T1 PD", "T2 FLAIR")
    synthesis = synthesize(model, [scan("T1", 0), scan("PD", 1)])
    made = [replace(image, name="renamed") for image in synthesis.images]
    for images in ([scan("sub-03_T2", 2), scan("Axial-flair", 3)], made, [made[0], scan("FLAIR", 3)]):
        assert decompose(model, images).record["warnings"] == []
    assert decompose(model, made, latent=synthesis.latent).record["warnings"] == []
    assert not caplog.records


def test_the_command_says_so_and_its_files_keep_it(
    synthesis_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan("T1").write(tmp_path / "T1.nii.gz")
    arguments = ["decompose", str(tmp_path / "T1.nii.gz"), "--model", str(synthesis_file("T1 PD", "T2"))]
    assert main(arguments) == 0
    [said] = [line.strip() for line in capsys.readouterr().err.replace("\r", "\n").split("\n") if "given as T2" in line]
    record = Volume.read(tmp_path / "from-target-2-PD.nrrd").record
    assert record is not None
    assert record["warnings"] == [said]


def test_the_record_tells_the_scan_by_its_voxels_place_and_history(make_model: MakeModel) -> None:
    """Two scans called T2 are told apart years later; a phantom's stays a phantom's."""
    array = scan("T2").array.astype(np.float32)
    array[0, :2, 3] = np.nan
    sagittal = (0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0)  # j runs to superior
    given = replace(scan("T2"), array=array, direction=sagittal, record={"task": "phantom", "simulated": True})
    record = decompose(make_model("T1 PD", "T2"), replace_nonfinite(given, -1)).record
    [target] = record["settings"]["targets"]
    voxels = np.where(np.isnan(array), np.float32(-1), array).astype("<f4").tobytes()
    assert target["voxels_sha256"] == hashlib.sha256(b"float32 (3, 12, 10)\n" + voxels).hexdigest()
    assert (target["units"], target["voxel_type"], target["components"]) == ("u", "float32", 1)
    assert (target["simulated"], target["synthetic"], target["resampled"]) == (True, False, None)
    assert target["replaced_nonfinite"] == {"voxels": 2, "value": -1}
    assert target["grid"] == {
        "size": [10, 12, 3],
        "spacing_mm": [0.9, 1.1, 3.5],
        "origin_lps_mm": [-50.0, 31.0, 7.5],
        "direction_lps": list(sagittal),
    }
    assert record["settings"]["slice_axis"] == 1
    assert record["sources"] == []
    assert "synthesized" not in record


def test_of_a_synthetic_target_the_record_tells_the_target_and_its_synthesis(make_model: MakeModel) -> None:
    model = make_model("T1 PD", "T2")
    synthesis = synthesize(model, [scan("T1", 0), scan("PD", 1)], axis="sagittal")
    image = synthesis.images[0]
    for result in (decompose(model, image), decompose(model, image, latent=synthesis.latent)):
        assert result.record["synthesized"]["created"] == synthesis.record["created"]
        assert [source["name"] for source in result.record["sources"]] == ["T1", "PD"]
        assert result.record["settings"]["slice_axis"] == synthesis.record["settings"]["slice_axis"] == 2
    [target] = decompose(model, image).record["settings"]["targets"]
    assert (target["name"], target["synthetic"]) == ("SYNTHETIC T2", True)
    assert target["intensity"] == {"offset": [0.0], "gain": [1.0]}
    assert target["voxels_sha256"] == hashlib.sha256(b"float32 (3, 12, 10)\n" + image.array.tobytes()).hexdigest()


def test_words_name_the_target_and_sources_only_where_there_were_some(make_model: MakeModel) -> None:
    model = make_model("T1 PD", "T2")
    of_a_scan = decompose(model, scan("my T2")).sources[0].mean.record or {}
    said = record_in_words(of_a_scan).split("\n")
    assert said[:2] == [
        "SYNTHETIC T1, from the target image my T2 alone",
        "Decomposed from the target image my T2 alone.",
    ]
    assert "not known" not in " ".join(said)
    synthesis = synthesize(model, [scan("T1", 0), scan("PD", 1)])
    renamed = replace(synthesis.images[0], name="T2")
    said = record_in_words(decompose(model, renamed).record).split("\n")
    assert said[0] == "Decomposed from the target image SYNTHETIC T2 alone; the sources were T1 + PD."
    trip = record_in_words(decompose(model, synthesis.images, latent=synthesis.latent).record).split("\n")
    assert trip[0] == "Decomposed; the sources were T1 + PD."
