"""A task told by a file, for a process of its own: the same results as the function's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib import Volume, decompose, fuse, synthesize
from InvertibleFusionLib.inference.job import DONE, MISTAKE, Job, do, main
from InvertibleFusionLib.models.model_file import read_model

SETTINGS = {"device": "cpu", "precision": "float32", "batch_size": 1, "kernel": "torch"}


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    paths = []
    for seed, name in enumerate(("ADC", "FLAIR")):
        array = np.random.default_rng(seed).integers(0, 1000, (3, 10, 8), dtype=np.int16)
        paths.append(tmp_path / f"{name}.nrrd")
        Volume(array, (1.0, 1.2, 4.0), (5.0, -3.0, 2.0), name=name).write(paths[-1])
    return paths


def test_a_fusion_and_its_way_back_by_files(model_file: Path, sources: list[Path], tmp_path: Path) -> None:
    volumes = [Volume.read(path) for path in sources]
    names, folder = [str(path) for path in sources], tmp_path / "out"
    seen: list[int] = []
    options = {"reference": 1, "axis": "coronal"}
    do(Job("fuse", str(model_file), names, str(folder), None, options, SETTINGS), lambda each: seen.append(each.done))
    expected = fuse(read_model(model_file), volumes, reference=1, axis="coronal")
    np.testing.assert_allclose(Volume.read(folder / "fused.nrrd").array, expected.image.array, atol=1e-5)
    assert seen == list(range(1, 11))  # along j
    back = tmp_path / "back"
    fused, latent = str(folder / "fused.nrrd"), str(folder / "latent.nrrd")
    do(Job("decompose", str(model_file), [fused], str(back), latent, {}, SETTINGS))
    for number, volume in enumerate(volumes, 1):
        found = Volume.read(back / f"exact-{number}-{volume.name}.nrrd")
        assert np.abs(found.array - volume.array).max() <= 1e-5 * np.ptp(volume.array)
    do(Job("decompose", str(model_file), [fused], str(back), None, {"samples": 2, "seed": 3}, SETTINGS))
    alone = decompose(read_model(model_file), Volume.read(fused), samples=2, seed=3).sources[1].spread
    assert alone is not None
    found = Volume.read(back / "spread-2-FLAIR.nrrd")
    np.testing.assert_allclose(found.array, alone.array, atol=1e-2)


def test_a_synthesis_of_several_contrasts(
    synthesis_file: Callable[..., Path], sources: list[Path], tmp_path: Path
) -> None:
    path = synthesis_file("ADC FLAIR", "T2 T1")
    do(Job("synthesize", str(path), [str(source) for source in sources], str(tmp_path / "out"), settings=SETTINGS))
    expected = synthesize(read_model(path), [Volume.read(source) for source in sources])
    for name, image in zip(("T2", "T1"), expected.images, strict=True):
        found = Volume.read(tmp_path / "out" / f"synthetic-{name}.nrrd")
        np.testing.assert_allclose(found.array, image.array, atol=1e-5)


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    job = Job("decompose", "m", ["a ö.nrrd"], "out", "latent", {"samples": 3}, SETTINGS)
    job.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == job


def test_progress_and_mistakes_are_lines(
    model_file: Path, sources: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = tmp_path / "job.json", tmp_path / "out"
    Job("fuse", str(model_file), [str(source) for source in sources], str(folder)).write(path)
    assert main(str(path)) == DONE
    assert capsys.readouterr().out == "1/3\n2/3\n3/3\n"
    other = tmp_path / "other"
    Job("fuse", str(model_file), [str(sources[0])], str(other)).write(path)
    assert main(str(path)) == MISTAKE
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert not other.exists()
