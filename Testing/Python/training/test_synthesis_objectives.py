from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from InvertibleFusionLib import Volume, load_model, synthesize
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.discriminator import Discriminator, DiscriminatorConfiguration
from InvertibleFusionLib.models.disentangled_gan import DisentangledGANConfiguration, DisentangledGenerator
from InvertibleFusionLib.models.ivan import Ivan, IvanConfiguration
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import DataSource, PatientSlices
from InvertibleFusionLib.training.gan_objective import GANLoss, GANObjective
from InvertibleFusionLib.training.ivan_objective import IvanLoss, IvanObjective
from InvertibleFusionLib.training.synthesis_validation import (
    measure_every_choice,
    measure_synthesis,
    quick_synthesis_check,
)


def batch(channels: int, count: int = 2) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"images": torch.rand(count, channels, 16, 16, generator=generator), "seed": torch.arange(count)}


def trained_ivan(inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Ivan:
    """Weights away from their start, where the network is the identity."""
    network = Ivan(IvanConfiguration(inputs, outputs, blocks=2, growth=3), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return network


@torch.no_grad()
def test_ivan_learns_every_copy_and_the_sources_from_the_real_target() -> None:
    """Equation 10 of the paper: the way back starts at Y, the real target, not at what the network made."""
    network = trained_ivan((1, 1), (1,))
    given = batch(3)
    losses = IvanObjective(network, IvanLoss(weight=0.5))(given, "network")
    x, y = given["images"][:, :2], given["images"][:, 2:]
    made = network.flow(x)
    back = network.flow.inverse(torch.cat((y, y), 1))
    assert float(losses["synthesis"]) == pytest.approx(float(((made - torch.cat((y, y), 1)) ** 2).mean()), rel=1e-5)
    assert float(losses["reverse"]) == pytest.approx(float(((back - x) ** 2).mean()), rel=1e-5)
    assert float(losses["total"]) == pytest.approx(float(losses["synthesis"] + 0.5 * losses["reverse"]), rel=1e-6)


@torch.no_grad()
def test_ivan_as_coded_goes_back_from_its_own_clamped_prediction() -> None:
    network = trained_ivan((1,), (1,))
    given = batch(2)
    losses = IvanObjective(network, IvanLoss(reverse="prediction", distance="absolute"))(given, "network")
    x, y = given["images"][:, :1], given["images"][:, 1:]
    made = network.flow(torch.cat((x, x), 1))
    assert float(losses["synthesis"]) == pytest.approx(float((made.mean(1, keepdim=True) - y).abs().mean()), rel=1e-5)
    back = network.flow.inverse(made.clamp(0, 1))
    assert float(losses["reverse"]) == pytest.approx(float((back - torch.cat((x, x), 1)).abs().mean()), rel=1e-5)


def gan(**settings: object) -> GANObjective:
    configuration = DisentangledGANConfiguration(sources=2, base_channels=4, residual_blocks=1)
    judged = DiscriminatorConfiguration(sources=2, base_channels=4)
    return GANObjective(DisentangledGenerator(configuration, 0), Discriminator(judged, 0), GANLoss(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("adversarial", ["cross-entropy", "least-squares"])
def test_the_discriminators_turn_teaches_the_discriminator_alone(adversarial: str) -> None:
    objective = gan(adversarial=adversarial)
    objective(batch(3), "discriminator")["total"].backward()
    assert all(parameter.grad is None for parameter in objective.parameters_of("generator"))
    assert any(float(parameter.grad.abs().max()) > 0 for parameter in objective.parameters_of("discriminator"))  # type: ignore[union-attr]


@torch.no_grad()
def test_the_generator_is_pulled_to_target_and_pseudo_target_by_their_weights() -> None:
    objective, given = gan(target=3.0, pseudo_target=7.0), batch(3)
    losses = objective(given, "generator")
    result = objective.generator.inspect(given["images"][:, :2])
    target = given["images"][:, 2:]
    assert float(losses["target"]) == pytest.approx(float((result.image - target).abs().mean()), rel=1e-4)
    assert float(losses["pseudo-target"]) == pytest.approx(
        float((result.pseudo_target - target).abs().mean()), rel=1e-4
    )
    expected = losses["deception"] + 3 * losses["target"] + 7 * losses["pseudo-target"]
    assert float(losses["total"]) == pytest.approx(float(expected), rel=1e-6)


@torch.no_grad()
def test_training_takes_crops_as_they_are_though_the_model_in_use_will_not() -> None:
    """Else most crops would be filled up with air, and the gradients be those of other images."""
    objective, given = gan(), batch(3)
    given["images"][..., :6, :] = 0
    expected = [objective(given, turn)["total"] for turn in objective.turns]
    generator = objective.generator
    generator.configuration = replace(generator.configuration, crop_to_content=True)
    assert [objective(given, turn)["total"] for turn in objective.turns] == expected
    sources = given["images"][:, :2]
    assert not torch.equal(generator.inspect(sources).image, generator.whole(sources).image)


@torch.no_grad()
def test_a_discriminator_that_knows_gives_the_generator_a_large_loss_and_itself_a_small_one() -> None:
    """Which way round the labels are: with logits of +9 for real and −9 for made, the discriminator is content."""
    objective, given = gan(), batch(3)
    real = given["images"][:, 2:]

    class Knows(torch.nn.Module):
        def forward(self, sources: Tensor, target: Tensor, present: Tensor) -> Tensor:
            return torch.full((len(target), 1), 9.0 if torch.equal(target, real) else -9.0)

    objective.discriminator = Knows()  # type: ignore[assignment]
    assert float(objective(given, "discriminator")["total"]) < 0.001
    assert float(objective(given, "generator")["deception"]) > 8


def test_hidden_sources_depend_on_the_sample_and_not_on_its_place() -> None:
    objective = gan(input_dropout=0.5)
    seeds = torch.arange(64)
    whole = objective._presence(torch.zeros(64, 2, 4, 4), seeds)
    part = objective._presence(torch.zeros(32, 2, 4, 4), seeds[32:])
    assert torch.equal(whole[32:], part)
    assert bool(whole.any(dim=1).all())
    assert 0 < int((~whole).sum()) < 64


def test_a_source_that_the_data_lack_is_missing_in_both_turns() -> None:
    """NaN in its place: any use of it would show in the losses."""
    objective, given = gan(), batch(3)
    given["images"][0, 1] = torch.nan
    for turn in objective.turns:
        losses = objective(given, turn)
        losses["total"].backward()
        assert all(bool(torch.isfinite(value)) for value in losses.values())
        grads = [parameter.grad for parameter in objective.parameters_of(turn) if parameter.grad is not None]
        assert all(bool(torch.isfinite(grad).all()) for grad in grads)


def test_synthesis_is_measured_beside_its_sources_and_backwards_by_two_names() -> None:
    """A network that gives its first source: its figures are those of that source in place of the target."""
    generator = np.random.default_rng(0)
    images = generator.random((3, 3, 17, 15)).astype(np.float32)
    lesion = np.zeros((3, 17, 15), bool)
    lesion[1, 5:9, 5:9] = True
    patient = PatientSlices("one", images, lesion)
    network = Ivan(IvanConfiguration((1, 1), (1,), blocks=1, growth=2))
    rows = measure_synthesis(network, [patient], ["T1", "T2", "FLAIR"], "as made").rows
    mean = images[:, :2].mean(1)  # what iVAN starts as
    for number, (_, _, row) in enumerate(rows):
        error = float(np.mean((mean[number] - images[number, 2]) ** 2))
        assert row["synthetic FLAIR: PSNR"] == pytest.approx(-10 * np.log10(error), rel=1e-5)
        copied = float(np.mean((images[number, 0] - images[number, 2]) ** 2))
        assert row["T1 in place of FLAIR: PSNR"] == pytest.approx(-10 * np.log10(copied), rel=1e-5)
        assert row["T1, round trip from the full output: PSNR"] > 100
        assert row["T1, from the real target alone: PSNR"] < 30
        assert ("synthetic FLAIR: PSNR inside the lesion" in row) == (number == 1)
    assert 0 < quick_synthesis_check(network, list(images))["score"] < 30


def test_a_network_that_does_without_inputs_is_measured_from_every_choice_of_them() -> None:
    generator = np.random.default_rng(0)
    images = generator.random((2, 4, 17, 16)).astype(np.float32)
    lesion = np.zeros((2, 17, 16), bool)
    lesion[1, 5:9, 5:9] = True
    network = DisentangledGenerator(DisentangledGANConfiguration(3, base_channels=2, residual_blocks=1)).eval()
    contrasts = ["T1", "T2", "T1Gd", "FLAIR"]
    rows = measure_every_choice(network, [PatientSlices("one", images, lesion)], contrasts, "as made").rows
    for number, (_, _, row) in enumerate(rows):
        for chosen in ([0], [1], [2], [0, 1], [0, 2], [1, 2]):
            present = torch.tensor([[place in chosen for place in range(3)]])
            with torch.inference_mode():
                made = network(torch.from_numpy(images[[number], :3]), present)[0, 0].numpy()
            name = f"synthetic FLAIR from {' + '.join(contrasts[place] for place in chosen)}: PSNR"
            assert row[name] == pytest.approx(-10 * np.log10(np.mean((made - images[number, 3]) ** 2)), rel=1e-5)
            assert (f"{name} inside the lesion" in row) == (number == 1)
        assert "synthetic FLAIR: PSNR" in row


@pytest.mark.parametrize(
    ("network", "loss"),
    [
        ({"inputs": [1, 1], "outputs": [1], "blocks": 1, "growth": 2}, {"reverse": "prediction"}),
        (
            {"sources": 2, "base_channels": 2, "residual_blocks": 1},
            {"input_dropout": 0.3, "adversarial": "least-squares"},
        ),
        ({"synthesize_by": "unet", "width": 2}, {}),
        ({"synthesize_by": "unet", "width": 2}, {"deceive": 0.01, "discriminator_width": 2}),
        ({"synthesize_by": "hi-net", "width": 2}, {"reconstruct": 0.5}),
    ],
    ids=["ivan", "gan", "unet", "pix2pix", "hi-net"],
)
def test_the_command_trains_a_model_that_synthesizes(
    network: dict[str, object], loss: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    for patient in ("one", "two"):
        for contrast in ("T1", "T2", "FLAIR"):
            image = 100 * generator.random((4, 31, 29)).astype(np.float32)
            Volume(image, name=contrast).write(tmp_path / patient / f"{contrast}.nii.gz")
    described = {
        "name": "tiny",
        "contrasts": ["T1", "T2"],
        "targets": ["FLAIR"],
        "intended_use": "For tests. Research use only.",
        "network": network,
        **({"loss": loss} if loss else {}),
        "training": [{"name": "made up", "licence": "none", "attribution": "nobody", "patients": ["one"]}],
        "validation": [{"name": "made up", "licence": "none", "attribution": "nobody", "patients": ["two"]}],
        "augmentation": {"crop": 16},
        "steps": 2,
        "batch_size": 2,
        "threads": 1,
        "stored": "float16",
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(described))
    out = tmp_path / "tiny.safetensors"
    assert main(["train", str(tmp_path / "tiny.yaml"), "--out", str(out), "--data_folder", str(tmp_path)]) == 0
    assert "synthetic FLAIR: PSNR" in capsys.readouterr().out
    model = load_model(out)
    assert model.card.training["settings"]["stored"] == "float16"
    assert {weights.dtype for weights in load_file(out).values() if weights.is_floating_point()} == {torch.float16}
    every_choice = "input_dropout" in loss
    assert any("from T2: PSNR" in metric["name"] for metric in model.card.metrics) == every_choice
    assert (model.card.inputs, model.card.outputs) == (["T1", "T2"], ["FLAIR"])
    sources = [Volume.read(tmp_path / "two" / f"{name}.nii.gz") for name in ("T1", "T2")]
    made = synthesize(model, sources)
    assert made.images[0].array.shape == (4, 31, 29)
    assert made.images[0].name.startswith("SYNTHETIC")


LACKING = DataSource("made up", "none", "nobody", ["three"], contrast_sets=[["T1", "", "FLAIR"]])
EMPTY = DataSource("empty", "none", "nobody", ["three"], contrast_sets=[["", "", "FLAIR"]])
SMALL_GAN = DisentangledGANConfiguration(base_channels=2, residual_blocks=1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"contrasts": ["T1"]}, r"takes 2 contrasts and 1 targets, not 1 \(T1\) and 1 \(FLAIR\)"),
        ({"targets": []}, r"not 2 \(T1, T2\) and 0 \(none\)"),
        ({"loss": GANLoss()}, "iVAN is taught by a IvanLoss"),
        ({"training": [LACKING]}, "'made up' lacks T2. Only a disentanglement GAN"),
        ({"network": SMALL_GAN, "training": [LACKING], "grid_of": "T2"}, "lacks T2"),
        ({"network": SMALL_GAN, "validation": [LACKING]}, "lacks T2. .* only in training"),
        ({"network": SMALL_GAN, "training": [EMPTY], "grid_of": "FLAIR"}, "'empty' lacks every input"),
    ],
    ids=str,
)
def test_channels_and_losses_that_do_not_fit_are_refused(wrong: dict[str, object], says: str) -> None:
    settings: dict[str, object] = {
        "name": "tiny",
        "contrasts": ["T1", "T2"],
        "targets": ["FLAIR"],
        "training": [DataSource("made up", "none", "nobody", ["one"])],
        "validation": [DataSource("made up", "none", "nobody", ["two"])],
        "intended_use": "For tests.",
        "network": IvanConfiguration((1, 1), (1,)),
    }
    with pytest.raises(ConfigurationError, match=says):
        TrainingConfiguration(**(settings | wrong))  # type: ignore[arg-type]
