"""What is particular to training one kind of model; everything else is shared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from InvertibleFusionLib.models.baselines.fusion_baseline import FusionBaseline, FusionBaselineConfiguration
from InvertibleFusionLib.models.baselines.monai_networks import PatchDiscriminator
from InvertibleFusionLib.models.baselines.synthesis_baseline import SynthesisBaseline, SynthesisBaselineConfiguration
from InvertibleFusionLib.models.dense_block import checkpoint_dense_blocks
from InvertibleFusionLib.models.discriminator import Discriminator
from InvertibleFusionLib.models.disentangled_gan import DisentangledGANConfiguration, DisentangledGenerator
from InvertibleFusionLib.models.fusioninn import FusionINN, FusionINNConfiguration
from InvertibleFusionLib.models.ivan import Ivan, IvanConfiguration
from InvertibleFusionLib.models.model import FusionNetwork, SynthesisNetwork
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import PatientSlices
from InvertibleFusionLib.training.fusion_baseline_objective import FusionBaselineLoss, FusionBaselineObjective
from InvertibleFusionLib.training.fusion_baseline_validation import fused_slice, measure_fusion, quick_fusion_check
from InvertibleFusionLib.training.fusioninn_objective import FusionINNObjective
from InvertibleFusionLib.training.gan_objective import GANLoss, GANObjective
from InvertibleFusionLib.training.ivan_objective import IvanLoss, IvanObjective
from InvertibleFusionLib.training.losses import LossWeights
from InvertibleFusionLib.training.objective import Objective
from InvertibleFusionLib.training.synthesis_baseline_objective import (
    PairedObjective,
    PixToPixObjective,
    SynthesisBaselineLoss,
)
from InvertibleFusionLib.training.synthesis_validation import (
    measure_every_choice,
    measure_synthesis,
    quick_synthesis_check,
)
from InvertibleFusionLib.training.validation import Images, Measurement, measure, padded, quick_check


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
    measure: Callable[[Any, Sequence[PatientSlices], Sequence[str], str], Measurement]
    pictures: Callable[[Any, Images], Tensor]


def recipe_for(configuration: TrainingConfiguration) -> Recipe:
    """The recipe of the configured network."""
    recipe, loss = RECIPES[type(configuration.network)], configuration.loss
    learns_to_do_without = isinstance(loss, GANLoss) and loss.input_dropout > 0
    return replace(recipe, measure=measure_every_choice) if learns_to_do_without else recipe


def slices_to_check(patients: Sequence[PatientSlices], count: int) -> list[Images]:
    """Slices spread evenly over all slices of all patients, (contrasts, rows, columns) each."""
    every = [image for patient in patients for image in patient.images]
    chosen = np.linspace(0, len(every) - 1, min(count, len(every)) + 2)[1:-1].round().astype(int)
    return [np.asarray(every[number]) for number in dict.fromkeys(chosen.tolist())]


def _fusioninn(configuration: TrainingConfiguration) -> FusionINNObjective:
    network, loss = configuration.network, configuration.loss
    assert isinstance(network, FusionINNConfiguration)
    assert isinstance(loss, LossWeights)
    return FusionINNObjective(FusionINN(network, configuration.seed), loss)


def _ivan(configuration: TrainingConfiguration) -> IvanObjective:
    network, loss = configuration.network, configuration.loss
    assert isinstance(network, IvanConfiguration)
    assert isinstance(loss, IvanLoss)
    ivan = Ivan(network, configuration.seed)
    if configuration.gradient_checkpointing:
        checkpoint_dense_blocks(ivan)
    return IvanObjective(ivan, loss)


def _gan(configuration: TrainingConfiguration) -> GANObjective:
    network, loss = configuration.network, configuration.loss
    assert isinstance(network, DisentangledGANConfiguration)
    assert isinstance(loss, GANLoss)
    judged = replace(loss.discriminator, sources=network.sources)
    generator = DisentangledGenerator(network, configuration.seed)
    return GANObjective(generator, Discriminator(judged, configuration.seed), loss)


def _fusion_baseline(configuration: TrainingConfiguration) -> FusionBaselineObjective:
    network, loss = configuration.network, configuration.loss
    assert isinstance(network, FusionBaselineConfiguration)
    assert isinstance(loss, FusionBaselineLoss)
    return FusionBaselineObjective(FusionBaseline(network, configuration.seed), loss)


def _synthesis_baseline(configuration: TrainingConfiguration) -> PairedObjective:
    network, loss = configuration.network, configuration.loss
    assert isinstance(network, SynthesisBaselineConfiguration)
    assert isinstance(loss, SynthesisBaselineLoss)
    generator = SynthesisBaseline(network, configuration.seed)
    if loss.deceive == 0:
        return PairedObjective(generator, loss)
    channels = sum(network.inputs) + sum(network.outputs)
    return PixToPixObjective(
        generator, PatchDiscriminator(channels, loss.discriminator_width, configuration.seed), loss
    )


def _one_way_pictures(network: FusionNetwork, images: Images) -> Tensor:
    """Sources, fused image."""
    return torch.cat((torch.from_numpy(images), fused_slice(network, images)[0]))[:, None]


def _fusion_pictures(network: FusionINN, images: Images) -> Tensor:
    """Sources, fused image, sources from the fused image alone."""
    rows, columns = images.shape[1:]
    sources = padded(images, network)
    with torch.inference_mode():
        fused = network.image(network(sources))
        decomposed, _ = network.decompose(fused, samples=2, seeds=[0])
    return torch.cat((sources[0], fused[0], decomposed[0]))[:, None, :rows, :columns].cpu()


def _synthesis_pictures(network: SynthesisNetwork, images: Images) -> Tensor:
    """Sources, targets, what was made in their place."""
    rows, columns = images.shape[1:]
    with torch.inference_mode():
        made = network.synthesize(padded(images[: sum(network.inputs)], network)).cpu()
    return torch.cat((torch.from_numpy(images), made[0, :, :rows, :columns]))[:, None]


def _gan_pictures(network: DisentangledGenerator, images: Images) -> Tensor:
    """Sources, target, the pseudo-target, what was made in the target's place."""
    rows, columns = images.shape[1:]
    with torch.inference_mode():
        found = network.inspect(padded(images[: network.sources], network))
    made = torch.cat((found.pseudo_target.clamp(0, 1), found.image), dim=1).cpu()
    return torch.cat((torch.from_numpy(images), made[0, :, :rows, :columns]))[:, None]


RECIPES: dict[type[Any], Recipe] = {
    FusionINNConfiguration: Recipe("fusioninn", "fusion", _fusioninn, quick_check, measure, _fusion_pictures),
    IvanConfiguration: Recipe(
        "ivan", "synthesis", _ivan, quick_synthesis_check, measure_synthesis, _synthesis_pictures
    ),
    DisentangledGANConfiguration: Recipe(
        "disentangled-gan", "synthesis", _gan, quick_synthesis_check, measure_synthesis, _gan_pictures
    ),
    FusionBaselineConfiguration: Recipe(
        "fusion-baseline", "fusion", _fusion_baseline, quick_fusion_check, measure_fusion, _one_way_pictures
    ),
    SynthesisBaselineConfiguration: Recipe(
        "synthesis-baseline",
        "synthesis",
        _synthesis_baseline,
        quick_synthesis_check,
        measure_synthesis,
        _synthesis_pictures,
    ),
}
