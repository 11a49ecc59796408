"""Synthesis from some of a model's inputs, named, in any order; and on what grounds it was made."""

import csv
import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from InvertibleFusionLib import Volume, load_model, synthesize
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.inference.record_in_words import record_in_words
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.card_in_words import card_in_words
from InvertibleFusionLib.models.disentangled_gan import PRESETS, DisentangledGenerator
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.model_file import save_model

INPUTS = ["T1", "T2", "T1Gd"]


@pytest.fixture(scope="module")
def gan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    configuration = dataclasses.replace(PRESETS["default"], sources=3, base_channels=3, residual_blocks=1)
    card = ModelCard(
        name="tiny-gan",
        architecture="disentangled-gan",
        configuration=configuration.to_json(),
        task="synthesis",
        inputs=INPUTS,
        outputs=["FLAIR"],
        intensity={"method": "window", "lower": 0.0, "upper": 1000.0},
        training={"settings": {"loss": {"input_dropout": 0.3}}},
    )
    path = tmp_path_factory.mktemp("gan") / "tiny-gan.safetensors"
    save_model(DisentangledGenerator(configuration, seed=3), card, path)
    return path


@pytest.fixture(scope="module")
def gan(gan_file: Path) -> Model:
    return load_model(str(gan_file))


@pytest.fixture(scope="module")
def volumes() -> dict[str, Volume]:
    generator = np.random.default_rng(0)
    return {name: Volume(1000 * generator.random((3, 19, 22), np.float32), name=name) for name in INPUTS}


def test_names_say_which_inputs_there_are_in_whatever_order(gan: Model, volumes: dict[str, Volume]) -> None:
    network = gan.network
    assert isinstance(network, DisentangledGenerator)
    stacked = torch.from_numpy(np.stack([volumes[name].array / 1000 for name in INPUTS], axis=1))
    for count in (1, 2, 3):
        for names in itertools.permutations(INPUTS, count):
            made = synthesize(gan, [volumes[name] for name in names], given=[name.lower() for name in names])
            present = torch.tensor([[name in names for name in INPUTS]]).expand(3, -1)
            with torch.inference_mode():
                wanted = network(stacked, present)[:, 0]
            np.testing.assert_allclose(made.images[0].array, wanted.numpy(), atol=1e-5)
            assert made.record["inputs_given"] == [name for name in INPUTS if name in names]
            missing = [name for name in INPUTS if name not in names]
            warnings = made.record["warnings"]
            assert warnings == (
                [] if not missing else [f"Made without {' + '.join(missing)}, which the model learnt to do without."]
            )


def test_a_source_called_as_another_input_is_warned_of(gan: Model, volumes: dict[str, Volume]) -> None:
    both = [volumes["T1"], volumes["T2"]]
    swapped = synthesize(gan, both, given=["T2", "T1"]).record["warnings"]
    assert len(swapped) == 2
    assert "given as T1 + T2 is called as another input" in swapped[1]
    right = synthesize(gan, both, given=["T1", "T2"]).record["warnings"]
    assert len(right) == 1
    unnamed = [Volume(volume.array, name="scan") for volume in both]
    assert len(synthesize(gan, unnamed, given=["T2", "T1"]).record["warnings"]) == 1


def test_the_reference_is_counted_in_the_given_order(gan: Model, volumes: dict[str, Volume]) -> None:
    coarse = Volume(volumes["T1"].array[:, ::2, ::2], name="T1")
    made = synthesize(gan, [volumes["T2"], coarse], given=["T2", "T1"], reference=1, resample=True)
    assert made.images[0].grid == coarse.grid


def test_grounds_are_those_of_the_network(gan: Model, volumes: dict[str, Volume]) -> None:
    made = synthesize(gan, [volumes["T2"]], given=["T2"], inspect=True)
    network = gan.network
    assert isinstance(network, DisentangledGenerator)
    stacked = torch.zeros(3, 3, 19, 22)
    stacked[:, 1] = torch.from_numpy(volumes["T2"].array / 1000)
    with torch.inference_mode():
        found = network.inspect(stacked, torch.tensor([[False, True, False]]).expand(3, -1))
    assert made.grounds is not None
    assert made.pseudo_target is not None
    np.testing.assert_allclose(made.pseudo_target.array, found.pseudo_target[:, 0].numpy(), atol=1e-5)
    np.testing.assert_allclose(made.grounds.statistics[:, 0], found.mean.numpy(), atol=1e-5)
    np.testing.assert_allclose(made.grounds.statistics[:, 1], found.standard_deviation.numpy(), atol=1e-5)
    assert synthesize(gan, [volumes["T2"]], given=["T2"]).pseudo_target is None


@pytest.mark.parametrize("names", [["T2"], INPUTS])
def test_air_around_the_head_changes_no_voxel_and_the_record_says_why(
    gan: Model, names: list[str], volumes: dict[str, Volume]
) -> None:
    """All ways through the engine, and what is shown for inspection."""
    small = [volumes[name] for name in names]
    large = [Volume(np.pad(each.array, ((0, 0), (30, 41), (0, 67))), name=each.name) for each in small]
    for inspect in (False, True):
        expected = synthesize(gan, small, given=names, inspect=inspect)
        got = synthesize(gan, large, given=names, inspect=inspect)
        np.testing.assert_allclose(got.images[0].array[:, 30:-41, :-67], expected.images[0].array, atol=1e-6)
        assert not got.images[0].array[:, :, -20:].any()
        assert got.record["cropped_to_content"] is True
        assert "cropped to the box around what is brighter than a tenth of the scale" in record_in_words(got.record)
    assert got.pseudo_target is not None
    assert expected.pseudo_target is not None
    assert got.grounds is not None
    assert expected.grounds is not None
    np.testing.assert_allclose(got.pseudo_target.array[:, 30:-41, :-67], expected.pseudo_target.array, atol=1e-6)
    np.testing.assert_allclose(got.grounds.statistics, expected.grounds.statistics, atol=1e-6)


@pytest.mark.parametrize(("spot", "noise", "warned"), [(1000, 0, True), (0, 0, False), (100, 5, False), (0, 20, False)])
def test_boxes_that_leave_out_most_of_a_head_are_warned_of(
    gan: Model, spot: int, noise: int, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A head of 40 to 100 beside a spot; noise as magnitudes have it, up to a fifth of the brightest tissue."""
    generator = np.random.default_rng(1)
    array = np.zeros((3, 200, 190))
    array[:, 20:170, 30:150] = generator.uniform(40, 100, (3, 150, 120))
    array[:, 40:48, 40:48] += spot
    array = np.hypot(array + noise * generator.normal(size=array.shape), noise * generator.normal(size=array.shape))
    scaled = dataclasses.replace(gan.card, intensity={"method": "percentile", "lower": 0.1, "upper": 99.9})
    model = dataclasses.replace(gan, card=scaled)
    made = synthesize(model, [Volume(array.astype(np.float32), name="T2")], given=["T2"])
    said = [warning for warning in made.record["warnings"] if "hold" in warning]
    assert len(said) == warned
    assert all("of what is bright in the sources, and the image is 0 outside them" in warning for warning in said)
    assert said == [record.getMessage() for record in caplog.records if "hold" in record.getMessage()]
    if warned:
        assert not made.images[0].array[:, 130:].any()


def test_what_cannot_be_is_said_before_anything_is_made(
    gan: Model, volumes: dict[str, Volume], synthesis_file: Callable[..., Path]
) -> None:
    t1 = volumes["T1"]
    for given in (["PD"], ["T1", "T2"], []):
        with pytest.raises(ConfigurationError, match=r"one of the inputs of tiny-gan: T1, T2, T1Gd"):
            synthesize(gan, [t1], given=given)
    with pytest.raises(ConfigurationError, match="inputs of tiny-gan"):
        synthesize(gan, [t1, t1], given=["T1", "t1"])
    with pytest.raises(ConfigurationError, match="--given T1"):
        synthesize(gan, [t1])
    ivan = load_model(str(synthesis_file("T1 PD", "T2")))
    with pytest.raises(ConfigurationError, match="needs all of them"):
        synthesize(ivan, [t1], given=["T1"])
    with pytest.raises(ConfigurationError, match="no pseudo-target"):
        synthesize(ivan, [t1, volumes["T2"]], inspect=True)


def test_a_model_that_never_did_without_says_so(gan: Model, volumes: dict[str, Volume]) -> None:
    assert "hidden from 30%" in card_in_words(gan.card)
    untaught = dataclasses.replace(gan, card=dataclasses.replace(gan.card, training={}))
    [warning] = synthesize(untaught, [volumes["T1"]], given=["T1"]).record["warnings"]
    assert "without T2 + T1Gd, though the model tiny-gan never learnt" in warning
    assert "hidden" not in card_in_words(untaught.card)


def test_the_command_names_and_inspects(
    gan_file: Path, volumes: dict[str, Volume], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("T2", "T1"):
        volumes[name].write(tmp_path / f"{name}.nrrd")
    files, out = [str(tmp_path / f"{name}.nrrd") for name in ("T2", "T1")], tmp_path / "out"
    arguments = ["synthesize", *files, "--given", "T2", "T1", "--model", str(gan_file), "--out", str(out)]
    assert main([*arguments, "--inspect"]) == 0
    assert {path.name for path in out.iterdir()} == {
        "synthetic-FLAIR.nrrd",
        "pseudo-target.nrrd",
        "adain-statistics.csv",
        "adain-statistics.record.json",
    }
    said = capsys.readouterr()
    assert "earlier run" not in said.out
    [warning] = [line for line in said.err.replace("\r", "\n").split("\n") if "Made without" in line]
    assert warning.strip() == "Made without T1Gd, which the model learnt to do without."  # not behind the bar
    with (out / "adain-statistics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * 2 * 12  # slices, AdaIN layers, channels
    assert (rows[-1]["slice"], rows[-1]["layer"], rows[-1]["channel"]) == ("2", "1", "11")
    record = json.loads((out / "adain-statistics.record.json").read_text())
    assert record["result"]["name"] == "AdaIN of SYNTHETIC FLAIR"
    assert (record["synthetic"], record["model"]["sha256"]) == (True, load_model(str(gan_file)).sha256)
    assert "Research use only" in record["notice"]


def test_what_an_earlier_run_has_left_beside_new_images_is_said_and_stays(
    gan_file: Path, volumes: dict[str, Volume], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volumes["T1"].write(tmp_path / "T1.nrrd")
    out = tmp_path / "out"
    arguments = ["synthesize", str(tmp_path / "T1.nrrd"), "--given", "T1", "--model", str(gan_file), "--out", str(out)]
    assert main(arguments) == 0
    assert "earlier run" not in capsys.readouterr().out
    assert main([*arguments, "--inspect"]) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()
    assert main(arguments) == 0
    [said] = [line for line in capsys.readouterr().out.splitlines() if "earlier run" in line]
    assert str(out / "pseudo-target.nrrd") in said
    assert str(out / "adain-statistics.csv") in said
    assert str(out / "adain-statistics.record.json") in said
    assert "do not belong to these images" in said
    for name in before.keys() - {"synthetic-FLAIR.nrrd"}:
        assert (out / name).read_bytes() == before[name]


def test_results_of_another_model_beside_new_images_are_said_but_no_source(
    gan_file: Path,
    volumes: dict[str, Volume],
    synthesis_file: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    volumes["T1"].write(tmp_path / "T1.nrrd")
    for made in ("T2", "PD"):
        arguments = ["synthesize", str(tmp_path / "T1.nrrd"), "--model", str(synthesis_file("T1", made))]
        assert main([*arguments, "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    source = ["synthesize", str(tmp_path / "synthetic-T2.nrrd"), "--given", "T2", "--model", str(gan_file)]
    assert main([*source, "--out", str(tmp_path)]) == 0
    [said] = [line for line in capsys.readouterr().out.splitlines() if "earlier run" in line]
    assert said.startswith(f"Left as they were: {tmp_path / 'synthetic-PD.nrrd'} and {tmp_path / 'latent.nrrd'}, from")
