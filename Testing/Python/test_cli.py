"""The command as a user has it: files in, files out; mistakes are one sentence and exit code 1."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume
from InvertibleFusionLib.cli import COMMANDS, main
from InvertibleFusionLib.volumes.itk import image_from_volume

Files = tuple[Path, Path]


@pytest.fixture
def files(tmp_path: Path, sources: list[Volume]) -> Files:
    """ADC and FLAIR as NIfTI on one grid."""
    paths = tmp_path / "in" / "ADC.nii.gz", tmp_path / "in" / "FLAIR.nii.gz"
    for path, source in zip(paths, sources, strict=True):
        source.write(path)
    return paths


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def digests(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_main_job(tmp_path: Path, files: Files, model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, out = digests(tmp_path / "in"), tmp_path / "a" / "out"
    assert run("fuse", *files, "--model", model_file, "--out", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["fused.nrrd", "latent.nrrd"]
    assert run("decompose", out / "fused.nrrd", "--latent", out / "latent.nrrd", "--model", model_file) == 0
    assert run("decompose", out / "fused.nrrd", "--samples", 2, "--model", model_file, "--out", tmp_path / "seen") == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "exact-1-ADC.nrrd",
        "exact-2-FLAIR.nrrd",
        "fused.nrrd",
        "latent.nrrd",
    ]
    assert sorted(p.name for p in (tmp_path / "seen").iterdir()) == [
        "mean-1-ADC.nrrd",
        "mean-2-FLAIR.nrrd",
        "spread-1-ADC.nrrd",
        "spread-2-FLAIR.nrrd",
    ]
    for number, path in enumerate(files, 1):
        source = sitk.ReadImage(str(path))
        back = sitk.ReadImage(str(out / f"exact-{number}-{path.name.split('.')[0]}.nrrd"))
        original = sitk.GetArrayFromImage(source).astype(np.float64)
        assert np.abs(original - sitk.GetArrayFromImage(back)).max() <= 1e-5 * np.ptp(original)
        assert back.GetSize() == source.GetSize()
        np.testing.assert_allclose(back.GetOrigin(), source.GetOrigin(), atol=1e-6)
        np.testing.assert_allclose(back.GetSpacing(), source.GetSpacing(), rtol=1e-6)
        np.testing.assert_allclose(back.GetDirection(), source.GetDirection(), atol=1e-6)
    assert digests(tmp_path / "in") == before
    assert capsys.readouterr().out.count("esearch use only") == 3


def test_certified_round_trip_says_so(
    tmp_path: Path, model_file: Path, sources: list[Volume], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = [source.with_array(source.array.astype(np.int16)) for source in sources]
    paths = [tmp_path / f"{source.name}.nrrd" for source in whole]
    for path, source in zip(paths, whole, strict=True):
        source.write(path)
    assert run("fuse", *paths, "--model", model_file, "--out", tmp_path, "--certify") == 0
    command = ("decompose", tmp_path / "fused.nrrd", "--latent", tmp_path / "latent.nrrd", "--model", model_file)
    assert run(*command, "--certify") == 0
    for name in ("exact-1-ADC.nrrd", "exact-2-FLAIR.nrrd"):
        back = Volume.read(tmp_path / name)
        assert back.array.dtype == np.int16
        assert np.array_equal(back.array, whole["FLAIR" in name].array)
        assert back.record is not None
        assert back.record["certificate"][0]["bit_for_bit"] is True
    assert capsys.readouterr().out.count("comes back bit for bit") == 4


def test_resampling_is_said(tmp_path: Path, model_file: Path, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    flair = Volume.read(files[1])
    coarse = sitk.Resample(
        image_from_volume(flair),
        [20, 16, 3],
        sitk.Transform(),
        sitk.sitkLinear,
        flair.origin,
        (1.2, 2.3, 5),
        flair.direction,
    )
    sitk.WriteImage(coarse, str(files[1]))
    out = tmp_path / "out"
    assert run("fuse", *files, "--model", model_file, "--out", out) == 1
    refused = capsys.readouterr().err
    assert "20×16×3" in refused
    assert "--resample" in refused
    assert not out.exists()
    assert run("fuse", *files, "--model", model_file, "--out", out, "--resample") == 0
    assert run("decompose", out / "fused.nrrd", "--latent", out / "latent.nrrd", "--model", model_file) == 0
    printed = capsys.readouterr().out
    assert "FLAIR was resampled onto the grid of ADC" in printed
    assert "FLAIR resampled onto the grid of ADC" in printed.split("exact-2-FLAIR.nrrd")[1]
    assert Volume.read(out / "exact-2-FLAIR.nrrd").name == "FLAIR resampled onto the grid of ADC"


def make_bad(kind: str, path: Path, good: Path) -> None:
    """A file that something is wrong with, at ``path``."""
    source = Volume.read(good)
    if kind == "missing":
        return
    if kind == "cut":
        path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    elif kind == "text":
        path.write_text("not an image\n" * 50)
    elif kind == "nothing":
        path.write_bytes(b"")
    elif kind == "4-D":
        sitk.WriteImage(sitk.JoinSeries([sitk.ReadImage(str(good))] * 3), str(path))
    elif kind == "labels":
        source.with_array((source.array > 300).astype(np.uint8)).write(path)
    elif kind == "NaN":
        array = source.array.copy()
        array[0, 0, 0] = np.nan
        source.with_array(array).write(path)
    elif kind == "constant":
        source.with_array(np.full(source.array.shape, 3, np.int16)).write(path)
    elif kind == "line":
        sitk.WriteImage(sitk.GetImageFromArray(np.arange(9, dtype=np.float32).reshape(9, 1, 1)), str(path))
    else:
        raise AssertionError(kind)


BAD = ["missing", "cut", "text", "nothing", "4-D", "labels", "NaN", "constant", "line"]


def test_options_reach_the_work(tmp_path: Path, files: Files, model_file: Path) -> None:
    """Axis, reference and seed change the result and stand in its record."""

    def fused(*options: object) -> Volume:
        assert run("fuse", *files, "--model", model_file, "--out", tmp_path / "o", "--resample", *options) == 0
        return Volume.read(tmp_path / "o" / "fused.nrrd")

    settings = [fused(*options).record["settings"] for options in ((), ("--axis", "sagittal"), ("--reference", 2))]  # type: ignore[index]
    assert len({each["slice_axis"] for each in settings[:2]}) == 2
    assert [each["reference"] for each in settings] == ["ADC", "ADC", "FLAIR"]

    def mean(seed: int) -> Volume:
        command = ("decompose", tmp_path / "o" / "fused.nrrd", "--model", model_file, "--samples", 2, "--seed", seed)
        assert run(*command) == 0
        return Volume.read(tmp_path / "o" / "mean-1-ADC.nrrd")

    first, second = mean(0), mean(1)
    assert not np.array_equal(first.array, second.array)
    assert second.record is not None
    assert second.record["settings"]["seed"] == 1
    assert run("decompose", tmp_path / "o" / "fused.nrrd", "--model", model_file) == 0
    unsaid = Volume.read(tmp_path / "o" / "mean-1-ADC.nrrd").record
    assert unsaid is not None
    assert (unsaid["settings"]["samples"], unsaid["settings"]["seed"]) == (8, 0)  # as the help says


def test_files_are_named_after_the_sources_not_after_the_models_contrasts(
    tmp_path: Path, files: Files, model_file: Path
) -> None:
    for old, new in zip(files, ("first scan", "zweiter_Übersicht"), strict=True):
        old.rename(tmp_path / f"{new}.nii.gz")
    pair = sorted(tmp_path.glob("*.nii.gz"))
    assert run("fuse", *pair, "--model", model_file, "--out", tmp_path) == 0
    image, latent = tmp_path / "fused.nrrd", tmp_path / "latent.nrrd"
    assert run("decompose", image, "--latent", latent, "--model", model_file, "--out", tmp_path / "o") == 0
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == [
        "exact-1-first_scan.nrrd",
        "exact-2-zweiter__bersicht.nrrd",
    ]


def test_the_model_is_chosen_by_the_contrasts_when_none_is_named(
    tmp_path: Path, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fuse", *files, "--out", tmp_path / "o") == 0
    assert "Model fusioninn-t1gd-flair, trained on T1Gd + FLAIR" in capsys.readouterr().out
    assert run("decompose", tmp_path / "o" / "fused.nrrd", "--latent", tmp_path / "o" / "latent.nrrd") == 0


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_sentence_and_touches_nothing(
    tmp_path: Path, files: Files, model_file: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    bad, out = tmp_path / "in" / "bad.nii.gz", tmp_path / "out"
    make_bad(kind, bad, files[0])
    assert run("fuse", *files, "--model", model_file, "--out", out) == 0
    capsys.readouterr()
    before = digests(tmp_path)
    assert run("fuse", bad, files[1], "--resample", "--model", model_file, "--out", out) == 1
    printed = capsys.readouterr()
    sentences = [line for line in printed.err.splitlines() if line.strip() and "slice/s" not in line]
    assert len(sentences) == 1, sentences
    assert "bad" in sentences[0]
    assert "Traceback" not in sentences[0]
    assert digests(tmp_path) == before
    assert run("decompose", bad, "--model", model_file, "--out", out) == 1
    assert digests(tmp_path) == before


def test_nan_can_be_replaced_and_the_result_says_so(
    tmp_path: Path, files: Files, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "ADC.nii.gz"
    make_bad("NaN", bad, files[0])
    command = ("fuse", bad, files[1], "--model", model_file, "--out", tmp_path / "out")
    assert run(*command) == 1
    assert run(*command, "--replace-nonfinite", 0) == 0
    assert "1 of its voxels were not finite and became 0" in capsys.readouterr().out
    record = Volume.read(tmp_path / "out" / "fused.nrrd").record
    assert record is not None
    assert [source["replaced_nonfinite"] for source in record["sources"]] == [{"voxels": 1, "value": 0.0}, None]


@pytest.mark.parametrize("where", ["file", "below a file"])
def test_an_output_folder_that_cannot_be(
    tmp_path: Path, files: Files, model_file: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("mine")
    out = blocked if where == "file" else blocked / "below"
    assert run("fuse", *files, "--model", model_file, "--out", out) == 1
    assert "blocked" in capsys.readouterr().err
    assert blocked.read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="file size limits are set through Linux's resource module")
def test_a_full_disk_leaves_earlier_outputs_as_they_were(tmp_path: Path, files: Files, model_file: Path) -> None:
    out = tmp_path / "out"
    assert run("fuse", *files, "--model", model_file, "--out", out) == 0
    before = digests(out)
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000));"
        "from InvertibleFusionLib.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "fuse", *map(str, files), "--model", str(model_file), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "disk" in done.stderr
    assert digests(out) == before
    assert not list(out.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to another process")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_cancelling_half_way_leaves_nothing(tmp_path: Path, model_file: Path, sent: signal.Signals) -> None:
    generator = np.random.default_rng(0)
    for name in ("ADC", "FLAIR"):
        Volume(generator.random((120, 128, 128)).astype(np.float32), name=name).write(tmp_path / f"{name}.nrrd")
    before, out = digests(tmp_path), tmp_path / "out"
    command = [sys.executable, "-m", "InvertibleFusionLib", "fuse", "ADC.nrrd", "FLAIR.nrrd", "--out", "out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, "--model", str(model_file)], cwd=tmp_path, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stderr is not None
        deadline, seen = time.monotonic() + 60, b""
        while b"/120" not in seen and time.monotonic() < deadline:
            seen += process.stderr.read1(200)  # type: ignore[attr-defined]
        assert b"/120" in seen, seen
        process.send_signal(sent)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert b"Traceback" not in rest
    assert digests(tmp_path) == before
    assert not out.exists()


def test_decompose_without_a_known_model_asks_for_it(
    tmp_path: Path, files: Files, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fuse", *files, "--model", model_file, "--out", tmp_path) == 0
    assert run("decompose", tmp_path / "fused.nrrd") == 1
    assert "for-tests" in capsys.readouterr().err
    assert run("decompose", files[0]) == 1
    assert "--model" in capsys.readouterr().err


def test_other_contrasts_than_trained_on_are_said_and_allowed(
    tmp_path: Path, files: Files, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fuse", files[1], files[0], "--model", model_file, "--out", tmp_path) == 0
    assert "other contrasts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fues"], "Did you mean fuse"),
        (["fuse"], "required"),
        (["fuse", "a.nrrd", "b.nrrd", "--out", "x", "--colour"], "--colour"),
        (["decompose", "x.nrrd", "--samples", "many"], "samples"),
        (["fuse", "a.nrrd", "b.nrrd", "--out", "x", "--model", "none"], "a.nrrd"),
        (["models", "no-such-model"], "no-such-model"),
        (["train", "missing.yaml", "--out", "x.safetensors"], "missing.yaml"),
    ],
)
def test_mistakes_in_the_command_are_one_sentence(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    printed = capsys.readouterr().err
    assert says in printed
    assert len(printed.strip().splitlines()) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    described = re.split(r"\n  (?=-|[a-z])", capsys.readouterr().out.split("\n\n", 1)[1])
    options = [" ".join(option.split()) for option in described if re.match(r"--(?!help|print)", option)]
    assert options or command in ("models",)
    for option in options:
        name, _, explained = option.partition(" ")
        assert len(re.sub(r"\(.*?\)|[A-Z_]{2,}|\.\.\.", "", explained).split()) >= 2, f"{name} is not explained"


def test_overview_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in COMMANDS)
    assert "esearch use only" in printed


def test_models_are_listed_and_described(capsys: pytest.CaptureFixture[str], model_file: Path) -> None:
    assert main(["models"]) == 0
    assert "fusioninn-t1gd-flair" in capsys.readouterr().out
    assert main(["models", str(model_file)]) == 0
    assert "percentile" in capsys.readouterr().out
