"""What a run is told: mistakes are refused before anything starts, with the nearest right name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import DataSource

WriteYaml = Callable[..., Path]


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says to a mistake: a sentence or two, not a traceback."""
    assert main(["train", *arguments]) == 1
    words = capsys.readouterr().err
    assert "Traceback" not in words
    return words


@pytest.mark.parametrize(
    ("changed", "wrong", "right"),
    [
        ({"step": 3}, "step", "steps"),
        ({"learning-rate": 0.1}, "learning-rate", "learning_rate"),
        ({"loss": {"similarty": 0.8}}, "similarty", "similarity"),
        ({"augmentation": {"crops": 16}}, "crops", "crop"),
        ({"network": {"hiden": 4}}, "hiden", "hidden"),
        ({"schedule": {"warmup": 4}}, "warmup", "warmup_steps"),
        ({"intensity": {"methode": "window"}}, "methode", "method"),
        ({"training": [{"name": "a", "license": "b", "attribution": "c", "patients": ["one"]}]}, "license", "licence"),
        (
            {"training": [{"name": "a", "licence": "b", "attribution": "c", "patient": ["one"]}]},
            "patient",
            "patients",
        ),
    ],
    ids=str,
)
def test_a_wrong_key_names_the_nearest_right_one(
    configuration: TrainingConfiguration,
    write_yaml: WriteYaml,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, Any],
    wrong: str,
    right: str,
) -> None:
    words = said([str(write_yaml(configuration, **changed)), "--dry-run"], capsys)
    assert f"unknown key {wrong!r}" in words
    assert f"Did you mean {right}?" in words
    assert "tiny.yaml" in words


@pytest.mark.parametrize(
    ("option", "right"),
    [("--stepps=3", "--steps"), ("--augmentation.crops=16", "--augmentation.crop"), ("--dryrun", "--dry-run")],
)
def test_a_wrong_option_names_the_nearest_right_one(
    configuration: TrainingConfiguration,
    write_yaml: WriteYaml,
    capsys: pytest.CaptureFixture[str],
    option: str,
    right: str,
) -> None:
    words = said([str(write_yaml(configuration)), "--dry-run", option], capsys)
    assert f"Did you mean {right}?" in words


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"steps": "many"}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"contrasts": "T1Gd"}, "contrasts"),
        ({"loss": 3}, "loss"),
        ({"schedule": None}, "schedule"),
        ({"validation": [3]}, "validation"),
        ({"training": {}}, "training"),
        ({"augmentation": {"crop": "large"}}, "crop"),
        ({"precision": "64-true"}, "precision"),
        ({"schedule": {"course": "cosinus"}}, "course"),
        ({"keep": "all"}, "keep"),
    ],
    ids=str,
)
def test_a_wrong_type_or_word_names_its_setting(
    configuration: TrainingConfiguration,
    write_yaml: WriteYaml,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, Any],
    named: str,
) -> None:
    assert named in said([str(write_yaml(configuration, **changed)), "--dry-run"], capsys)


def test_names_that_yaml_takes_for_numbers_are_shown_in_quotes(
    configuration: TrainingConfiguration, write_yaml: WriteYaml, capsys: pytest.CaptureFixture[str]
) -> None:
    source = {"name": "a", "licence": "b", "attribution": "c", "png": "CT-MRI", "cases": [16]}
    words = said([str(write_yaml(configuration, training=[source])), "--dry-run"], capsys)
    assert "under training, gives 16 among cases as a number; names stand in quotes: cases: ['16']" in words


def test_a_misspelt_contrast_is_not_blamed_on_the_grid(
    configuration: TrainingConfiguration, write_yaml: WriteYaml, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {"contrasts": ["T1Gd", "FLAIRR"], "grid_of": "FLAIR"}
    words = said([str(write_yaml(configuration, **changed)), "--dry-run"], capsys)
    assert "contrasts and targets are T1Gd, FLAIRR, and grid_of is FLAIR" in words


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "steps: [1,", "\x00"], ids=repr)
def test_files_that_hold_no_settings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "bad.yaml").write_text(content)
    assert "bad.yaml" in said([str(tmp_path / "bad.yaml"), "--dry-run"], capsys)
    assert "missing.yaml" in said([str(tmp_path / "missing.yaml"), "--dry-run"], capsys)


def test_the_output_must_be_named(
    configuration: TrainingConfiguration, write_yaml: WriteYaml, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--out is missing" in said([str(write_yaml(configuration))], capsys)


@pytest.mark.parametrize("option", ["--loss=3", "--loss.fusion=half", "--training=one", "--loss.fusion=2"])
def test_an_option_of_the_wrong_type_names_its_setting(
    configuration: TrainingConfiguration, write_yaml: WriteYaml, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert option.split("=")[0].split(".")[-1].strip("-") in said(
        [str(write_yaml(configuration)), "--dry-run", option], capsys
    )


def test_settings_survive_yaml(configuration: TrainingConfiguration, write_yaml: WriteYaml) -> None:
    """What a run writes down is what it can be told again."""
    written = yaml.safe_load(write_yaml(configuration).read_text())
    assert written == {name: value for name, value in configuration.to_json().items() if value is not None}


@pytest.mark.parametrize(
    "wrong",
    [
        {"contrasts": ["T1"]},
        {"grid_of": "T2"},
        {"steps": 0},
        {"batch_size": 0},
        {"training": []},
        {"validation": []},
        {"workers": -1},
        {"learning_rate": -1.0},
        {"gradient_norm": 0.0},
        {"threads": 0},
        {"betas": [0.9]},
        {"betas": [0.9, 1.0]},
        {"validate_every": 0},
        {"validation_slices": 0},
        {"checkpoint_every": 0},
        {"early_stop": -1},
        {"seed": -1},
        {"gradient_checkpointing": True},
    ],
    ids=str,
)
def test_senseless_settings_are_refused(configuration: TrainingConfiguration, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        replace(configuration, **wrong)


def test_a_patient_in_training_and_validation_is_refused_by_name(configuration: TrainingConfiguration) -> None:
    with pytest.raises(ConfigurationError, match="two"):
        replace(configuration, validation=[DataSource("made up", "", "", ["two", "three"])])
