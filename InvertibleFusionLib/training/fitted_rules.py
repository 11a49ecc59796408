"""Rules of synthesis that need a fit: a linear one and a lookup table, voxel by voxel.

Hardly anything is learnt by them, so that a model which is not clearly better has not learnt much either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELLS = {1: 256, 2: 64, 3: 24}
"""Of a lookup table, for each of so many sources; 12 for more."""
Images = NDArray[np.float32]
"""(images, rows, columns), about [0, 1]."""
Pairs = Sequence[tuple[Images, Images]]
"""Slices: sources and targets of each."""


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


def fit_linear(slices: Pairs) -> LinearFit:
    """Least squares over all voxels of all slices, by the normal equations; of several solutions the smallest."""
    count = len(slices[0][0])
    squares = np.zeros((count + 1, count + 1))
    products = np.zeros((count + 1, len(slices[0][1])))
    for sources, targets in slices:
        rows = np.concatenate((np.ones((1, *sources.shape[1:])), sources)).reshape(count + 1, -1)
        squares += rows @ rows.T
        products += rows @ targets.reshape(len(targets), -1).astype(np.float64).T
    weights: NDArray[np.float64] = np.linalg.lstsq(squares, products, rcond=None)[0].T.astype(np.float64)
    return LinearFit(weights)


def fit_lookup_table(slices: Pairs, elsewhere: LinearFit) -> LookupTable:
    """The mean target in every cell, over all voxels of all slices."""
    count, targets = len(slices[0][0]), len(slices[0][1])
    cells = CELLS.get(count, 12)
    sums, seen = np.zeros((targets, cells**count)), np.zeros(cells**count)
    for sources, wanted in slices:
        place = _cell_of(sources, cells).ravel()
        seen += np.bincount(place, minlength=cells**count)
        for number, target in enumerate(wanted):
            sums[number] += np.bincount(place, target.ravel(), minlength=cells**count)
    return LookupTable(cells, np.where(seen > 0, sums / np.maximum(seen, 1), np.nan), elsewhere)


def _cell_of(sources: NDArray[np.floating], cells: int) -> NDArray[np.intp]:
    """One number for each voxel: its sources' cells as the digits of a number."""
    place = np.zeros(sources.shape[1:], np.intp)
    for source in sources:
        place = place * cells + np.clip((source * cells).astype(np.intp), 0, cells - 1)
    return place
