"""What training sees of patients: their slices, and the stock of patients that a source gives to draw from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PatientSlices:
    """The selected axial slices of one patient in one set of contrasts.

    Attributes:
        patient: the folder, the name in the manifest, or what else tells who it is.
        images: (slices, contrasts, rows, columns), float32, scaled; at least one slice. May be memory-mapped.
        mask: (slices, rows, columns), bool, where the lesion is; None where there is no mask.
        contrasts: what the images are.
    """

    patient: str
    images: NDArray[np.float32]
    mask: NDArray[np.bool_] | None = None
    contrasts: tuple[str, ...] = ()


class Stock(Protocol):
    """Patients to draw from."""

    @property
    def weight(self) -> float:
        """How often this stock is drawn from, relative to others."""

    def draw(self, index: int, generator: np.random.Generator) -> PatientSlices:
        """One patient's slices, for the sample ``index``; the same for the same index and state of the generator."""

    def everyone(self) -> list[PatientSlices]:
        """The slices of all patients, in all their sets of contrasts."""


@dataclass(frozen=True, eq=False)
class LoadedStock:
    """Patients that have been read.

    Attributes:
        weight: how often this stock is drawn from, relative to others.
        patients: for each patient the slices of all studies and sets of contrasts; drawn evenly, patients first.
    """

    weight: float
    patients: Sequence[Sequence[PatientSlices]]

    def draw(self, index: int, generator: np.random.Generator) -> PatientSlices:
        """One patient's slices; the index does not matter."""
        of_patient = self.patients[int(generator.integers(len(self.patients)))]
        return of_patient[int(generator.integers(len(of_patient)))]

    def everyone(self) -> list[PatientSlices]:
        """The slices of all patients, in all their sets of contrasts."""
        return [slices for of_patient in self.patients for slices in of_patient]
