"""What is particular to training one kind of model; everything else is shared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from InvertibleFusionLib.models.fusioninn import FusionINN, FusionINNConfiguration
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import PatientSlices
from InvertibleFusionLib.training.fusioninn_objective import FusionINNObjective
from InvertibleFusionLib.training.objective import Objective
from InvertibleFusionLib.training.validation import Images, Measurement, measure, quick_check


@dataclass(frozen=True)
class Recipe:
    """How one architecture is trained.

    Attributes:
        architecture: as model files call it.
        task: "fusion" or "synthesis".
        objective: the network and its losses, for a configuration.
        check: scores on a few slices while it learns, by name; "score" is better higher.
        measure: everything that the model's card says, on all slices of the validation patients.
        pictures: a row of images, (count, 1, rows, columns) in [0, 1], of one slice and what the network makes of it.
    """

    architecture: str
    task: str
    objective: Callable[[TrainingConfiguration], Objective]
    check: Callable[[Any, Sequence[Images]], dict[str, float]]
    measure: Callable[[Any, Sequence[PatientSlices], Sequence[str]], Measurement]
    pictures: Callable[[Any, Images], Tensor]


def recipe_for(configuration: TrainingConfiguration) -> Recipe:
    """The recipe of the configured network."""
    return RECIPES[type(configuration.network)]


def slices_to_check(patients: Sequence[PatientSlices], count: int) -> list[Images]:
    """Slices spread evenly over all slices of all patients, (contrasts, rows, columns) each."""
    every = [image for patient in patients for image in patient.images]
    chosen = np.linspace(0, len(every) - 1, min(count, len(every)) + 2)[1:-1].round().astype(int)
    return [np.asarray(every[number]) for number in dict.fromkeys(chosen.tolist())]


def _fusioninn(configuration: TrainingConfiguration) -> FusionINNObjective:
    return FusionINNObjective(FusionINN(configuration.network, configuration.seed), configuration.loss)


def _fusion_pictures(network: FusionINN, images: Images) -> Tensor:
    """Sources, fused image, sources from the fused image alone."""
    rows, columns = (n - n % network.multiple for n in images.shape[1:])
    sources = torch.from_numpy(images[:, :rows, :columns])[None]
    with torch.inference_mode():
        fused = network.image(network(sources))
        decomposed, _ = network.decompose(fused, samples=1, seeds=[0])
    return torch.cat((sources[0], fused[0], decomposed[0]))[:, None]


RECIPES: dict[type[Any], Recipe] = {
    FusionINNConfiguration: Recipe("fusioninn", "fusion", _fusioninn, quick_check, measure, _fusion_pictures),
}
