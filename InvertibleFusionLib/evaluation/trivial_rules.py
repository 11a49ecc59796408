"""Rules that learn nothing, or next to nothing: what every model must beat before it is worth its name.

For fusion the mean, the maximum and the Laplacian pyramid; for synthesis a copy of each source, a linear fit and a
lookup table. The last two are fitted on patients who are named, never on one who is measured.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.laplacian_pyramid import LEVELS, fuse_by_laplacian_pyramid
from InvertibleFusionLib.evaluation.methods import Images, Method

CELLS = {1: 256, 2: 64, 3: 24}
"""Of a lookup table, for each of so many sources; 12 for more."""


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
    linear = fit_linear(fitted_on)
    table = fit_lookup_table(fitted_on, linear)
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


@dataclass(frozen=True, eq=False)
class LinearFit:
    """target = offset + Σ weight · source, voxel by voxel.

    Attributes:
        weights: (targets, 1 + sources), offsets first.
    """

    weights: NDArray[np.float64]

    def __call__(self, sources: Images) -> Images:
        """(sources, rows, columns) to (targets, rows, columns)."""
        made = np.tensordot(self.weights[:, 1:], sources, 1) + self.weights[:, :1, None]
        return np.asarray(made, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class LookupTable:
    """The mean target of all voxels whose sources fall into the same cell; cells that were not seen ask the linear fit.

    Attributes:
        cells: along each source, evenly over [0, 1].
        means: (targets, cells ** sources); NaN where nothing was seen.
        elsewhere: for cells that were not seen.
    """

    cells: int
    means: NDArray[np.float64]
    elsewhere: LinearFit

    def __call__(self, sources: Images) -> Images:
        """(sources, rows, columns) to (targets, rows, columns)."""
        found = self.means[:, _cell_of(sources, self.cells)]
        return np.asarray(np.where(np.isfinite(found), found, self.elsewhere(sources)), dtype=np.float32)


def fit_linear(cases: Sequence[EvaluationCase]) -> LinearFit:
    """Least squares over all voxels of all slices, by the normal equations; of several solutions the smallest."""
    count = len(cases[0].sources)
    squares = np.zeros((count + 1, count + 1))
    products = np.zeros((count + 1, len(cases[0].targets)))
    for sources, targets in _slices(cases):
        rows = np.concatenate((np.ones((1, *sources.shape[1:])), sources)).reshape(count + 1, -1)
        squares += rows @ rows.T
        products += rows @ targets.reshape(len(targets), -1).T
    weights: NDArray[np.float64] = np.linalg.lstsq(squares, products, rcond=None)[0].T.astype(np.float64)
    return LinearFit(weights)


def fit_lookup_table(cases: Sequence[EvaluationCase], elsewhere: LinearFit) -> LookupTable:
    """The mean target in every cell, over all voxels of all slices."""
    count, targets = len(cases[0].sources), len(cases[0].targets)
    cells = CELLS.get(count, 12)
    sums, seen = np.zeros((targets, cells**count)), np.zeros(cells**count)
    for sources, wanted in _slices(cases):
        place = _cell_of(sources, cells).ravel()
        seen += np.bincount(place, minlength=cells**count)
        for number, target in enumerate(wanted):
            sums[number] += np.bincount(place, target.ravel(), minlength=cells**count)
    return LookupTable(cells, np.where(seen > 0, sums / np.maximum(seen, 1), np.nan), elsewhere)


def _copy(number: int, name: str, targets: int) -> Method:
    return Method(
        f"copy of {name}",
        lambda given: np.repeat(given.sources[number : number + 1], targets, axis=0),
        description=f"{name} in place of the target",
        trivial=True,
    )


def _slices(cases: Sequence[EvaluationCase]) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    for case in cases:
        for index in range(len(case)):
            yield case.sources_of(index).astype(np.float64), case.targets_of(index).astype(np.float64)


def _cell_of(sources: NDArray[np.floating], cells: int) -> NDArray[np.intp]:
    """One number for each voxel: its sources' cells as the digits of a number."""
    place = np.zeros(sources.shape[1:], np.intp)
    for source in sources:
        place = place * cells + np.clip((source * cells).astype(np.intp), 0, cells - 1)
    return place
