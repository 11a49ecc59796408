"""Rules that learn nothing, or next to nothing: what every model must beat before it is worth its name.

For fusion the mean, the maximum and the Laplacian pyramid; for synthesis a copy of each source, a linear fit and a
lookup table. The last two are fitted on patients who are named, never on one who is measured.
"""

from collections.abc import Sequence

import numpy as np

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.laplacian_pyramid import LEVELS, fuse_by_laplacian_pyramid
from InvertibleFusionLib.evaluation.methods import Method
from InvertibleFusionLib.training.fitted_rules import fit_linear, fit_lookup_table


def fusion_rules() -> list[Method]:
    """Mean, maximum and Laplacian pyramid."""
    return [
        Method(
            "mean",
            lambda given: given.sources.mean(axis=0, keepdims=True),
            description="mean of the sources",
            trivial=True,
        ),
        Method(
            "maximum", lambda given: given.sources.max(axis=0, keepdims=True), description="larger source", trivial=True
        ),
        Method(
            "Laplacian pyramid",
            lambda given: fuse_by_laplacian_pyramid(given.sources)[None],
            description=f"{LEVELS} levels (Burt and Adelson 1983), larger band coefficient, mean of the lowest level",
            trivial=True,
        ),
    ]


def synthesis_rules(
    sources: Sequence[str], targets: Sequence[str], fitted_on: Sequence[EvaluationCase] = ()
) -> list[Method]:
    """A copy of each source; with cases to fit on, a linear fit and a lookup table, too.

    Args:
        sources: names of the contrasts that are given.
        targets: names of those that shall be synthesized.
        fitted_on: cases of other patients than those who will be measured.

    Raises:
        ConfigurationError: when a case to fit on has other contrasts.
    """
    rules = [_copy(number, name, len(targets)) for number, name in enumerate(sources)]
    if not fitted_on:
        return rules
    for case in fitted_on:
        if (case.sources, case.targets) != (tuple(sources), tuple(targets)):
            raise ConfigurationError(
                f"{case.name} has {' + '.join(case.sources)} → {' + '.join(case.targets)}; rules cannot be fitted on "
                f"it for {' + '.join(sources)} → {' + '.join(targets)}."
            )
    slices = [(case.sources_of(index), case.targets_of(index)) for case in fitted_on for index in range(len(case))]
    linear = fit_linear(slices)
    table = fit_lookup_table(slices, linear)
    patients = frozenset(case.patient for case in fitted_on)
    where = f"fitted on {', '.join(sorted(patients))}"
    return [
        *rules,
        Method(
            "linear fit",
            lambda given: linear(given.sources),
            description=f"least squares with an offset, voxel by voxel, {where}",
            trivial=True,
            fitted_on=patients,
        ),
        Method(
            "lookup table",
            lambda given: table(given.sources),
            description=f"mean target of voxels with the same sources, {table.cells} cells a source, {where}",
            trivial=True,
            fitted_on=patients,
        ),
    ]


def _copy(number: int, name: str, targets: int) -> Method:
    return Method(
        f"copy of {name}",
        lambda given: np.repeat(given.sources[number : number + 1], targets, axis=0),
        description=f"{name} in place of the target",
        trivial=True,
    )
