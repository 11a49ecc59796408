"""Stopped runs: killed at any moment and resumed they end as if they had not been, and nothing else can go on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import InvertibleFusionLib
from InvertibleFusionLib.errors import ConfigurationError, InferenceError
from InvertibleFusionLib.models.card_file import read_card
from InvertibleFusionLib.models.fusioninn import FusionINNConfiguration
from InvertibleFusionLib.training import recipe
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import DataSource
from InvertibleFusionLib.training.losses import LossWeights
from InvertibleFusionLib.training.run import train_model
from InvertibleFusionLib.training.schedule import Schedule
from InvertibleFusionLib.training.state import read_state

LIBRARY = Path(InvertibleFusionLib.__file__).parent
OnStep = Callable[[int, int, dict[str, float]], None]


def ignored(done: int, total: int, losses: dict[str, float]) -> None:
    pass


def until(last: int) -> OnStep:
    def on_step(done: int, total: int, losses: dict[str, float]) -> None:
        if done == last:
            raise KeyboardInterrupt

    return on_step


def stopped_at(step: int, configuration: TrainingConfiguration, out: Path) -> Path:
    """The last state of a run that was stopped while it made a step."""
    with pytest.raises(KeyboardInterrupt):
        train_model(configuration, out, until(step))
    return out.with_suffix(".training") / "last.safetensors"


def require_same_result(first: Path, second: Path) -> None:
    """Tensors, card, curves and measures of two model files, bit for bit."""
    tensors, others = load_file(first), load_file(second)
    assert tensors.keys() == others.keys()
    for name, value in tensors.items():
        assert torch.equal(value, others[name]), name
    assert read_card(first) == read_card(second)
    for name in ("curves.csv", "slices.csv"):
        files = [each.with_suffix(".training") / name for each in (first, second)]
        assert files[0].read_text() == files[1].read_text(), name


def test_a_killed_process_that_goes_on_ends_as_one_that_was_not(
    configuration: TrainingConfiguration, tmp_path: Path, write_yaml: Callable[..., Path]
) -> None:
    """Killed between a checkpoint and the end; goes on by headless.py's path, from another folder."""
    settings = replace(configuration, steps=200, checkpoint_every=7, validate_every=50)
    out, last = tmp_path / "killed.safetensors", tmp_path / "killed.training" / "last.safetensors"
    curves = last.with_name("curves.csv")
    arguments = [str(write_yaml(settings)), "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": str(LIBRARY.parent)}
    process = subprocess.Popen(
        [sys.executable, "-m", "InvertibleFusionLib", "train", *arguments],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(20_000):  # not until a time: a machine that was asleep would have no time left
        if process.poll() is not None or (curves.exists() and "\n40," in curves.read_text()):
            break
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 35 <= read_state(last)[1].step < 200
    assert not out.exists()

    # A library of the same name elsewhere is not the one that headless.py lies in.
    (tmp_path / "elsewhere" / "InvertibleFusionLib").mkdir(parents=True)
    (tmp_path / "elsewhere" / "InvertibleFusionLib" / "__init__.py").write_text("raise ImportError('not this one')")
    headless = [sys.executable, str(LIBRARY / "training" / "headless.py"), *arguments]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "elsewhere")}
    refused = subprocess.run(headless, cwd=tmp_path / "elsewhere", env=environment, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "Add --resume to go on with it" in refused.stderr
    went_on = subprocess.run([*headless, "--resume"], cwd=tmp_path / "elsewhere", env=environment, capture_output=True)
    assert went_on.returncode == 0, went_on.stderr.decode()

    train_model(settings, tmp_path / "whole.safetensors", ignored)
    require_same_result(tmp_path / "whole.safetensors", out)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker:UserWarning")  # on one processor
@pytest.mark.parametrize(
    ("stop", "changed"),
    [
        (8, {"workers": 2, "keep": "best", "validate_every": 3}),
        (12, {"loss": LossWeights(latent_loss="multiscale-mmd"), "precision": "bf16-mixed"}),
    ],
    ids=str,
)
def test_a_run_stopped_between_checkpoints_repeats_the_lost_steps(
    configuration: TrainingConfiguration, tmp_path: Path, stop: int, changed: dict[str, Any]
) -> None:
    settings = replace(configuration, **changed)
    last = stopped_at(stop, settings, tmp_path / "stopped.safetensors")
    kept = read_state(last)[1].step
    assert kept == 5 * ((stop - 1) // 5)
    done: list[int] = []
    train_model(settings, tmp_path / "stopped.safetensors", lambda step, total, losses: done.append(step), resume=True)
    assert done == list(range(kept + 1, 13))
    train_model(replace(settings, workers=0), tmp_path / "whole.safetensors", ignored)
    require_same_result(tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors")


def test_a_plateaus_cuts_survive_a_stop(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    """The scores cannot rise at a rate of next to nothing, so that every further validation cuts it."""
    plateau = Schedule("plateau", warmup_steps=0, factor=0.5, patience=0)
    settings = replace(configuration, schedule=plateau, learning_rate=1e-30, validate_every=2)
    last = stopped_at(11, settings, tmp_path / "tiny.safetensors")
    progression = read_state(last)[1].progression
    assert (progression.best_step, progression.waited, progression.share) == (2, 4, 0.5**4)
    train_model(settings, tmp_path / "tiny.safetensors", ignored, resume=True)
    assert read_state(last)[1].progression.share == 0.5**5


def test_a_run_killed_while_it_was_measured_gets_its_model_file(
    configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    """The longest part without a checkpoint; early stops must not train on either."""
    for settings in (configuration, replace(configuration, validate_every=2, early_stop=2, learning_rate=1e-30)):
        out = tmp_path / f"{settings.early_stop}.safetensors"
        train_model(settings, out, ignored)
        shutil.copytree(out.with_suffix(".training"), tmp_path / f"killed-{settings.early_stop}.training")
        again, steps = tmp_path / f"killed-{settings.early_stop}.safetensors", list[int]()
        train_model(settings, again, lambda done, total, losses, steps=steps: steps.append(done), resume=True)  # type: ignore[misc]
        assert steps == []
        require_same_result(out, again)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"seed": 9}, "seed was 0, is now 9"),
        ({"loss": LossWeights(fusion=0.25)}, f"loss.fusion was {LossWeights().fusion:g}, is now 0.25"),
        ({"network": FusionINNConfiguration(blocks=2, hidden=5, hidden_squeezed=4)}, "network.hidden was 4, is now 5"),
        ({"batch_size": 3}, "batch_size of all processes was 2, is now 3"),
        ({"steps": 13}, "steps was 12, is now 13"),
        ({"training": [DataSource("made up", "none needed", "nobody", ["one"])]}, "training was"),
    ],
    ids=str,
)
def test_other_settings_are_refused_by_name(
    configuration: TrainingConfiguration, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    last = stopped_at(7, configuration, tmp_path / "tiny.safetensors")
    before = last.read_bytes()
    with pytest.raises(ConfigurationError) as caught:
        train_model(replace(configuration, **changed), tmp_path / "tiny.safetensors", ignored, resume=True)
    assert told in str(caught.value)
    assert str(caught.value).count(" is now ") == 1
    assert last.read_bytes() == before


def test_settings_of_the_machine_and_the_pace_may_change(
    configuration: TrainingConfiguration, tmp_path: Path, blocky_patients: Path
) -> None:
    stopped_at(7, configuration, tmp_path / "tiny.safetensors")
    shutil.copytree(blocky_patients, tmp_path / "moved")
    other = replace(
        configuration,
        data_folder=tmp_path / "moved",
        cache=tmp_path / "cache",
        workers=1,
        accelerator="auto",
        learning_rate=1e-3,
        gradient_norm=0.5,
        checkpoint_every=2,
        validate_every=3,
        early_stop=5,
    )
    card = train_model(other, tmp_path / "tiny.safetensors", ignored, resume=True)
    assert card is not None
    assert card.training["steps_done"] == 12
    rates = [(session["from_step"], session["learning_rate"]) for session in card.training["sessions"]]
    assert rates[0] == (0, configuration.learning_rate)
    assert rates[1:] == [(rates[-1][0], 1e-3)]
    assert 0 < rates[1][0] < 7


def test_a_run_in_the_folder_is_neither_overwritten_nor_invented(
    configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    out = tmp_path / "tiny.safetensors"
    with pytest.raises(ConfigurationError, match="There is no run to go on with"):
        train_model(configuration, out, ignored, resume=True)
    last = stopped_at(7, configuration, out)
    before = last.read_bytes()
    with pytest.raises(ConfigurationError, match=r"holds a run at step 5\. Add --resume"):
        train_model(configuration, out, ignored)
    assert last.read_bytes() == before
    last.unlink()
    stopped_at(2, configuration, out)  # before its first checkpoint: nothing is lost by starting anew
    assert train_model(configuration, out, ignored) is not None


def test_damaged_states_are_refused_with_a_sentence(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    out = tmp_path / "tiny.safetensors"
    last = stopped_at(7, configuration, out)
    whole = last.read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    for damaged in (whole[:200], whole[:-10], b"", b"no state", bytes(flipped)):
        last.write_bytes(damaged)
        for resume in (True, False):
            with pytest.raises(ConfigurationError, match=r"last\.safetensors is .*Remove it and start again"):
                train_model(configuration, out, ignored, resume)
        assert last.read_bytes() == damaged
    best = (out.with_suffix(".training") / "best.safetensors").read_bytes()
    last.write_bytes(best)  # a sound state of the same run
    assert train_model(configuration, out, ignored, resume=True) is not None


def test_a_model_file_is_no_training_state(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    out = tmp_path / "tiny.safetensors"
    train_model(configuration, out, ignored)
    last = tmp_path / "tiny.training" / "last.safetensors"
    last.write_bytes(out.read_bytes())
    with pytest.raises(ConfigurationError, match="is no training state"):
        train_model(configuration, out, ignored, resume=True)


def test_a_stopped_run_leaves_an_earlier_model_alone(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    out = tmp_path / "tiny.safetensors"
    train_model(configuration, out, ignored)
    before = out.read_bytes()
    shutil.rmtree(tmp_path / "tiny.training")
    stopped_at(7, replace(configuration, seed=9), out)
    assert out.read_bytes() == before


def test_divergence_says_which_state_is_kept(
    configuration: TrainingConfiguration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decomposition is no number from step 8 on, once; what was kept at step 5 goes on to the end."""
    fusioninn = recipe.RECIPES[FusionINNConfiguration]

    def poisoned(settings: TrainingConfiguration) -> Any:
        objective = fusioninn.objective(settings)
        forward, calls = objective.forward, []

        def once(batch: Any, turn: str) -> dict[str, torch.Tensor]:
            calls.append(turn)
            losses = forward(batch, turn)
            spoilt = losses["decomposition"] * (torch.nan if len(calls) == 8 else 1)
            return losses | {"decomposition": spoilt, "total": losses["total"] + 0 * spoilt}

        monkeypatch.setattr(objective, "forward", once)
        return objective

    out = tmp_path / "tiny.safetensors"
    with monkeypatch.context() as patch:
        patch.setitem(recipe.RECIPES, FusionINNConfiguration, replace(fusioninn, objective=poisoned))
        with pytest.raises(InferenceError, match=r"step 8: the decomposition loss is nan.*state of step 5 is kept"):
            train_model(configuration, out, ignored)
    tensors, position = read_state(tmp_path / "tiny.training" / "last.safetensors")
    assert position.step == 5
    assert all(torch.isfinite(value).all() for value in tensors.values())
    assert not out.exists()
    assert train_model(configuration, out, ignored, resume=True) is not None


def test_a_validation_that_is_no_number_stops_the_run(
    configuration: TrainingConfiguration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No score is above NaN: it would stay the best for good."""
    broken = replace(recipe.RECIPES[FusionINNConfiguration], check=lambda network, images: {"score": float("nan")})
    monkeypatch.setitem(recipe.RECIPES, FusionINNConfiguration, broken)
    with pytest.raises(InferenceError, match=r"step 6: the score of the validation is nan.*state of step 5"):
        train_model(configuration, tmp_path / "tiny.safetensors", ignored)


def test_a_state_names_everything_it_was_told(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    last = stopped_at(7, configuration, tmp_path / "tiny.safetensors")
    settings = read_state(last)[1].settings
    assert settings == json.loads(json.dumps(configuration.to_json())) | {"processes": 1}
