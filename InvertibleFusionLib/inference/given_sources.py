"""Which of a model's inputs are there: sources in any order, named, and some of them missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.card_in_words import input_dropout
from InvertibleFusionLib.models.model import Model, SubsetSynthesisNetwork
from InvertibleFusionLib.volumes.volume import Volume


@dataclass(frozen=True)
class GivenSources:
    """Sources in the order of the model's inputs.

    Attributes:
        volumes: those that are there.
        reference: number of the one, from 0, whose grid the results have.
        present: of each input of the model, whether it is there.
    """

    volumes: list[Volume]
    reference: int
    present: tuple[bool, ...]

    @property
    def complete(self) -> bool:
        """Whether no input is missing."""
        return all(self.present)


def given_sources(model: Model, sources: Sequence[Volume], reference: int, given: Sequence[str] | None) -> GivenSources:
    """Sources in the order of the model's inputs.

    Args:
        model: a synthesis model.
        sources: volumes.
        reference: number of one of them, from 0.
        given: of each the input of the model that it is, small letters or capitals; None for all inputs in their order.

    Raises:
        ConfigurationError: for names that are none of the model's inputs, or not one for each source; for fewer
            sources than inputs without names where the model could do with those.
    """
    inputs = model.card.inputs
    if given is None:
        if 0 < len(sources) < len(inputs) and isinstance(model.network, SubsetSynthesisNetwork):
            raise ConfigurationError(
                f"{model.card.name} makes {' + '.join(model.card.outputs)} from {', '.join(inputs)}, all or some of "
                f"them; {len(sources)} were given. Say which these are, such as --given {inputs[0]}."
            )
        return GivenSources(list(sources), reference, (True,) * len(inputs))
    if len(given) != len(sources):
        raise ConfigurationError(
            f"{len(sources)} sources are called {', '.join(given)}. Name each of them once, as one of the inputs of "
            f"{model.card.name}: {', '.join(inputs)}."
        )
    present = present_inputs(model, given)
    if not 0 <= reference < len(sources):
        raise ConfigurationError(f"There is no source {reference + 1} to resample onto; there are {len(sources)}.")
    known = [name.casefold() for name in inputs]
    order = sorted(range(len(sources)), key=lambda number: known.index(given[number].casefold()))
    return GivenSources([sources[number] for number in order], order.index(reference), present)


def present_inputs(model: Model, given: Sequence[str]) -> tuple[bool, ...]:
    """Of each input of a model, whether it is among those that are given, small letters or capitals.

    Raises:
        ConfigurationError: for names that are none of the model's inputs, a name twice, or none at all.
    """
    known = [name.casefold() for name in model.card.inputs]
    names = [name.casefold() for name in given]
    if not names or len(set(names)) < len(names) or not set(names) <= set(known):
        raise ConfigurationError(
            f"Given: {', '.join(given) or 'nothing'}. Name each source once, as one of the inputs of "
            f"{model.card.name}: {', '.join(model.card.inputs)}."
        )
    return tuple(name in names for name in known)


def missing_warning(model: Model, present: Sequence[bool]) -> str:
    """What to know of a synthesis from some of the inputs; empty where none is missing."""
    missing = [name for name, there in zip(model.card.inputs, present, strict=True) if not there]
    if not missing:
        return ""
    if input_dropout(model.card) > 0:
        return f"Made without {' + '.join(missing)}, which the model learnt to do without."
    return (
        f"Made without {' + '.join(missing)}, though the model {model.card.name} never learnt to do without an input. "
        "Take a model that was trained with input dropout."
    )
