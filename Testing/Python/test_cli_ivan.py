"""iVAN from a configuration to the way back, by commands alone: one and several targets, and colour."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from InvertibleFusionLib import Volume, load_model
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.models.ivan import Ivan

Image = pytest.importorskip("PIL.Image", reason="Pillow writes these tests' PNG files")
TASKS = {
    "several to one": (["T1", "PD"], ["T2"]),
    "one to several": (["T1"], ["T2", "PD"]),
    "several to several": (["T1", "PD"], ["T2", "FLAIR"]),
    "colour, six channels": (["T1", "T2"], ["PET"]),
    "a given fused image": (["CT", "T2"], ["label"]),
    "twice the channels": (["T1"], ["T2"]),
}
ODD = (4, 13, 9)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def channels(names: list[str]) -> list[str]:
    return [
        channel for name in names for channel in ([f"PET-{colour}" for colour in "RGB"] if name == "PET" else [name])
    ]


def trained(folder: Path, inputs: list[str], outputs: list[str], copies: int = 1) -> Path:
    """A few steps on tiny PNG slices of two cases, PET in colour."""
    generator = np.random.default_rng(0)
    for name, case, number in itertools.product([*inputs, *outputs], ("1", "2"), range(3)):
        shape = (20, 18, 3) if name == "PET" else (20, 18)
        path = folder / "slices" / name / f"{case}00{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).save(path)
    terms = {"licence": "none", "attribution": "nobody", "png": "slices"}
    described = {
        "name": "tiny",
        "contrasts": inputs,
        "targets": channels(outputs),
        "intended_use": "For tests. Research use only.",
        "network": {
            "inputs": [1] * len(inputs),
            "outputs": [3 if name == "PET" else 1 for name in outputs],
            "copies": copies,
            "blocks": 2,
            "growth": 3,
        },
        "training": [{"name": "made up", **terms, "cases": ["1"]}],
        "validation": [{"name": "made up", **terms, "cases": ["2"]}],
        "augmentation": {"crop": 12},
        "learning_rate": 0.02,
        "schedule": {"warmup_steps": 0},
        "steps": 6,
        "batch_size": 2,
        "threads": 1,
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(described))
    out = folder / "tiny.safetensors"
    assert run("train", folder / "tiny.yaml", "--data_folder", folder, "--out", out) == 0
    return out


def scans(folder: Path, names: list[str]) -> dict[str, Volume]:
    """Noise on an odd, anisotropic grid, in numbers of their own."""
    generator = np.random.default_rng(1)
    made = {
        name: Volume(generator.uniform(-50, 900, ODD).astype(np.float32), (0.9, 1.1, 3.5), (-5, 3, 7), name=name)
        for name in names
    }
    for name, volume in made.items():
        volume.write(folder / f"{name}.nii.gz")
    return made


@pytest.mark.parametrize("task", TASKS)
def test_train_synthesize_and_go_back(task: str, tmp_path: Path) -> None:
    inputs, outputs = TASKS[task]
    model = trained(tmp_path, inputs, outputs, copies=2 if task == "twice the channels" else 1)
    network, sources = load_model(model).network, scans(tmp_path, inputs)
    assert isinstance(network, Ivan)
    in_all = {"colour, six channels": 6, "twice the channels": 4}.get(task, 2)
    assert network.channels == in_all
    files = [tmp_path / f"{name}.nii.gz" for name in inputs]
    assert run("synthesize", *files, "--model", model, "--out", tmp_path / "out") == 0
    made = [tmp_path / "out" / f"synthetic-{name}.nrrd" for name in outputs]
    assert sorted((tmp_path / "out").iterdir()) == sorted([*made, tmp_path / "out" / "latent.nrrd"])
    for path, name in zip(made, outputs, strict=True):
        image = Volume.read(path)
        assert (image.name, image.components) == (f"SYNTHETIC {name}", 3 if name == "PET" else 1)
        assert image.record is not None
        assert (image.record["synthetic"], image.record["warnings"]) == (True, [])
    latent = tmp_path / "out" / "latent.nrrd"
    assert Volume.read(latent).components == in_all
    assert run("decompose", *made, "--latent", latent, "--model", model, "--out", tmp_path / "trip") == 0
    assert run("decompose", *made, "--model", model, "--out", tmp_path / "alone") == 0
    for number, (name, source) in enumerate(sources.items(), 1):
        trip = Volume.read(tmp_path / "trip" / f"round-trip-{number}-{name}.nrrd")
        assert np.abs(trip.array - source.array).max() <= 1e-5 * np.ptp(source.array)
        alone = Volume.read(tmp_path / "alone" / f"from-target-{number}-{name}.nrrd")
        assert alone.name.startswith(f"SYNTHETIC {name}, from the target image")
        # As many targets as channels are the whole output, but for what lies outside of [0, 1].
        if len(channels(outputs)) < network.channels:
            assert np.abs(alone.array - source.array).max() > 1e-2 * np.ptp(source.array)
    _require_exact_in_float64(network, len(inputs))


def _require_exact_in_float64(network: Ivan, sources: int) -> None:
    x = torch.rand(1, sources, *ODD[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    back = network.double().inverse(network(x))
    assert float((back - x).abs().max()) <= 1e-10


def test_other_contrasts_are_warned_of_and_allowed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = trained(tmp_path, ["T1"], ["T2"])
    scans(tmp_path, ["FLAIR"])
    assert run("synthesize", tmp_path / "FLAIR.nii.gz", "--model", model, "--out", tmp_path / "out") == 0
    [said] = [record.getMessage() for record in caplog.records if record.name == "InvertibleFusion"]
    assert "not called T1" in said
    assert "may show what is not there" in said
    record = Volume.read(tmp_path / "out" / "synthetic-T2.nrrd").record
    assert record is not None
    assert record["warnings"] == [said]
