"""The settings of a network and its losses: told in the words of the network that is trained, not of all others."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.commands.train import add_arguments, configuration_of, prepare
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.baselines.fusion_baseline import FusionBaselineConfiguration
from InvertibleFusionLib.models.baselines.synthesis_baseline import SynthesisBaselineConfiguration
from InvertibleFusionLib.models.disentangled_gan import DisentangledGANConfiguration
from InvertibleFusionLib.models.fusioninn import FusionINNConfiguration
from InvertibleFusionLib.models.ivan import IvanConfiguration
from InvertibleFusionLib.training.configuration import KINDS, TrainingConfiguration
from InvertibleFusionLib.training.gan_objective import GANLoss
from InvertibleFusionLib.training.ivan_objective import IvanLoss
from InvertibleFusionLib.training.losses import LossWeights
from InvertibleFusionLib.training.synthesis_baseline_objective import SynthesisBaselineLoss

SOURCE = {"name": "made up", "licence": "none", "attribution": "nobody"}
IVAN: dict[str, Any] = {
    "name": "small",
    "contrasts": ["T1"],
    "targets": ["T2"],
    "intended_use": "For tests.",
    "training": [SOURCE | {"patients": ["one"]}],
    "validation": [SOURCE | {"patients": ["two"]}],
    "network": {"inputs": [1], "outputs": [1]},
}


def said(path: Path, *options: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says to a mistake."""
    assert main(["train", str(path), "--dry-run", *options]) == 1
    return capsys.readouterr().err


def written(path: Path, **settings: Any) -> Path:
    """An iVAN's configuration with other settings, as a file."""
    path.write_text(yaml.safe_dump(IVAN | settings))
    return path


def read(*arguments: str) -> TrainingConfiguration:
    parser = ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    return configuration_of(parser.parse_args(prepare(parser, arguments)), parser)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--loss.reverse", "both"], ["loss.reverse", "'target', 'prediction'", "both"]),
        (["--loss.distance=cubic"], ["loss.distance", "'squared', 'absolute'", "cubic"]),
        (["--loss.weight", "-1"], ["The weight of the reverse loss is finite and at least 0, not -1.0."]),
        (["--loss.weight=.inf"], ["The weight of the reverse loss is finite and at least 0, not inf."]),
        (["--loss.weigth", "1"], ["Did you mean --loss.weight?"]),
        (["--network.blockz=3"], ["Did you mean --network.blocks?"]),
        (["--network.blocks", "0"], ["iVAN needs at least one block"]),
    ],
    ids=str,
)
def test_a_mistake_is_told_in_the_words_of_the_network(
    tmp_path: Path, options: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(written(tmp_path / "ivan.yaml"), *options, capsys=capsys)
    assert all(word in told for word in words)
    assert len(told.splitlines()) == 1
    assert not any(name in told for name in ("Union", "FusionINN", "LossWeights", "GAN"))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ({"wieght": 0.1}, "has an unknown key 'wieght'. Did you mean weight?"),
        ({"fusion": 0.1}, "has an unknown key 'fusion'. It knows distance, reverse, weight."),
        (3, "says loss: 3; it needs settings such as reverse, weight, distance."),
    ],
    ids=str,
)
def test_a_wrong_loss_in_a_file_names_the_keys_of_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], loss: Any, words: str
) -> None:
    assert words in said(written(tmp_path / "wrong.yaml", loss=loss), capsys=capsys)


@pytest.mark.parametrize(
    "options",
    [
        ["--network.inputs=[1]", "--network.outputs=[1]"],
        ["--network.growth", "4", "--network.inputs=[1]", "--network.outputs", "[1]"],
        ["--network={inputs: [1], outputs: [1]}"],
        ["--network", "{inputs: [1], outputs: [1]}"],
    ],
    ids=str,
)
def test_a_network_on_the_command_line_decides_on_the_loss_in_the_file(tmp_path: Path, options: list[str]) -> None:
    path = written(tmp_path / "any.yaml", network={}, loss={"weight": 0.3})
    assert read(str(path), *options).loss == IvanLoss(weight=0.3)


def test_an_option_changes_one_setting_of_the_loss_in_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "both.yaml", loss={"weight": 0.3, "reverse": "prediction"})
    assert read("--config", str(path), "--loss.weight=0.5").loss == IvanLoss("prediction", 0.5)


def test_a_loss_that_is_left_empty_is_the_default(tmp_path: Path) -> None:
    assert read(str(written(tmp_path / "empty.yaml", loss=None))).loss == IvanLoss()


@pytest.mark.parametrize(
    ("settings", "network"),
    [
        ({"contrasts": ["T1", "PD"], "targets": [], "network": {"blocks": 2}}, FusionINNConfiguration),
        ({"network": {"inputs": [1], "blocks": 2, "outputs": [1]}}, IvanConfiguration),
        ({"contrasts": ["T1", "PD"], "network": {"sources": 2}}, DisentangledGANConfiguration),
        ({"contrasts": ["T1", "PD"], "targets": [], "network": {"fuse_by": "unet"}}, FusionBaselineConfiguration),
        (
            {"network": {"inputs": [1], "outputs": [1], "synthesize_by": "unet", "width": 8}},
            SynthesisBaselineConfiguration,
        ),
    ],
    ids=str,
)
def test_every_network_is_known_by_its_settings(tmp_path: Path, settings: dict[str, Any], network: type[Any]) -> None:
    configuration = read(str(written(tmp_path / "a.yaml", **settings)))
    assert isinstance(configuration.network, network)
    assert isinstance(configuration.loss, KINDS[network][0])


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        (LossWeights, "latent"),
        (IvanLoss, "weight"),
        (GANLoss, "target"),
        (GANLoss, "pseudo_target"),
        (SynthesisBaselineLoss, "deceive"),
        (SynthesisBaselineLoss, "reconstruct"),
    ],
)
@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_weights_of_losses_are_finite(kind: type[Any], weight: str, value: float) -> None:
    """With an infinite one nothing else would be learnt, and the run would stop at its first step."""
    with pytest.raises(ConfigurationError, match=f"finite and at least 0, not .*{value}"):
        kind(**{weight: value})
