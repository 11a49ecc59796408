"""The user's choices as the library takes them."""

from typing import Any

from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionPanel.parameters import Task, Way, WriteInto

SOURCES = ("firstSource", "secondSource", "thirdSource", "fourthSource")


def chosenSources(parameters: Any, card: ModelCard | None) -> list[Any]:
    """As many nodes as the model takes (two where none is chosen), None where nothing is chosen."""
    count = 2 if card is None else min(len(card.inputs), len(SOURCES))
    return [getattr(parameters, name) for name in SOURCES[:count]]


def referenceNumber(parameters: Any, count: int) -> int:
    """Number from 0 of the source whose grid is taken; the first one where the chosen one is not used."""
    return parameters.reference.value if parameters.reference.value < count else 0


def goesBack(parameters: Any) -> bool:
    """Whether a fusion is followed by its decomposition."""
    return parameters.task is Task.FUSE and bool(wantedKinds(parameters))


def wantedKinds(parameters: Any) -> tuple[str, ...]:
    """What of a decomposition is wanted; the exact way has no spread."""
    spread = parameters.wantSpread and parameters.way is Way.IMAGE_ALONE
    wanted = {"decomposed": parameters.wantDecomposed, "difference": parameters.wantDifference, "spread": spread}
    return tuple(kind for kind, ticked in wanted.items() if ticked)


def settings(parameters: Any) -> Any:
    """Device, precision and batch."""
    from InvertibleFusionLib.inference.plan import Settings

    return Settings(parameters.device, parameters.precision.value, parameters.batchSize or None)


def forward(parameters: Any, count: int, first: int | None) -> Any:
    """How to fuse or synthesize."""
    from InvertibleFusionLib.mrml.runs import Forward

    return Forward(
        reference=referenceNumber(parameters, count),
        resample=parameters.resample,
        axis=parameters.axis.value,
        certify=parameters.certify and parameters.task is Task.FUSE,
        settings=settings(parameters),
        first=first,
        latent=parameters.keepLatent,
        into=_into(parameters),
    )


def backward(parameters: Any, first: int | None) -> Any:
    """How to take an image apart."""
    from InvertibleFusionLib.mrml.runs import Backward

    exact = parameters.way is Way.EXACT
    return Backward(
        exact=exact,
        samples=parameters.samples,
        seed=parameters.seed,
        certify=parameters.certify and exact,
        settings=settings(parameters),
        first=first,
        kinds=wantedKinds(parameters),
        into=_into(parameters),
    )


def _into(parameters: Any) -> dict[str, Any]:
    from InvertibleFusionLib.mrml.runs import nodes_to_update

    if parameters.writeInto is WriteInto.NEW or parameters.result is None:
        return {}
    return nodes_to_update(parameters.result)
