"""The user's choices as the library takes them."""

from dataclasses import dataclass
from typing import Any

from InvertibleFusionLib.errors import RecordMismatchError
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.card_in_words import input_dropout
from InvertibleFusionLib.mrml.provenance import is_synthetic, record_of
from InvertibleFusionPanel.parameters import Task, Way, WriteInto

SOURCES = ("firstSource", "secondSource", "thirdSource", "fourthSource")


@dataclass(frozen=True)
class Sources:
    """The chosen sources as a run takes them.

    Attributes:
        nodes: in the order of the model's inputs; None where one is still to be chosen.
        reference: number from 0 of the one whose grid is taken; the first one where the chosen one is not used.
        given: the inputs of the model that they are, where it does without the others; None where none is left out.
        inspectable: whether the model shows on what grounds it makes its images.
    """

    nodes: list[Any]
    reference: int
    given: tuple[str, ...] | None = None
    inspectable: bool = False


def sourcesOf(parameters: Any, card: ModelCard | None) -> Sources:
    """The chosen sources; a model that learnt to do without some of its inputs gets those that are chosen."""
    nodes = _chosen(parameters, card)
    reference = parameters.reference.value if parameters.reference.value < len(nodes) else 0
    there = [number for number, node in enumerate(nodes) if node is not None]
    if card is None or not 0 < len(there) < len(nodes) or input_dropout(card) == 0:
        return Sources(nodes, reference, inspectable=showsGrounds(card))
    number = there.index(reference) if reference in there else 0
    given = tuple(card.inputs[each] for each in there)
    return Sources([nodes[each] for each in there], number, given, showsGrounds(card))


def showsGrounds(card: ModelCard | None) -> bool:
    """Whether a model has a pseudo-target and statistics of AdaIN to show."""
    return card is not None and card.architecture == "disentangled-gan"


def goesBack(parameters: Any) -> bool:
    """Whether a fusion is followed by its decomposition."""
    return parameters.task is Task.FUSE and bool(wantedKinds(parameters))


def wantedKinds(parameters: Any) -> tuple[str, ...]:
    """What of a decomposition is wanted; there is a spread where draws are made only."""
    spread = parameters.wantSpread and draws(parameters)
    wanted = {"decomposed": parameters.wantDecomposed, "difference": parameters.wantDifference, "spread": spread}
    return tuple(kind for kind, ticked in wanted.items() if ticked)


def goesBackFromSynthetic(parameters: Any) -> bool:
    """Whether the image that is to be taken apart is a synthetic one, whose ways back have names of their own."""
    if parameters.task is not Task.DECOMPOSE or parameters.result is None:
        return False
    try:
        record = record_of(parameters.result)
    except RecordMismatchError:
        return False
    return record is not None and is_synthetic(record)


def draws(parameters: Any) -> bool:
    """Whether the way back makes draws: that from a fused image alone does, and no other."""
    return parameters.way is Way.IMAGE_ALONE and not goesBackFromSynthetic(parameters)


def certifiable(parameters: Any) -> bool:
    """Whether the way back can be certified: the exact one from a fused image can."""
    return parameters.way is Way.EXACT and not goesBackFromSynthetic(parameters)


def settings(parameters: Any) -> Any:
    """Device, precision and batch."""
    from InvertibleFusionLib.inference.plan import Settings

    return Settings(parameters.device, parameters.precision.value, parameters.batchSize or None)


def forward(parameters: Any, sources: Sources, first: int | None) -> Any:
    """How to fuse or synthesize."""
    from InvertibleFusionLib.mrml.runs import Forward

    return Forward(
        reference=sources.reference,
        resample=parameters.resample,
        axis=parameters.axis.value,
        certify=parameters.certify and parameters.task is Task.FUSE,
        settings=settings(parameters),
        first=first,
        latent=parameters.keepLatent,
        given=sources.given,
        inspect=parameters.wantGrounds and sources.inspectable,
        into=_into(parameters),
    )


def backward(parameters: Any, first: int | None) -> Any:
    """How to take an image apart."""
    from InvertibleFusionLib.mrml.runs import Backward

    return Backward(
        exact=parameters.way is Way.EXACT,
        samples=parameters.samples,
        seed=parameters.seed,
        certify=parameters.certify and certifiable(parameters),
        settings=settings(parameters),
        first=first,
        kinds=wantedKinds(parameters),
        into=_into(parameters),
    )


def _chosen(parameters: Any, card: ModelCard | None) -> list[Any]:
    """As many nodes as the model takes (two where none is chosen), None where nothing is chosen."""
    count = 2 if card is None else min(len(card.inputs), len(SOURCES))
    return [getattr(parameters, name) for name in SOURCES[:count]]


def _into(parameters: Any) -> dict[str, Any]:
    from InvertibleFusionLib.mrml.runs import nodes_to_update

    if parameters.writeInto is WriteInto.NEW or parameters.result is None:
        return {}
    return nodes_to_update(parameters.result)
