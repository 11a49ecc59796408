"""Training steps to be timed or weighed: of the shared loop, and of FusionINN's published script."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric

from InvertibleFusionLib.models.ivan import PRESETS as IVAN_PRESETS
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import DataSource
from InvertibleFusionLib.training.loop import Training
from InvertibleFusionLib.training.objective import Batch
from InvertibleFusionLib.training.recipe import recipe_for
from InvertibleFusionLib.training.state import Position

Steps = Iterator[Any]
"""One training step each time that the next is asked for."""


def random_batch(slices: int, size: int, seed: int) -> Batch:
    """Two contrasts of blobs, (slices, 2, size, size), as the loop takes them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(slices, 2, size // 6 + 1, size // 6 + 1, generator=generator)
    images = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    return {"images": images, "seed": torch.arange(slices)}


def fusioninn_steps(batches: Sequence[Batch], fabric: Fabric) -> Steps:
    """Of the shared loop, with the default network and losses."""
    return _shared_loop(batches, fabric, contrasts=["T1Gd", "FLAIR"])


def published_steps(batches: Sequence[Batch], fabric: Fabric) -> Steps:
    """As in the official script."""
    from InvertibleFusionLib.evaluation.published_training import PublishedTraining  # needs FrEIA

    given = [batch["images"].to(fabric.device) for batch in batches]
    training = PublishedTraining(given[0])
    return (training.step(images) for images in given)


def ivan_steps(preset: str, checkpointing: bool, batches: Sequence[Batch], fabric: Fabric) -> Steps:
    """Of the shared loop, T1 → T2 in a preset, with gradient checkpointing or without."""
    network = replace(IVAN_PRESETS[preset], inputs=(1,))
    return _shared_loop(
        batches, fabric, contrasts=["T1"], targets=["T2"], network=network, gradient_checkpointing=checkpointing
    )


def _shared_loop(batches: Sequence[Batch], fabric: Fabric, **settings: Any) -> Steps:
    nobody, other = (DataSource("random numbers", "none needed", "nobody", [name]) for name in ("one", "another"))
    configuration = TrainingConfiguration(
        name="benchmark",
        training=[nobody],
        validation=[other],
        intended_use="For measuring only.",
        steps=len(batches),
        threads=torch.get_num_threads(),
        **settings,
    )
    objective = recipe_for(configuration).objective(configuration)
    objective.initialize(batches[0]["images"])
    return Training(configuration, objective, fabric).steps(batches, Position())


IVAN_WAYS: dict[str, Callable[[Sequence[Batch], Fabric], Steps]] = {
    f"iVAN {preset}{', checkpointed' if checkpointing else ''}": partial(ivan_steps, preset, checkpointing)
    for preset in ("small", "default")
    for checkpointing in (False, True)
}
WAYS = {"FusionINN": fusioninn_steps, "FusionINN as published": published_steps} | IVAN_WAYS
"""All that can be measured, by name."""
