"""Whole runs in seconds: from a configuration to a model file with its card."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from InvertibleFusionLib import Volume, fuse, load_model
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError, OutputError
from InvertibleFusionLib.models.card_file import read_card
from InvertibleFusionLib.models.fusioninn import FusionINNConfiguration
from InvertibleFusionLib.training import recipe
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.curves import read_curves
from InvertibleFusionLib.training.data import Augmentation, DataSource
from InvertibleFusionLib.training.losses import LossWeights
from InvertibleFusionLib.training.run import dry_run, train_model
from InvertibleFusionLib.training.schedule import Schedule
from InvertibleFusionLib.training.state import read_state
from InvertibleFusionLib.volumes.intensity import IntensityScale

WriteYaml = Callable[..., Path]


def ignored(done: int, total: int, losses: dict[str, float]) -> None:
    pass


def everything_under(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def weights(path: Path) -> torch.Tensor:
    return torch.cat([value.flatten().float() for _, value in sorted(load_file(path).items())])


def test_training_learns_and_the_seed_decides_what(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    settings = replace(
        configuration,
        steps=100,
        learning_rate=1e-2,
        augmentation=Augmentation(crop=12, gamma=1.0, gain=1.0),
        validate_every=60,
        checkpoint_every=60,
    )
    losses: list[float] = []
    train_model(settings, tmp_path / "a.safetensors", lambda done, total, terms: losses.append(terms["total"]))
    assert len(losses) == 100
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10])
    few = replace(settings, steps=3)
    for name, seed in (("b", 0), ("c", 0), ("d", 1)):
        train_model(replace(few, seed=seed), tmp_path / f"{name}.safetensors", ignored)
    assert torch.equal(weights(tmp_path / "b.safetensors"), weights(tmp_path / "c.safetensors"))
    assert not torch.equal(weights(tmp_path / "b.safetensors"), weights(tmp_path / "d.safetensors"))


def test_the_command_trains_a_model_whose_card_tells_all(
    configuration: TrainingConfiguration, write_yaml: WriteYaml, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "models" / "tiny.safetensors"
    path = write_yaml(configuration)
    assert main(["train", str(path), "--out", str(out), "--steps", "3", "--cache", str(tmp_path / "cache")]) == 0
    assert "decomposition SSIM of FLAIR" in capsys.readouterr().out
    assert {file.name for file in out.parent.iterdir()} == {"tiny.safetensors", "tiny.training"}
    kept = {file.name for file in (out.parent / "tiny.training").iterdir()}
    assert {"last.safetensors", "best.safetensors", "curves.csv", "slices.csv"} < kept

    model = load_model(out)
    card, training = model.card, model.card.training
    assert (card.name, card.task, card.inputs, card.outputs) == ("tiny", "fusion", ["T1Gd", "FLAIR"], ["fused"])
    assert card.configuration == configuration.network.to_json()
    assert card.intensity == configuration.intensity.to_json()
    [session] = training["sessions"]
    assert training["steps_done"] == 3
    assert (session["from_step"], session["processes"], session["device"]) == (0, 1, "cpu")
    assert session["learning_rate"] == configuration.learning_rate
    assert (training["settings"]["augmentation"]["crop"], training["settings"]["seed"]) == (12, 0)
    assert session["versions"]["torch"] == torch.__version__
    [source] = training["data"]
    assert source == {"name": "made up", "licence": "none needed", "attribution": "nobody", "patients": ["one", "two"]}
    assert training["validation"][0]["patients"] == ["three"]
    assert all(metric["data"].startswith("three: 3 axial slices") for metric in card.metrics)

    said = json.dumps(card.to_json(), allow_nan=False)
    for machine in (configuration.data_folder, tmp_path, Path.home(), Path.cwd()):
        assert str(machine) not in said
    pair = [Volume.read(configuration.data_folder / "three" / f"{name}.nii.gz") for name in ("T1Gd", "FLAIR")]
    assert fuse(model, pair).image.array.shape == pair[0].array.shape


def test_the_measures_of_every_slice_lie_beside_the_model(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    """The lesion of "three" is in two of its three slices."""
    card = train_model(configuration, tmp_path / "tiny.safetensors", ignored)
    assert card is not None
    with (tmp_path / "tiny.training" / "slices.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["patient"], row["slice"]) for row in rows] == [("three", "0"), ("three", "1"), ("three", "2")]
    counts = {}
    for metric in card.metrics:
        if "mean" in metric:
            values = [float(row[metric["name"]]) for row in rows if row[metric["name"]]]
            counts[metric["name"]] = len(values)
            assert metric["slices"] == len(values)
            assert metric["mean"] == pytest.approx(np.mean(values), abs=1e-4)
    for name, count in counts.items():
        assert count == (2 if "lesion" in name else 3), name
    assert any("lesion" in name for name in counts)


def test_a_dry_run_leaves_nothing_behind(
    configuration: TrainingConfiguration, write_yaml: WriteYaml, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write_yaml(configuration, workers=1), tmp_path / "tiny.safetensors"
    before = everything_under(tmp_path), everything_under(configuration.data_folder)
    assert main(["train", str(path), "--dry-run", "--out", str(out)]) == 0
    assert "Nothing was kept" in capsys.readouterr().out
    assert (everything_under(tmp_path), everything_under(configuration.data_folder)) == before


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"contrasts": ["T1Gd", "T2"]}, "T2"),
        ({"validation": [DataSource("made up", "", "", ["four"])]}, "four"),
        (
            {"validation": [DataSource("made up", "", "", ["two", "three"])]},
            "two is in the training and the validation",
        ),
        ({"training": [DataSource("made up", "", "", manifest=Path("cases.csv"))]}, "cases.csv"),
        ({"training": [DataSource("made up", "", "", h5=Path("train.h5"))]}, "train.h5"),
    ],
    ids=str,
)
def test_a_dry_run_refuses_what_the_run_would_stumble_over(
    configuration: TrainingConfiguration, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        dry_run(replace(configuration, **changed))


def test_a_dry_run_looks_at_the_output_too(
    configuration: TrainingConfiguration, write_yaml: WriteYaml, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dry = ["train", str(write_yaml(configuration)), "--dry-run", "--out"]
    assert main([*dry, str(tmp_path / "tiny.pt")]) == 1
    assert "ends in .safetensors; tiny.pt does not" in capsys.readouterr().err
    out = tmp_path / "tiny.safetensors"
    assert main([*dry, str(out), "--resume"]) == 1
    assert "There is no run to go on with" in capsys.readouterr().err
    train_model(replace(configuration, steps=1), out, ignored)
    assert main([*dry, str(out)]) == 1
    assert "holds a run at step 1" in capsys.readouterr().err


def test_first_crops_that_show_nothing_are_refused_with_a_sentence(configuration: TrainingConfiguration) -> None:
    """Crops of the background alone, without noise."""
    objective = recipe.RECIPES[FusionINNConfiguration].objective(configuration)
    with pytest.raises(ConfigurationError, match="first 2 crops show nothing in one contrast"):
        objective.initialize(torch.zeros(2, 2, 12, 12))


def test_an_output_that_cannot_be_written_is_told_before_the_first_step(
    configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    steps: list[int] = []
    with pytest.raises(OutputError):
        train_model(configuration, tmp_path / "file" / "x.safetensors", lambda done, total, losses: steps.append(done))
    assert steps == []


def test_validations_without_an_improvement_end_the_run(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    """Scores are made up: the best is the second; two later the run ends, and the best state's weights are kept."""
    scores = iter([0.3, 0.5, 0.4, 0.2])
    fusioninn = recipe.RECIPES[FusionINNConfiguration]
    settings = replace(configuration, validate_every=2, early_stop=2, keep="best")
    with pytest.MonkeyPatch.context() as patch:
        checked = replace(fusioninn, check=lambda network, images: {"score": next(scores)})
        patch.setitem(recipe.RECIPES, FusionINNConfiguration, checked)
        card = train_model(settings, tmp_path / "best.safetensors", ignored)
    assert card is not None
    assert card.training["steps_done"] == 4
    folder = tmp_path / "best.training"
    assert read_state(folder / "last.safetensors")[1].step == 8
    tensors, position = read_state(folder / "best.safetensors")
    assert (position.step, position.progression.best) == (4, 0.5)
    for name, value in load_file(tmp_path / "best.safetensors").items():
        assert torch.equal(value, tensors[f"objective.network.{name}"]), name
    validated = [
        (step, value) for step, name, value in read_curves(folder / "curves.csv") if name == "validation/score"
    ]
    assert validated == [(2, 0.3), (4, 0.5), (6, 0.4), (8, 0.2)]


def test_mixed_precision_keeps_full_weights(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    for precision in ("32-true", "bf16-mixed"):
        settings = replace(configuration, precision=precision, steps=3)
        train_model(settings, tmp_path / f"{precision}.safetensors", ignored)
    full, mixed = (weights(tmp_path / f"{precision}.safetensors") for precision in ("32-true", "bf16-mixed"))
    assert {value.dtype for value in load_file(tmp_path / "bf16-mixed.safetensors").values()} >= {torch.float32}
    assert torch.bfloat16 not in {value.dtype for value in load_file(tmp_path / "bf16-mixed.safetensors").values()}
    assert not torch.equal(full, mixed)
    torch.testing.assert_close(full, mixed, rtol=0, atol=0.05)


def test_the_published_settings_can_be_trained(configuration: TrainingConfiguration) -> None:
    """Network, losses, scale and course of the official code."""
    network = FusionINNConfiguration(
        hidden=4,
        hidden_squeezed=4,
        final_relu=True,
        start_as_identity=False,
        backwards_from="image",
        permutation="random",
    )
    dry_run(
        replace(
            configuration,
            network=network,
            loss=LossWeights(latent=0.5, latent_loss="multiscale-mmd", image_bits=0),
            intensity=IntensityScale("slice-minmax"),
            schedule=Schedule("plateau"),
            augmentation=Augmentation(crop=12, gamma=1.0, gain=1.0, noise=0.0),
        )
    )


def test_the_card_of_a_model_without_a_spread_is_strict_json(
    configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    """A constant z has no spread: how much too small that is, is no number."""
    network = replace(configuration.network, prior="zero")
    train_model(replace(configuration, network=network, steps=1), tmp_path / "tiny.safetensors", ignored)
    assert json.dumps(read_card(tmp_path / "tiny.safetensors").to_json(), allow_nan=False)


def test_every_configuration_beside_the_weights_makes_sense() -> None:
    from jsonargparse import ArgumentParser

    from InvertibleFusionLib.commands.train import add_arguments, configuration_of, prepare
    from InvertibleFusionLib.models.shipped import WEIGHTS

    for path in sorted(WEIGHTS.glob("*.yaml")):
        parser = ArgumentParser(exit_on_error=False)
        add_arguments(parser)
        configuration = configuration_of(parser.parse_args(prepare(parser, [str(path)])), parser)
        assert configuration.name == path.stem
        assert "Research use only" in configuration.intended_use
        assert configuration.loss is not None


def test_every_shipped_model_has_its_configuration() -> None:
    from InvertibleFusionLib.models.shipped import WEIGHTS, shipped_cards

    for card in shipped_cards():
        described = yaml.safe_load((WEIGHTS / f"{card.name}.yaml").read_text())
        assert described["name"] == card.name
        assert [each["name"] for each in described["training"]] == [each["name"] for each in card.training["data"]]
        assert described["steps"] == card.training["steps_done"]
        assert described["intended_use"] == card.intended_use
        assert described.get("network", {}).items() <= card.configuration.items()
