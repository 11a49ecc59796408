"""Going back from scans of the target: what the record says of them, and when the user is warned."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib import Volume, decompose, synthesize
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.model_file import read_model

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
