"""Models measured on some of their inputs, and which models can be compared at all."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from InvertibleFusionLib import Volume, load_model
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.cases import one_case
from InvertibleFusionLib.evaluation.measuring import measure
from InvertibleFusionLib.evaluation.methods import model_method, require_same_task
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.disentangled_gan import PRESETS, DisentangledGenerator
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.model_file import save_model

INPUTS = ["T1", "T2", "T1Gd"]


@pytest.fixture(scope="module")
def gan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    configuration = replace(PRESETS["default"], sources=3, base_channels=3, residual_blocks=1)
    card = ModelCard("tiny-gan", "disentangled-gan", configuration.to_json(), "synthesis", INPUTS, ["FLAIR"], {})
    path = tmp_path_factory.mktemp("gan") / "tiny-gan.safetensors"
    save_model(DisentangledGenerator(configuration, seed=3), card, path)
    return path


@pytest.fixture(scope="module")
def gan(gan_file: Path) -> Model:
    return load_model(str(gan_file))


@pytest.mark.parametrize("given", [["T2"], ["t1gd", "T1"], ["T1", "T2", "T1Gd"]])
def test_a_gan_gets_what_is_given_in_its_own_order(gan: Model, given: list[str]) -> None:
    sources, targets = require_same_task([gan], given=given)
    there = [name for name in INPUTS if name.casefold() in [each.casefold() for each in given]]
    assert (sources, targets) == (there, ["FLAIR"])
    images = np.random.default_rng(0).random((2, len(there) + 1, 18, 21)).astype(np.float32)
    [measured] = measure([model_method(gan, "gan", "cpu", given)], [one_case("someone", sources, images, targets)])
    assert isinstance(gan.network, DisentangledGenerator)
    every = torch.zeros(1, 3, 18, 21)
    present = torch.tensor([[name in there for name in INPUTS]])
    every[:, present[0]] = torch.from_numpy(images[1:, :-1])
    with torch.inference_mode():
        wanted = gan.network(every, present)[0].numpy()
    np.testing.assert_allclose(measured.shown.made["gan"], wanted, atol=1e-5)


def test_the_command_measures_a_model_and_its_rules_on_the_same_inputs(
    gan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    for patient in ("one", "two"):
        for name in ("T1", "T2", "FLAIR"):  # no T1Gd
            array = generator.random((4, 20, 20)).astype(np.float32)
            Volume(array, name=name).write(tmp_path / patient / f"{name}.nii.gz")
    arguments = ["evaluate", "one", "--models", str(gan_file), "--given", "T2", "--fit-on", "two"]
    arguments += ["--data-folder", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "copy of T2" in said
    assert "copy of T1" not in said
    assert "tiny-gan: Made without T1 + T1Gd, though" in said
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "given T2 alone" in page
    assert "SYNTHETIC" in page
    assert "--given T2" in page


def test_what_cannot_be_compared_is_refused(gan: Model, model: Model, synthesis_file: Callable[..., Path]) -> None:
    ivan = load_model(str(synthesis_file("T1 T2", "FLAIR")))
    assert require_same_task([gan, ivan], given=["T1", "T2"])[0] == ["T1", "T2"]
    with pytest.raises(ConfigurationError, match="needs all of them"):
        model_method(ivan, "ivan", "cpu", ["T1"])
    with pytest.raises(ConfigurationError, match=r"one of the inputs of tiny-gan: T1, T2, T1Gd"):
        require_same_task([gan], given=["PD"])
    with pytest.raises(ConfigurationError, match="none of them can be left out"):
        require_same_task([model], given=["ADC"])
    turned = load_model(str(synthesis_file("T2 T1", "FLAIR")))
    with pytest.raises(ConfigurationError, match="cannot be compared"):
        require_same_task([ivan, turned])
