"""What is measured on: cases as slices in [0, 1], with where every slice lies in its volume and how to show it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.evaluation.methods import Images, Slice
from InvertibleFusionLib.volumes.grid import IDENTITY_DIRECTION, Grid


@dataclass(frozen=True, eq=False)
class EvaluationCase:
    """The slices of one case that show something.

    Attributes:
        name: of the case; no two share it.
        sources: names of the contrasts that methods get.
        targets: names of the contrasts that they shall synthesize; none for fusion.
        images: (slices, sources and then targets, rows, columns), float32 in [0, 1].
        numbers: of each slice in its volume, from 0; ascending. Of PNG slices, among the files of the case.
        labels: what each slice is called: its number, or the PNG file's name without ending.
        mask: (slices, rows, columns), where the lesion is; None where there is no mask.
        grid: of the volume that the slices were cut from; None for PNG slices.
        axis: array axis along which they were cut.
        scaling: how the images came to [0, 1], in words.
        patient: who it is, since a patient can have several cases; the case's name where empty.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    images: NDArray[np.float32]
    numbers: tuple[int, ...]
    labels: tuple[str, ...]
    mask: NDArray[np.bool_] | None = None
    grid: Grid | None = None
    axis: int = 0
    scaling: str = ""
    patient: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "patient", self.patient or self.name)

    def __len__(self) -> int:
        """How many slices."""
        return len(self.images)

    def slice(self, index: int) -> Slice:
        """Slice ``index`` of those that are there, as methods get it: without its targets."""
        return Slice(self.name, self.patient, self.numbers[index], self.labels[index], self.sources_of(index))

    def sources_of(self, index: int) -> Images:
        """(sources, rows, columns) of slice ``index``."""
        return np.asarray(self.images[index][: len(self.sources)])

    def targets_of(self, index: int) -> Images:
        """(targets, rows, columns) of slice ``index``."""
        return np.asarray(self.images[index][len(self.sources) :])

    def lesion_of(self, index: int) -> NDArray[np.bool_] | None:
        """(rows, columns) of slice ``index``; None where the case has no mask or the slice no lesion."""
        if self.mask is None or not self.mask[index].any():
            return None
        return np.asarray(self.mask[index])


def one_case(
    name: str,
    sources: Sequence[str],
    images: Images,
    targets: Sequence[str] = (),
    mask: NDArray[np.bool_] | None = None,
) -> EvaluationCase:
    """A case of slices that are already in memory and in [0, 1].

    Args:
        name: of the case.
        sources: names of the contrasts that methods get.
        images: (slices, sources and then targets, rows, columns).
        targets: names of the contrasts that methods shall synthesize.
        mask: (slices, rows, columns), where the lesion is.
    """
    numbers = tuple(range(len(images)))
    labels = tuple(map(str, numbers))
    grid = Grid((images.shape[3], images.shape[2], len(images)), (1, 1, 1), (0, 0, 0), IDENTITY_DIRECTION)
    return EvaluationCase(name, tuple(sources), tuple(targets), images, numbers, labels, mask, grid)
