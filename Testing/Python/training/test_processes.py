"""Two processes started by torchrun learn what one with the doubled batch learns."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

import InvertibleFusionLib
from InvertibleFusionLib.models.card_file import read_card
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.curves import read_curves
from InvertibleFusionLib.training.run import train_model

HEADLESS = Path(InvertibleFusionLib.__file__).parent / "training" / "headless.py"
LEAVING_THE_OTHERS = f"""
import runpy
import torch

try:
    runpy.run_path({str(HEADLESS)!r}, run_name="__main__")
finally:
    if torch.distributed.is_initialized():
        raise SystemExit("still a member of the run")
"""


def test_two_processes_are_one_with_twice_the_batch(
    configuration: TrainingConfiguration, tmp_path: Path, write_yaml: Callable[..., Path]
) -> None:
    """Five steps of the default loss, started from another folder.

    A process that ends as a member of the run was aborted now and then, and torchrun then stops the others.
    """
    settings = replace(configuration, steps=5, batch_size=2, validate_every=5, checkpoint_every=2)
    two, one = tmp_path / "out" / "two.safetensors", tmp_path / "one.safetensors"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    arguments = [str(write_yaml(settings)), "--out", str(two)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    script = tmp_path / "leaving.py"
    script.write_text(LEAVING_THE_OTHERS)
    finished = subprocess.run(
        [*launcher, str(script), *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    # Rank 0 alone writes and reports.
    assert finished.stdout.count("Wrote ") == 1
    assert {path.name for path in two.parent.iterdir()} == {"two.safetensors", "two.training"}
    kept = [path.name for path in two.with_suffix(".training").iterdir()]
    assert len([name for name in kept if "tfevents" in name]) == 1
    assert not [name for name in kept if "unfinished" in name]
    points = read_curves(two.with_suffix(".training") / "curves.csv")
    assert len({(step, name) for step, name, _ in points}) == len(points)
    assert [session["processes"] for session in read_card(two).training["sessions"]] == [2]

    train_model(replace(settings, batch_size=4), one, lambda *_: None)
    ours, theirs = load_file(one), load_file(two)
    assert ours.keys() == theirs.keys()
    start = tmp_path / "start.safetensors"
    train_model(replace(settings, batch_size=4, learning_rate=1e-30), start, lambda *_: None)
    for name, value in ours.items():
        # Of the largest weight of each layer: one that is nearly zero is the difference of larger numbers.
        close = 1e-4 * float(value.abs().max())
        torch.testing.assert_close(theirs[name], value, rtol=0, atol=close, msg=name)
    assert any(not torch.equal(value, load_file(start)[name]) for name, value in ours.items())


def test_fabric_run_starts_the_processes_too(
    configuration: TrainingConfiguration, tmp_path: Path, write_yaml: Callable[..., Path]
) -> None:
    settings = replace(configuration, steps=2, batch_size=2, validate_every=2)
    out = tmp_path / "out" / "two.safetensors"
    command = [sys.executable, "-m", "lightning_fabric.cli", "--accelerator", "cpu", "--devices", "2"]
    finished = subprocess.run(
        [*command, str(HEADLESS), str(write_yaml(settings)), "--out", str(out)],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert [session["processes"] for session in read_card(out).training["sessions"]] == [2]
