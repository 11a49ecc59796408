"""The disentangled GAN in the shared loop: presets, stops, studies that lack a contrast, pictures, divergence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import InferenceError
from InvertibleFusionLib.models.card_file import read_card
from InvertibleFusionLib.models.discriminator import DISCRIMINATOR_PRESETS
from InvertibleFusionLib.models.disentangled_gan import PRESETS, DisentangledGenerator
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import Augmentation, DataSource
from InvertibleFusionLib.training.gan_objective import GANLoss
from InvertibleFusionLib.training.recipe import recipe_for
from InvertibleFusionLib.training.run import dry_run, train_model
from InvertibleFusionLib.training.schedule import Schedule

LOSSES = {
    "default": GANLoss(adversarial="least-squares", input_dropout=0.4),
    "paper": GANLoss(target=0.1, pseudo_target=0.1),
}


@pytest.fixture(params=["default", "paper"])
def settings(configuration: TrainingConfiguration, request: pytest.FixtureRequest) -> TrainingConfiguration:
    """Three steps; of the default one study lacks a source."""
    preset = request.param
    names = ["T1", "T2", "T1Gd"] if preset == "default" else ["T1", "T2"]
    judged = replace(DISCRIMINATOR_PRESETS[preset], base_channels=2)
    lacking = {"contrast_sets": [["T1", "T2", "", "FLAIR"]]} if preset == "default" else {}
    terms = ("made up", "none needed", "nobody")
    return replace(
        configuration,
        contrasts=names,
        targets=["FLAIR"],
        training=[DataSource(*terms, ["one"]), DataSource(*terms, ["lacking"], **lacking)],  # type: ignore[arg-type]
        validation=[DataSource(*terms, ["two"])],
        network=replace(PRESETS[preset], sources=len(names), base_channels=2, residual_blocks=1),
        loss=replace(LOSSES[preset], discriminator=judged),
        augmentation=Augmentation(crop=16, fixed=1),
        schedule=Schedule("linear", warmup_steps=0),
        betas=[0.5, 0.999],
        steps=4,
        batch_size=3,
        checkpoint_every=2,
        validate_every=3,
        validation_slices=1,
    )


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for patient in ("one", "two", "lacking"):
        for contrast in ("T1", "T2", "T1Gd", "FLAIR"):
            image = 100 * generator.random((3, 21, 19)).astype(np.float32)
            Volume(image, name=contrast).write(tmp_path / "data" / patient / f"{contrast}.nii.gz")
    return tmp_path / "data"


def ignored(done: int, total: int, losses: dict[str, float]) -> None:
    pass


def stop_at_three(done: int, total: int, losses: dict[str, float]) -> None:
    if done == 3:
        raise KeyboardInterrupt


def test_both_presets_run_dry_and_resume_exactly(
    settings: TrainingConfiguration, patients: Path, tmp_path: Path
) -> None:
    """Discriminator, both optimizers and the hidden sources go on as they were."""
    settings = replace(settings, data_folder=patients)
    dry_run(settings, tmp_path / "stopped.safetensors")
    with pytest.raises(KeyboardInterrupt):
        train_model(settings, tmp_path / "stopped.safetensors", stop_at_three)
    train_model(settings, tmp_path / "stopped.safetensors", ignored, resume=True)
    train_model(settings, tmp_path / "whole.safetensors", ignored)
    tensors, others = (load_file(tmp_path / f"{name}.safetensors") for name in ("stopped", "whole"))
    assert tensors.keys() == others.keys()
    for name, value in tensors.items():
        assert torch.equal(value, others[name]), name
    states = [load_file(tmp_path / f"{name}.training" / "last.safetensors") for name in ("stopped", "whole")]
    assert any("discriminator" in name for name in states[0])
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    card = read_card(tmp_path / "stopped.safetensors")
    assert card == read_card(tmp_path / "whole.safetensors")
    [linear] = [metric["mean"] for metric in card.metrics if metric["name"] == "FLAIR by the linear fit: PSNR"]
    assert np.isfinite(linear)  # fitted on the study that lacks nothing


def test_the_pictures_show_the_pseudo_target_and_what_was_made(settings: TrainingConfiguration) -> None:
    generator = np.random.default_rng(0)
    count = len(settings.contrasts)
    images = generator.random((count + 1, 21, 19)).astype(np.float32)
    network = DisentangledGenerator(settings.network).eval()  # type: ignore[arg-type]
    row = recipe_for(settings).pictures(network, images)
    assert row.shape == (count + 3, 1, 21, 19)
    found = network.inspect(torch.from_numpy(images[None, :count]))
    torch.testing.assert_close(row[:-2, 0], torch.from_numpy(images))
    torch.testing.assert_close(row[-2], found.pseudo_target[0].clamp(0, 1).detach())
    torch.testing.assert_close(row[-1], found.image[0].detach(), rtol=1e-4, atol=1e-5)


def test_a_run_that_diverges_stops_with_a_sentence(
    settings: TrainingConfiguration, patients: Path, tmp_path: Path
) -> None:
    wild = replace(settings, data_folder=patients, learning_rate=1e6, gradient_norm=1e6, steps=30)
    with pytest.raises(InferenceError, match=r"Training stopped at step \d+: .*Lower the learning rate"):
        train_model(wild, tmp_path / "wild.safetensors", ignored)
