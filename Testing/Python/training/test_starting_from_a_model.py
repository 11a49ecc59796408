from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from InvertibleFusionLib.errors import ConfigurationError, ModelFileError
from InvertibleFusionLib.models.card_file import read_card
from InvertibleFusionLib.models.fusioninn import FusionINNConfiguration
from InvertibleFusionLib.models.model_file import file_digest
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.run import dry_run, train_model


def ignored(done: int, total: int, losses: dict[str, float]) -> None:
    pass


@pytest.fixture
def first(configuration: TrainingConfiguration, tmp_path: Path) -> Path:
    out = tmp_path / "first.safetensors"
    train_model(replace(configuration, steps=3), out, ignored)
    return out


def test_a_run_starts_from_the_weights_of_a_model_and_its_card_says_so(
    configuration: TrainingConfiguration, first: Path, tmp_path: Path
) -> None:
    """A rate that moves nothing: what comes out is what went in, though the seed of the network is another."""
    out = tmp_path / "second.safetensors"
    train_model(replace(configuration, start_from=first, steps=1, learning_rate=1e-30, seed=5), out, ignored)
    before, after = load_file(first), load_file(out)
    for name, value in before.items():
        assert torch.equal(value, after[name]), name
    started = read_card(out).training["settings"]["start_from"]
    assert started == {"name": "tiny", "sha256": file_digest(first)}


def test_a_model_of_other_settings_is_refused_with_both(
    configuration: TrainingConfiguration, first: Path, tmp_path: Path
) -> None:
    wider = replace(configuration, network=FusionINNConfiguration(blocks=2, hidden=5, hidden_squeezed=4))
    with pytest.raises(ConfigurationError, match=r"first.*'hidden': 4.*'hidden': 5"):
        train_model(replace(wider, start_from=first), tmp_path / "second.safetensors", ignored)


@pytest.mark.parametrize("resume", [False, True])
def test_a_model_that_is_not_there_is_refused_before_data_are_read(
    configuration: TrainingConfiguration, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: bool
) -> None:
    """With the setting's name and the folder; the data, too, are nowhere."""
    monkeypatch.chdir(tmp_path)
    out, second = tmp_path / "second.safetensors", replace(configuration, start_from=Path(first.name), steps=1)
    if resume:
        train_model(second, out, ignored)
    first.unlink()
    nowhere = replace(second, data_folder=tmp_path / "nowhere")
    with pytest.raises(ModelFileError) as refused:
        train_model(nowhere, out, ignored, resume)
    assert str(refused.value).startswith(f"start_from: there is no model file first.safetensors in {tmp_path}. ")
    with pytest.raises(ModelFileError, match="start_from: there is no model file first"):
        dry_run(nowhere)
