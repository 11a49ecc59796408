"""Writing copies a volume: what is needed no longer must have left the memory by then."""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from InvertibleFusionLib import Volume
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.inference.job import Job, do
from InvertibleFusionLib.volumes import reading, writing

NAMES = ("ADC", "FLAIR")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{name}.nrrd" for name in NAMES]
    for seed, path in enumerate(paths):
        Volume(np.random.default_rng(seed).integers(0, 1000, (2, 8, 8), dtype=np.int16)).write(path)
    return [str(path) for path in paths]


def by_command(model_file: Path, files: list[str], out: Path) -> None:
    assert main(["fuse", *files, "--model", str(model_file), "--device", "cpu", "--out", str(out)]) == 0


def by_job(model_file: Path, files: list[str], out: Path) -> None:
    do(Job("fuse", str(model_file), files, str(out), settings={"device": "cpu"}))


@pytest.mark.parametrize("way", [by_command, by_job])
def test_neither_sources_nor_written_results_are_kept(
    way: Callable[[Path, list[str], Path], None],
    model_file: Path,
    files: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    voxels: dict[str, Any] = {}
    seen: dict[str, list[str]] = {}
    read, write = reading.read_volume, writing.write_into_stage

    def watching(name: str, volume: Volume) -> Volume:
        owner = volume.array if volume.array.base is None else volume.array.base
        voxels[name] = weakref.ref(owner)
        return volume

    def writing_one(volume: Volume, path: Path) -> None:
        watching(path.stem, volume)
        seen[path.stem] = [name for name, owner in voxels.items() if owner() is not None]
        write(volume, path)

    monkeypatch.setattr(reading, "read_volume", lambda path: watching(path.stem, read(path)))
    monkeypatch.setattr(writing, "write_into_stage", writing_one)
    way(model_file, files, tmp_path / "out")
    assert voxels.keys() == {*NAMES, "fused", "latent"}
    assert seen == {"fused": ["fused"], "latent": ["latent"]}
    assert Volume.read(tmp_path / "out" / "latent.nrrd").components == 2
