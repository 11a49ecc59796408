"""What is compared: anything with a name that makes images of a slice's sources, and perhaps takes them apart again.

best = Method("best of all", make=lambda given: given.sources.max(axis=0, keepdims=True))
ours = model_method(load_model("fusioninn-t1gd-flair"), "fusioninn-t1gd-flair")
results = measure([*fusion_rules(), best, ours], cases)

Tables, files and the page of ``evaluate`` are made of what ``measure`` gives.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.inference.given_sources import present_inputs
from InvertibleFusionLib.inference.kernel_choice import with_kernel
from InvertibleFusionLib.inference.plan import Settings, exact_plan
from InvertibleFusionLib.inference.synthesis_grounds import from_some
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.model import (
    InvertibleFusionNetwork,
    InvertibleSynthesisNetwork,
    Model,
    SynthesisNetwork,
)
from InvertibleFusionLib.training.validation import padded

Images = NDArray[np.float32]
"""(images, rows, columns), about [0, 1]."""


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice as a method gets it.

    Attributes:
        case: what the case is called.
        patient: who it is.
        number: of the slice in its volume, from 0; among the files of its case for PNG.
        label: what the slice is called: its number, or the PNG file's name without ending.
        sources: (sources, rows, columns) in [0, 1].
    """

    case: str
    patient: str
    number: int
    label: str
    sources: Images


@dataclass(frozen=True, eq=False)
class TakenApart:
    """The sources again, as a method tells them from the images that it made of them.

    Attributes:
        sources: (sources, rows, columns).
        spread: what the method itself calls uncertain, a standard deviation; the same shape. None where it says
            nothing.
    """

    sources: Images
    spread: Images | None


Make = Callable[[Slice], Images]
"""Sources to the fused image, (1, rows, columns), or to the synthetic images, (targets, rows, columns)."""
TakeApart = Callable[[Images, Slice, int], TakenApart]
"""Images, the slice (for its number, as a seed; not for its sources) and how many draws to make, to the sources."""


@dataclass(frozen=True, eq=False)
class Method:
    """One way of fusing or synthesizing.

    Attributes:
        name: in tables; no two methods of one comparison share it.
        make: the images of one slice. The results are clipped to [0, 1] before they are measured.
        take_apart: the way back from the images alone; None where there is none.
        description: one sentence for the report.
        trivial: a rule that learnt nothing, which everything else must beat.
        fitted_on: patients that it was fitted on; it is never measured on them.
        card: of a model.
    """

    name: str
    make: Make
    take_apart: TakeApart | None = None
    description: str = ""
    trivial: bool = False
    fitted_on: frozenset[str] = frozenset()
    card: ModelCard | None = None


def model_method(model: Model, name: str, device: str = "auto", given: Sequence[str] | None = None) -> Method:
    """A fusion or synthesis model as a method.

    On a CPU, FusionINN runs on the kernels that ``fuse`` uses. Slices are padded as the slice engine does.

    Args:
        model: of either task.
        name: in tables.
        device: where to run.
        given: which inputs of a synthesis model the slices hold, in its order; all where None.

    Raises:
        ConfigurationError: for a device that torch does not know, or some inputs alone where the network needs all.
        InferenceError: for one that this computer does not have.
    """
    if isinstance(model.network, SynthesisNetwork):
        return _synthesis_method(model, name, device, model.card.inputs if given is None else given)
    network, card = _placed(model.network, device), model.card

    def take_apart(images: Images, given: Slice, samples: int) -> TakenApart:
        rows, columns = images.shape[1:]
        with torch.inference_mode():
            mean, spread = network.decompose(padded(images, network), samples=samples, seeds=[given.number])
        return TakenApart(_plain(mean, rows, columns), None if spread is None else _plain(spread, rows, columns))

    invertible = isinstance(model.network, InvertibleFusionNetwork)
    return Method(
        name,
        lambda given: _run(network, given.sources, _fuse(network)),
        take_apart if invertible else None,
        f"{card.architecture}, trained on {' + '.join(card.inputs)}",
        card=card,
    )


def _synthesis_method(model: Model, name: str, device: str, given: Sequence[str]) -> Method:
    card, present = model.card, present_inputs(model, given)
    if not all(present):
        model.subset_synthesis_network  # noqa: B018 - raises
    network = _placed(model.network, device)

    def make(given: Slice) -> Images:
        if all(present):
            return _run(network, given.sources, network.synthesize)
        return _run(network, given.sources, lambda sources: from_some(network, sources, present, False)[0])

    def take_apart(images: Images, given: Slice, samples: int) -> TakenApart:
        return TakenApart(_run(network, images, network.sources_from_images), None)

    invertible = isinstance(model.network, InvertibleSynthesisNetwork)
    there = [name for name, kept in zip(card.inputs, present, strict=True) if kept]
    alone = "" if all(present) else f", given {' + '.join(there)} alone"
    description = f"{card.architecture}, trained on {' + '.join(card.inputs)} → {' + '.join(card.outputs)}{alone}"
    return Method(name, make, take_apart if invertible else None, description, card=card)


def require_same_task(
    models: Sequence[Model],
    contrasts: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    given: Sequence[str] | None = None,
) -> tuple[list[str], list[str]]:
    """Check that models can be compared, and say what their sources and targets are called.

    Args:
        models: one or more.
        contrasts: names of the sources; those of the first model where None.
        targets: names of what is synthesized; those of the first model where None.
        given: which inputs of synthesis models there are; all where None.

    Returns:
        Sources and targets; a colour image as its channels NAME-R, NAME-G and NAME-B. Fusion has no targets.

    Raises:
        ConfigurationError: when models take or make different numbers of images, or the same in another order; names
            are too few or too many; or inputs that are given are none.
    """
    first, inputs = models[0], [_inputs(model, given) for model in models]
    for model, taken in zip(models, inputs, strict=True):
        same = [channels for _, channels in taken] == [channels for _, channels in inputs[0]]
        names = [[name.casefold() for name, _ in each] for each in (taken, inputs[0])]
        turned = names[0] != names[1] and sorted(names[0]) == sorted(names[1])
        if not same or turned or _target_channels(model) != _target_channels(first):
            raise ConfigurationError(
                f"{first.card.name} makes {' + '.join(first.card.outputs)} from {' + '.join(first.card.inputs)}, "
                f"{model.card.name} {' + '.join(model.card.outputs)} from {' + '.join(model.card.inputs)}: they cannot "
                "be compared. Measure them one by one."
            )
    default = [name for name, _ in inputs[0]]
    sources = _channel_names(default if contrasts is None else contrasts, [c for _, c in inputs[0]], "contrasts")
    made = _target_channels(first)
    default = first.card.outputs if made else []
    return sources, _channel_names(default if targets is None else targets, made, "targets")


def _inputs(model: Model, given: Sequence[str] | None) -> list[tuple[str, int]]:
    """Names and channels of the inputs that there are, in the model's order."""
    every = list(zip(model.card.inputs, model.source_channels, strict=True))
    if given is None:
        return every
    if not isinstance(model.network, SynthesisNetwork):
        raise ConfigurationError(f"{model.card.name} fuses all of its sources: none of them can be left out.")
    return [each for each, there in zip(every, present_inputs(model, given), strict=True) if there]


def _target_channels(model: Model) -> tuple[int, ...]:
    return model.network.outputs if isinstance(model.network, SynthesisNetwork) else ()


def _channel_names(names: Sequence[str], channels: Sequence[int], what: str) -> list[str]:
    if len(names) != len(channels):
        given = ", ".join(names) or "none"
        raise ConfigurationError(f"The models have {len(channels)} {what}, but {len(names)} are named: {given}.")
    return [
        each
        for name, count in zip(names, channels, strict=True)
        for each in ([name] if count == 1 else [f"{name}-{colour}" for colour in "RGB"])
    ]


def _fuse(network: Any) -> Callable[[Tensor], Tensor]:
    return lambda sources: network.image(network(sources))


def _run(network: Any, images: Images, what: Callable[[Tensor], Tensor]) -> Images:
    with torch.inference_mode():
        return _plain(what(padded(images, network)), *images.shape[1:])


def _plain(images: Tensor, rows: int, columns: int) -> Images:
    array: NDArray[Any] = images[0, :, :rows, :columns].float().cpu().numpy()
    return array.astype(np.float32)


def _placed(network: Any, device: str) -> Any:
    """The network where it shall run, with the fastest kernel that knows it."""
    plan = exact_plan(Settings(device=device), double=False)
    if plan.kernel == "torch":
        return copy.deepcopy(network).to(plan.device)
    return with_kernel(network, plan.kernel, plan.dtype) or network
