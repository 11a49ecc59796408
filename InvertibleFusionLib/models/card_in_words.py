"""A model's card as sentences for people who choose a model."""

from collections.abc import Sequence
from typing import Any

from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.synthesis_figures import against_rules, synthetic

FEW_METRICS = 4
"""So many measured figures are told; the command ``models NAME`` shows all of them."""
CALIBRATED_WITHIN = 1.25
"""A spread that needs at most this factor, or its inverse, to be as large as the error is called calibrated."""

HARDLY, ROUGHLY = 0.3, 0.6
"""Below these correlations with the error a spread hardly, or only roughly, shows where errors are."""


def card_in_words(card: ModelCard) -> str:
    """What a model does, is meant for, learnt from and was measured on, one statement a line."""
    verb = "Fuses" if card.task == "fusion" else "Synthesizes"
    made = "" if card.task == "fusion" else f"{' + '.join(card.outputs)} from "
    lines = [f"{verb} {made}{' + '.join(card.inputs)} ({card.architecture}).", card.intended_use]
    if hidden := input_dropout(card):
        lines.append(f"Does without some of its inputs: each was hidden from {hidden:.0%} of what it learnt from.")
    trained = [str(source["name"]) for source in card.training.get("data", [])]
    if trained:
        lines.append(f"Trained on: {'; '.join(trained)}.")
    told = [metric for metric in card.metrics if "mean" in metric and _of_the_model(card, metric)][:FEW_METRICS]
    lines += [f"{metric['name']}: {metric['mean']:.3g} ± {metric['standard_deviation']:.2g}" for metric in told]
    lines += against_rules(card)
    if told:
        lines.append(f"Measured on: {told[0]['data']}.")
    return "\n".join(lines)


def _of_the_model(card: ModelCard, metric: dict[str, Any]) -> bool:
    """Whether a figure is of the model's own images, not of what stands in their place or of the way back."""
    return card.task == "fusion" or str(metric["name"]).startswith(synthetic(""))


def contrast_warning(card: ModelCard, names: Sequence[str], given: Sequence[str] | None = None) -> str:
    """A sentence where the sources do not go by the names of the contrasts that the model was trained on; else empty.

    So is one where inputs are left out.

    Args:
        card: of the model.
        names: of the chosen sources, in their order. A longer name that has the contrast among its words will do.
        given: the inputs that they are, where the model does without the others; None for all of them.
    """
    inputs = card.inputs if given is None else given
    left_out = [name for name in card.inputs if name not in inputs]
    without = f"{card.name} learnt to do without {' + '.join(left_out)}, less well." if left_out else ""
    if len(names) == len(inputs) and all(map(is_contrast, names, inputs)):
        return without
    trained = (
        f"{card.name} was trained on {' + '.join(inputs)}, in this order; the sources are called {' + '.join(names)}."
    )
    if card.task == "fusion":
        return f"{trained} They come back exactly all the same, but the fused image may be less good."
    return f"{trained} From other contrasts the synthetic image may show what is not there. {without}".rstrip()


def input_dropout(card: ModelCard) -> float:
    """The probability with which each input was hidden in training; 0 where the model never did without one."""
    settings = card.training.get("settings") or {}
    return float((settings.get("loss") or {}).get("input_dropout", 0.0))


def spread_statement(card: ModelCard) -> str:
    """What the spread of a decomposition tells, and whether it was found to be as large as the error."""
    meaning = "The spread is how much draws of what the fused image alone does not tell differ."
    measured = [metric for metric in card.metrics if "reliability" in metric]
    if not measured:
        return f"{meaning} Whether it is as large as the error was not measured for {card.name}."
    factors = [metric["scale"] for metric in measured]
    if all(factor and 1 / CALIBRATED_WITHIN <= factor <= CALIBRATED_WITHIN for factor in factors):
        size = f"It was about as large as the error where {card.name} was measured."
    else:
        times = " and ".join(f"{factor:.2g}" if factor else "infinitely" for factor in factors)
        size = f"It is not calibrated: errors were {times} times as large where {card.name} was measured."
    return f"{meaning} {size} {spread_place(min(metric['pearson'] for metric in measured))}"


def spread_place(correlation: float) -> str:
    """Whether a spread shows where errors are large, from its linear correlation with the absolute error.

    A true spread of Gaussian errors does not reach more than √(2/π) = .8, since every error is a single draw.
    """
    how_well = "hardly" if correlation < HARDLY else "roughly" if correlation < ROUGHLY else "well"
    return f"It shows {how_well} where errors are large (correlation {correlation:.2f}; a true spread has up to 0.8)."


def fits_contrasts(card: ModelCard, names: Sequence[Any]) -> bool:
    """Whether the sources go by the names of the model's contrasts, in its order."""
    return not contrast_warning(card, names)


def called_otherwise(name: str, contrast: str, contrasts: Sequence[str]) -> bool:
    """Whether a source that is taken for one contrast goes by the name of another one of these."""
    return not is_contrast(name, contrast) and any(is_contrast(name, other) for other in contrasts)


def is_contrast(name: str, contrast: str) -> bool:
    """Whether a name has the contrast among its words: "sub-03_ADC" is an ADC, "T1Gd" no T1."""
    words = "".join(letter if letter.isalnum() else " " for letter in name.casefold()).split()
    return contrast.casefold() in (name.casefold(), *words)
