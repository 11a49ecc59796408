"""How much every network may learn, and how much is measured."""

from dataclasses import dataclass

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.experiments.definition import Experiment

BATCH = 4
"""Crops in a step."""


@dataclass(frozen=True)
class Budget:
    """One for all methods of an experiment.

    Attributes:
        name: as it was asked for.
        steps: optimization steps of each network.
        middle: slices in the middle of each patient that are learnt from.
        measured: slices of each case that are measured, spread evenly.
    """

    name: str
    steps: int
    middle: int
    measured: int


def budget_for(experiment: Experiment, text: str) -> Budget:
    """The budget that "quick", "standard" or a number of steps stands for.

    Raises:
        ConfigurationError: for anything else.
    """
    if text == "quick":
        return Budget(text, experiment.quick, 20, 6)
    if text == "standard":
        return Budget(text, experiment.standard, 80, 40)
    if not text.isdecimal() or int(text) < 1:
        raise ConfigurationError(f"A budget is quick, standard or a number of optimization steps, not {text!r}.")
    return Budget(text, int(text), 80, 40)
