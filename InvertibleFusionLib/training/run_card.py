"""What a run leaves beside the weights: the model's card, and the measures of every slice."""

import csv
import re
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from InvertibleFusionLib._version import __version__
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.card_file import read_card
from InvertibleFusionLib.models.model_file import file_digest
from InvertibleFusionLib.training.configuration import MACHINE, TrainingConfiguration, plain
from InvertibleFusionLib.training.recipe import Recipe
from InvertibleFusionLib.training.validation import Measurement
from InvertibleFusionLib.volumes.writing import staged

Sessions = list[dict[str, Any]]
"""From each start of a run to its end."""


def card_of_run(
    configuration: TrainingConfiguration, recipe: Recipe, steps: int, metrics: list[dict[str, Any]], sessions: Sessions
) -> ModelCard:
    """The card of a model that a run has trained.

    Args:
        configuration: of the run.
        recipe: of its kind of network.
        steps: after which the weights were kept.
        metrics: measured figures.
        sessions: as ``session_of`` describes each.
    """
    return ModelCard(
        name=configuration.name,
        architecture=recipe.architecture,
        configuration=configuration.network.to_json(),
        task=recipe.task,
        inputs=_images(configuration.contrasts),
        outputs=_images(configuration.targets) or ["fused"],
        intensity=configuration.intensity.to_json(),
        training={**_how_trained(configuration, sessions), "steps_done": steps},
        metrics=metrics,
        intended_use=configuration.intended_use,
    )


def _images(channels: list[str]) -> list[str]:
    """Names of images by those of their channels: NAME-R, NAME-G and NAME-B are one colour image."""
    return list(dict.fromkeys(re.sub("-[RGB]$", "", name) for name in channels))


def _how_trained(configuration: TrainingConfiguration, sessions: Sessions) -> dict[str, Any]:
    elsewhere = (
        "name",
        "contrasts",
        "targets",
        "network",
        "intensity",
        "intended_use",
        "training",
        "validation",
        *MACHINE,
    )
    settings = {name: value for name, value in configuration.to_json().items() if name not in elsewhere}
    start = configuration.start_from
    settings["start_from"] = {"name": read_card(start).name, "sha256": file_digest(start)} if start else None
    return {
        "data": plain([source.to_json() for source in configuration.training]),
        "validation": plain([source.to_json() for source in configuration.validation]),
        "settings": settings,
        "sessions": sessions,
    }


def session_of(configuration: TrainingConfiguration, fabric: Fabric) -> dict[str, Any]:
    """What may change when a run goes on, and matters."""
    return {
        "learning_rate": configuration.learning_rate,
        "gradient_norm": configuration.gradient_norm,
        "processes": fabric.world_size,
        "device": fabric.device.type,
        "versions": {"invertible-fusion": __version__, "torch": str(torch.__version__)},
    }


def write_rows(measurement: Measurement, path: Path) -> None:
    """The measures of every slice as CSV, whole or not at all."""
    names = list(dict.fromkeys(name for _, _, row in measurement.rows for name in row))
    with staged(path.parent) as stage, (stage / path.name).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["patient", "slice", *names])
        for patient, number, row in measurement.rows:
            writer.writerow([patient, number, *(f"{row[name]:.6g}" if name in row else "" for name in names)])
