"""From a configuration to a model file with its card."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from InvertibleFusionLib._version import __version__
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.fusioninn import FusionINN
from InvertibleFusionLib.models.model_file import save_model
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import (
    for_reporting,
    load_patients,
    load_stocks,
    require_separate_patients,
    with_scale,
)
from InvertibleFusionLib.training.loop import train
from InvertibleFusionLib.training.validation import measure

STEPS_BETWEEN_SAVES = 500
"""A long run that is stopped leaves the model of the last save, unmeasured, as NAME.unfinished.safetensors."""

OnStep = Callable[[int, int, dict[str, float]], None]


def train_model(configuration: TrainingConfiguration, out: Path, on_step: OnStep) -> ModelCard:
    """Train a model, measure it, and write its file.

    Args:
        configuration: the whole run.
        out: the model file, NAME.safetensors.
        on_step: called with steps done, steps in all, and the losses.

    Raises:
        ConfigurationError: before anything starts, when a case cannot be used or the file cannot be a model file.
        InferenceError: when training diverges.
    """
    if out.suffix != ".safetensors":
        raise ConfigurationError(f"A model file ends in .safetensors; {out.name} does not.")
    folder, contrasts = configuration.data_folder, configuration.contrasts
    require_separate_patients(configuration.training, configuration.validation, folder)
    chosen = (configuration.selection, configuration.grid_of, configuration.cache)
    stocks = load_stocks(configuration.training, contrasts, folder, with_scale(configuration.intensity), *chosen)
    unseen = load_patients(configuration.validation, contrasts, folder, for_reporting, *chosen)
    network = FusionINN(configuration.network, configuration.seed)
    # Before the hours, not after them: whether the folder can be written.
    unfinished = out.with_name(f"{out.stem}.unfinished.safetensors")
    save_model(network, _card(configuration, 0, []), unfinished)
    for step in train(network, stocks, configuration):
        on_step(step.number, configuration.steps, step.losses)
        if step.number % STEPS_BETWEEN_SAVES == 0:
            save_model(network, _card(configuration, step.number, []), unfinished)
    network = network.eval().requires_grad_(False)
    card = _card(configuration, configuration.steps, measure(network, unseen, contrasts))
    save_model(network, card, out)
    unfinished.unlink(missing_ok=True)
    return card


def _card(configuration: TrainingConfiguration, steps: int, metrics: list[dict[str, Any]]) -> ModelCard:
    return ModelCard(
        name=configuration.name,
        architecture="fusioninn",
        configuration=configuration.network.to_json(),
        task="fusion",
        inputs=configuration.contrasts,
        outputs=["fused"],
        intensity=configuration.intensity.to_json(),
        training={**_how_trained(configuration), "steps_done": steps},
        metrics=metrics,
        intended_use=configuration.intended_use,
    )


def _how_trained(configuration: TrainingConfiguration) -> dict[str, Any]:
    settings = asdict(configuration)
    for elsewhere in (
        "name",
        "contrasts",
        "network",
        "intensity",
        "intended_use",
        "data_folder",
        "cache",
        "training",
        "validation",
    ):
        del settings[elsewhere]
    return {
        "data": [source.to_json() for source in configuration.training],
        "validation": [source.to_json() for source in configuration.validation],
        "settings": settings,
        "versions": {"invertible-fusion": __version__, "torch": str(torch.__version__)},
    }
