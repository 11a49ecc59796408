"""The ways from images back to their sources. Each has its own name, which stands in records, files and volumes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.inference.belonging import (
    origin_of,
    require_belongs,
    require_one_run,
    require_result_image,
    require_scales_fit,
    require_unit_range,
)
from InvertibleFusionLib.inference.plan import Plan, Settings, exact_plan, free_plan
from InvertibleFusionLib.inference.record import FORWARD_TASKS, ForwardRecord
from InvertibleFusionLib.inference.slice_engine import Outputs
from InvertibleFusionLib.inference.sources import PreparedSources, fit_scale
from InvertibleFusionLib.inference.synthesis import SYNTHETIC
from InvertibleFusionLib.models.card_in_words import is_contrast
from InvertibleFusionLib.models.model import InvertibleFusionNetwork, InvertibleSynthesisNetwork, Model
from InvertibleFusionLib.volumes.grid import require_same_grid
from InvertibleFusionLib.volumes.intensity import IDENTITY_SCALE
from InvertibleFusionLib.volumes.slices import SliceStack
from InvertibleFusionLib.volumes.suitability import require_image
from InvertibleFusionLib.volumes.volume import Volume


@dataclass(frozen=True)
class WayBack:
    """What to compute for every slice, and what to call what comes out.

    Attributes:
        kind: of the results, which begins the names of their files.
        title: makes a result's name from its source's.
        spread_title: the same for the spread; None where there is none.
        settings: for the record.
        synthetic: whether the results are a network's guess.
        origin: how the images were made.
        stack: how they are cut into slices.
        plan: where and how to compute.
        load: slice index to the network's input, (channels, rows, columns).
        compute: network, inputs and slice indices to sources and their spread where there is one.
        warnings: what to know of the results before believing them.
    """

    kind: str
    title: Callable[[str], str]
    spread_title: Callable[[str], str] | None
    settings: dict[str, Any]
    synthetic: bool
    origin: ForwardRecord
    stack: SliceStack
    plan: Plan
    load: Callable[[int], NDArray[Any]]
    compute: Callable[[Any, Tensor, Sequence[int]], Outputs]
    warnings: Sequence[str] = ()


def exact(
    model: Model, network: InvertibleFusionNetwork, image: Volume, latent: Volume, certify: bool, settings: Settings
) -> WayBack:
    """The true inverse of a fusion: the latent through the network backwards. The image is checked against it."""
    origin, stack = _fusion_origin(model, network, image, [image, latent])
    require_belongs([image], latent, stack, origin, network.sources, network.image)
    return WayBack(
        kind="exact",
        title=lambda source: source,
        spread_title=None,
        settings={"way": "exact", "certify": certify},
        synthetic=False,
        origin=origin,
        stack=stack,
        plan=exact_plan(_with_the_kernel_that_fused(settings, origin), double=certify),
        load=_latent_of(latent, stack),
        compute=_inverse,
    )


def image_alone(
    model: Model, network: InvertibleFusionNetwork, image: Volume, samples: int, seed: int, settings: Settings
) -> WayBack:
    """What a fused image alone tells: mean and spread over draws of what it does not tell."""
    origin, stack = _fusion_origin(model, network, image, [image])
    slices = stack.slices(image.array)

    def load(index: int) -> NDArray[Any]:
        return stack.pad(slices[index].astype(np.float32))[None]

    def compute(network: InvertibleFusionNetwork, inputs: Tensor, indices: Sequence[int]) -> Outputs:
        seeds = [int(np.random.SeedSequence([seed, index]).generate_state(1)[0]) for index in indices]
        mean, spread = network.decompose(inputs, samples=samples, seeds=seeds)
        return (mean,) if spread is None else (mean, spread)

    return WayBack(
        kind="mean",
        title=lambda source: f"{source}, mean from the fused image alone",
        spread_title=(lambda source: f"{source}, spread from the fused image alone") if samples > 1 else None,
        settings={"way": "image alone", "samples": samples, "seed": seed},
        synthetic=False,
        origin=origin,
        stack=stack,
        plan=free_plan(settings, stack.padded_shape[0] * stack.padded_shape[1]),
        load=load,
        compute=compute,
    )


def round_trip(
    model: Model, network: InvertibleSynthesisNetwork, images: Sequence[Volume], latent: Volume, settings: Settings
) -> WayBack:
    """A synthesis network's own full output backwards: exact, and no proof that the synthetic image is right."""
    for image, components in zip(images, network.outputs, strict=True):
        require_result_image(image, components, "synthetic")
    origin = origin_of(model, images[0], [*images, latent])
    require_one_run(images, origin)
    stack = _stack(model, origin, images)
    require_belongs(images, latent, stack, origin, network.channels, network.images)
    return WayBack(
        kind="round-trip",
        title=lambda source: f"{source}, round trip of the network's own output",
        spread_title=None,
        settings={"way": "round trip"},
        synthetic=False,
        origin=origin,
        stack=stack,
        plan=exact_plan(settings, double=False),
        load=_latent_of(latent, stack),
        compute=_inverse,
    )


def target_alone(
    model: Model, network: InvertibleSynthesisNetwork, images: Sequence[Volume], settings: Settings
) -> WayBack:
    """What target images alone tell, synthetic ones or scans: f⁻¹ of their copies.

    A scan is brought to [0, 1] by the model's intensity scale; what was synthesized lies there already.
    """
    synthetic = [(image.record or {}).get("task") in (*FORWARD_TASKS, "decompose") for image in images]
    made = [image for image, ours in zip(images, synthetic, strict=True) if ours]
    for image, components, ours in zip(images, network.outputs, synthetic, strict=True):
        if ours:
            require_result_image(image, components, "synthetic")
        else:
            require_image(image, components)
    origin = origin_of(model, (made or images)[0], made)
    require_one_run(images, origin)
    for image in made:
        require_unit_range(image, "synthetic")
    stack = _stack(model, origin, images)
    scales = [
        IDENTITY_SCALE if ours else fit_scale(model, image, stack)
        for image, ours in zip(images, synthetic, strict=True)
    ]
    names = " + ".join(image.name for image in images)
    targets = PreparedSources(list(images), list(images), scales, stack, images[0].name)

    def compute(network: InvertibleSynthesisNetwork, inputs: Tensor, indices: Sequence[int]) -> Outputs:
        return (network.sources_from_images(inputs),)

    return WayBack(
        kind="from-target",
        title=lambda source: f"{SYNTHETIC} {source}, from the target image {names} alone",
        spread_title=None,
        settings={"way": "target alone", "targets": targets.to_json()},
        synthetic=True,
        origin=origin,
        stack=stack,
        plan=free_plan(settings, stack.padded_shape[0] * stack.padded_shape[1]),
        load=targets.load,
        compute=compute,
        warnings=_contrast_warnings(model, images, synthetic),
    )


def _contrast_warnings(model: Model, images: Sequence[Volume], synthetic: Sequence[bool]) -> list[str]:
    """What to know where scans do not go by the names of the model's outputs; synthetic images have theirs in a record.

    Without the scans' own names, which may be a patient's.
    """
    outputs = model.card.outputs
    named = zip(images, outputs, synthetic, strict=True)
    if all(ours or is_contrast(image.name, output) for image, output, ours in named):
        return []
    order = " in this order" if len(outputs) > 1 else ""
    return [
        f"What was given as {' + '.join(outputs)}, which the model {model.card.name} makes{order}, is not "
        "called so. From other contrasts the way back may show what is not there."
    ]


def _inverse(
    network: InvertibleFusionNetwork | InvertibleSynthesisNetwork, inputs: Tensor, indices: Sequence[int]
) -> Outputs:
    return (network.inverse(inputs),)


def _with_the_kernel_that_fused(settings: Settings, origin: ForwardRecord) -> Settings:
    """Two kernels differ by rounding, which the way back enlarges where values lie far outside [0, 1]."""
    fused: Mapping[str, Any] = origin.data.get("settings", {})
    kernel = fused.get("kernel", "torch")  # older records do not say: they knew torch only
    if settings.kernel != "auto" or fused.get("device") != "cpu" or kernel not in ("products", "torch"):
        return settings
    return replace(settings, kernel=kernel)


def _latent_of(latent: Volume, stack: SliceStack) -> Callable[[int], NDArray[Any]]:
    slices = stack.slices(latent.array)
    return lambda index: np.moveaxis(slices[index], -1, 0)


def _fusion_origin(
    model: Model, network: InvertibleFusionNetwork, image: Volume, carriers: Sequence[Volume]
) -> tuple[ForwardRecord, SliceStack]:
    origin = origin_of(model, image, carriers)
    require_unit_range(image, "fused")
    return origin, _stack(model, origin, [image])


def _stack(model: Model, origin: ForwardRecord, images: Sequence[Volume]) -> SliceStack:
    for image in images[1:]:
        require_same_grid(images[0].grid, image.grid, images[0].name, image.name)
    stack = SliceStack(images[0].grid, origin.slice_axis, model.network.multiple)
    require_scales_fit(origin, stack, images[0])
    return stack
