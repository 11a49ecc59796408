"""Synthesizing and going back on the command line: files in, files out, and each way under its own name."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume
from InvertibleFusionLib.cli import main

Files = tuple[Path, Path]


@pytest.fixture
def files(tmp_path: Path, sources: list[Volume]) -> Files:
    paths = tmp_path / "in" / "T1.nii.gz", tmp_path / "in" / "PD.nii.gz"
    for path, source in zip(paths, sources, strict=True):
        source.write(path)
    return paths


@pytest.fixture(scope="session")
def model_path(synthesis_file: Callable[..., Path]) -> Path:
    return synthesis_file("T1 PD", "T2", {"method": "percentile", "lower": 0.1, "upper": 99.9})


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def digests(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_main_job(tmp_path: Path, files: Files, model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, out = digests(tmp_path / "in"), tmp_path / "a" / "out"
    assert run("synthesize", *files, "--model", model_path, "--out", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["latent.nrrd", "synthetic-T2.nrrd"]
    printed = capsys.readouterr().out
    assert "T2 from T1 + PD" in printed
    assert "no scanner" in printed
    assert "esearch use only" in printed
    image, latent = out / "synthetic-T2.nrrd", out / "latent.nrrd"
    assert run("decompose", image, "--latent", latent, "--model", model_path, "--out", tmp_path / "trip") == 0
    said = capsys.readouterr().out
    assert "Round trip" in said
    assert "alone" not in said
    assert run("decompose", image, "--model", model_path, "--out", tmp_path / "alone") == 0
    said = capsys.readouterr().out
    assert "From the target image alone" in said
    assert "Round trip" not in said
    assert sorted(path.name for path in (tmp_path / "trip").iterdir()) == [
        "round-trip-1-T1.nrrd",
        "round-trip-2-PD.nrrd",
    ]
    assert sorted(path.name for path in (tmp_path / "alone").iterdir()) == [
        "from-target-1-T1.nrrd",
        "from-target-2-PD.nrrd",
    ]
    for number, path in enumerate(files, 1):
        source = sitk.ReadImage(str(path))
        name = path.name.split(".")[0]
        back = sitk.ReadImage(str(tmp_path / "trip" / f"round-trip-{number}-{name}.nrrd"))
        original = sitk.GetArrayFromImage(source).astype(np.float64)
        assert np.abs(original - sitk.GetArrayFromImage(back)).max() <= 1e-5 * np.ptp(original)
        for image_file in (back, sitk.ReadImage(str(out / "synthetic-T2.nrrd"))):
            assert image_file.GetSize() == source.GetSize()
            np.testing.assert_allclose(image_file.GetOrigin(), source.GetOrigin(), atol=1e-6)
            np.testing.assert_allclose(image_file.GetSpacing(), source.GetSpacing(), rtol=1e-6)
            np.testing.assert_allclose(image_file.GetDirection(), source.GetDirection(), atol=1e-6)
    assert digests(tmp_path / "in") == before
    read = Volume.read(out / "synthetic-T2.nrrd")
    assert read.name == "SYNTHETIC T2"
    assert read.record is not None
    assert read.record["synthetic"] is True


def make_bad(kind: str, good: Path, path: Path) -> None:
    if kind == "cut":
        path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    elif kind == "4-D":
        sitk.WriteImage(sitk.JoinSeries([sitk.ReadImage(str(good))] * 3), str(path))
    else:
        source = Volume.read(good)
        array = source.array.astype(np.float32)
        if kind == "NaN":
            array[0, 0, 0] = np.nan
        else:
            array[:] = 3
        source.with_array(array).write(path)


@pytest.mark.parametrize("kind", ["cut", "4-D", "NaN", "constant"])
def test_bad_input_is_one_sentence_and_touches_nothing(
    tmp_path: Path, files: Files, model_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    bad, out = tmp_path / "in" / "bad.nii.gz", tmp_path / "out"
    make_bad(kind, files[0], bad)
    assert run("synthesize", *files, "--model", model_path, "--out", out) == 0
    before = digests(tmp_path)
    capsys.readouterr()
    assert run("synthesize", bad, files[1], "--model", model_path, "--out", out) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip() and "slice/s" not in line]
    assert [("bad" in line, "Traceback" in line) for line in lines] == [(True, False)]
    assert digests(tmp_path) == before


def test_a_missing_source_is_named_and_nothing_is_made(
    tmp_path: Path, files: Files, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("synthesize", files[0], "--model", model_path, "--out", tmp_path / "out") == 1
    assert "needs T1, PD, in this order; given: T1" in capsys.readouterr().err
    assert run("synthesize", *files, "--model", "fusioninn-t1gd-flair", "--out", tmp_path / "out") == 1
    assert "does not synthesize" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_options_reach_the_work(tmp_path: Path, files: Files, model_path: Path) -> None:
    options = ("--model", model_path, "--out", tmp_path, "--axis", "sagittal", "--reference", 2)
    assert run("synthesize", *files, *options) == 0
    record = Volume.read(tmp_path / "synthetic-T2.nrrd").record
    assert record is not None
    assert record["settings"]["reference"] == "PD"
    assert record["settings"]["slice_axis"] == 2


def test_what_came_back_from_earlier_images_is_said_beside_new_ones(
    tmp_path: Path, files: Files, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``decompose`` writes beside the images, where its files look like those of the images that replace them."""
    out, command = tmp_path / "out", ("synthesize", *files, "--model", model_path, "--out", tmp_path / "out")
    assert run(*command) == 0
    image, latent = out / "synthetic-T2.nrrd", out / "latent.nrrd"
    assert run("decompose", image, "--latent", latent, "--model", model_path) == 0
    assert run("decompose", image, "--model", model_path) == 0
    before = digests(out)
    capsys.readouterr()
    assert run(*command) == 0
    [said] = [line for line in capsys.readouterr().out.splitlines() if "earlier run" in line]
    back = [out / f"{way}-{name}.nrrd" for way in ("round-trip", "from-target") for name in ("1-T1", "2-PD")]
    assert said.startswith(f"Left as they were: {' and '.join(map(str, back))}, from")
    after = digests(out)
    assert {str(path): after[str(path)] for path in back} == {str(path): before[str(path)] for path in back}


def test_draws_that_nothing_draws_are_said(
    tmp_path: Path, files: Files, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("synthesize", *files, "--model", model_path, "--out", tmp_path) == 0
    command = ("decompose", tmp_path / "synthetic-T2.nrrd", "--model", model_path)
    ways = {"from-target": command, "round-trip": (*command, "--latent", tmp_path / "latent.nrrd")}
    for way, back in ways.items():
        capsys.readouterr()
        assert run(*back) == 0
        assert "drawn" not in capsys.readouterr().out
        plain = Volume.read(tmp_path / f"{way}-1-T1.nrrd").array
        assert run(*back, "--samples", 0, "--seed", -3) == 0
        [said] = [line for line in capsys.readouterr().out.splitlines() if "drawn" in line]
        assert said == "Nothing is drawn on this way back: it is the same without --samples 0 and --seed -3."
        assert np.array_equal(Volume.read(tmp_path / f"{way}-1-T1.nrrd").array, plain)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to another process")
def test_cancelling_half_way_leaves_nothing(tmp_path: Path, model_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name in ("T1", "PD"):
        Volume(generator.random((400, 96, 96)).astype(np.float32), name=name).write(tmp_path / f"{name}.nrrd")
    before, out = digests(tmp_path), tmp_path / "out"
    command = [sys.executable, "-m", "InvertibleFusionLib", "synthesize", "T1.nrrd", "PD.nrrd", "--out", "out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, "--model", str(model_path)], cwd=tmp_path, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stderr is not None
        deadline, seen = time.monotonic() + 60, b""
        while b"/400" not in seen and time.monotonic() < deadline:
            part = process.stderr.read1(200)  # type: ignore[attr-defined]
            if not part:
                break
            seen += part
        assert b"/400" in seen, seen
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert b"Traceback" not in rest
    assert digests(tmp_path) == before
    assert not out.exists()
