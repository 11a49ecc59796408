"""The course of a run, read back by TensorBoard's own reader."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from InvertibleFusionLib.errors import OutputError
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.curves import Curves, read_curves, recording
from InvertibleFusionLib.training.run import train_model


def test_a_stopped_run_has_every_point_once_in_both_files(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    """Stopped at step 48, after the point of step 40 was written and the state of step 30 was."""
    settings = replace(configuration, steps=60, checkpoint_every=30, validate_every=20)

    def stop(done: int, total: int, losses: dict[str, float]) -> None:
        if done == 48:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_model(settings, tmp_path / "tiny.safetensors", stop)
    folder = tmp_path / "tiny.training"
    assert max(step for step, _, _ in read_curves(folder / "curves.csv")) == 40
    train_model(settings, tmp_path / "tiny.safetensors", lambda *_: None, resume=True)

    points = read_curves(folder / "curves.csv")
    assert len({(step, name) for step, name, _ in points}) == len(points)
    assert [step for step, name, _ in points if name == "loss/total"] == [1, 20, 40, 60]
    assert [step for step, name, _ in points if name == "validation/score"] == [20, 40, 60]

    events = EventAccumulator(str(folder)).Reload()
    tags = events.Tags()
    assert {"loss/total", "loss/fusion", "loss/decomposition", "loss/latent", "learning rate", "gradient norm"} < set(
        tags["scalars"]
    )
    assert "validation/score" in tags["scalars"]
    assert tags["images"]
    for name in ("loss/total", "learning rate", "validation/score"):
        scalars = [(event.step, event.value) for event in events.Scalars(name)]
        written = [(step, value) for step, each, value in points if each == name]
        assert [step for step, _ in scalars] == [step for step, _ in written], name
        assert [value for _, value in scalars] == pytest.approx([value for _, value in written], rel=1e-5), name
    image = events.Images(tags["images"][0])[-1]
    assert (image.width, image.height) == (5 * 29, 31)  # side by side


def test_points_up_to_the_step_stay_as_they_were_written(tmp_path: Path) -> None:
    """Digits included: 1 is not to become 1.0, nor 0.00001 another number."""
    with recording(tmp_path, 0) as curves:
        for step, value in ((1, 1.0), (2, 1e-5), (3, 123456789.0), (4, 0.3)):
            curves.add(step, {"a, b": value})
    lines = (tmp_path / "curves.csv").read_bytes().split(b"\n")
    with recording(tmp_path, 3):
        pass
    assert (tmp_path / "curves.csv").read_bytes().split(b"\n") == [*lines[:4], b""]
    assert read_curves(tmp_path / "curves.csv")[1] == (2, "a, b", 1e-5)


@pytest.mark.parametrize("cut", [1, 3, 4, 9, 11], ids=str)
def test_a_line_cut_short_is_left_out(tmp_path: Path, cut: int) -> None:
    """0.12 is not 0.125, though it reads well."""
    with recording(tmp_path, 0) as curves:
        curves.add(1, {"loss": 0.5})
        curves.add(20, {"loss": 0.125})
    path = tmp_path / "curves.csv"
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_curves(path) == [(1, "loss", 0.5)]
    with recording(tmp_path, 20) as curves:
        curves.add(21, {"loss": 0.25})
    assert read_curves(path) == [(1, "loss", 0.5), (21, "loss", 0.25)]


def test_a_new_run_starts_with_empty_curves(tmp_path: Path) -> None:
    with recording(tmp_path, 0) as curves:
        curves.add(1, {"loss": 0.5})
    with recording(tmp_path, 0) as curves:
        curves.add_images(1, "pictures", torch.full((2, 1, 4, 4), 2.0))
    assert read_curves(tmp_path / "curves.csv") == []
    events = EventAccumulator(str(tmp_path)).Reload()
    assert "loss" not in events.Tags()["scalars"] or not events.Scalars("loss")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Curves(tmp_path / "file" / "run", 0)


def test_curves_that_cannot_be_written_are_said_in_a_sentence(tmp_path: Path) -> None:
    with recording(tmp_path / "run", 0) as curves:
        (tmp_path / "run" / "curves.csv").unlink()
        (tmp_path / "run" / "curves.csv").mkdir()
        with pytest.raises(OutputError, match="run cannot be written"):
            curves.add(1, {"loss/total": 1.0})
