"""Phantom patients as an endless source: made when they are drawn, and never more kept than are drawn from.

A phantom takes seconds to make. Where there are more than are kept, samples are drawn from a window of them that moves
on by one patient every so many samples: in the long run all are drawn evenly, and a sample still depends on nothing but
its number.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.phantom import CONTRASTS, Patient, Tissue
from InvertibleFusionLib.training.data.cache import cache_key, cached
from InvertibleFusionLib.training.data.cases import Arrays
from InvertibleFusionLib.training.data.normalization import Normalization
from InvertibleFusionLib.training.data.patients import PatientSlices
from InvertibleFusionLib.training.data.selection import SliceSelection
from InvertibleFusionLib.volumes.grid import Grid

LESION = (Tissue.OEDEMA, Tissue.TUMOUR_RIM, Tissue.TUMOUR_CORE)
WINDOW = 16
"""Patients drawn from at one time."""
SAMPLES_PER_PATIENT = 256
"""After so many samples of a run the window moves on by one patient."""


@dataclass(frozen=True)
class Slab:
    """What is scanned of a phantom: axial slices somewhere in the brain.

    Attributes:
        columns: of a slice.
        rows: of a slice.
        slices: how many.
        spacing: smallest and largest distance of pixels in mm; each patient has another.
        thickness: smallest and largest distance of slices in mm.
        lowest: smallest and largest z of the first slice in mm, LPS; the head reaches from about −60 to 100.
    """

    columns: int = 208
    rows: int = 240
    slices: int = 24
    spacing: tuple[float, float] = (0.85, 1.1)
    thickness: tuple[float, float] = (1.5, 3.0)
    lowest: tuple[float, float] = (-40.0, 20.0)

    def grid(self, generator: np.random.Generator) -> Grid:
        """The grid of one patient."""
        spacing, thickness, z = (
            float(generator.uniform(*limits)) for limits in (self.spacing, self.thickness, self.lowest)
        )
        x, y = (-(n - 1) / 2 * spacing for n in (self.columns, self.rows))
        return Grid((self.columns, self.rows, self.slices), (spacing, spacing, thickness), (x, y, z))


@dataclass(frozen=True, eq=False)
class PhantomStock:
    """Simulated patients; patient k is the phantom of seed ``first_seed`` + k, whose scanner differs from others'.

    Attributes:
        weight: how often this stock is drawn from, relative to others.
        count: how many patients there are.
        first_seed: of patient 0.
        sets: of contrasts; all sets of a patient are scans of the same head, drawn evenly.
        normalize: applied to each contrast's slab.
        selection: of slices; its labels are values of ``phantom.Tissue``.
        cache: folder that keeps them from run to run; None for none.
        slab: what is scanned.

    Raises:
        ConfigurationError: for contrasts that phantoms do not have.
    """

    weight: float
    count: int
    first_seed: int
    sets: Sequence[Sequence[str]]
    normalize: Normalization
    selection: SliceSelection
    cache: Path | None = None
    slab: Slab = Slab()
    _kept: OrderedDict[int, list[PatientSlices]] = field(default_factory=OrderedDict, init=False, repr=False)

    def __post_init__(self) -> None:
        unknown = sorted({name for names in self.sets for name in names} - set(CONTRASTS))
        if unknown:
            raise ConfigurationError(f"Phantoms have no contrast {', '.join(unknown)}, only {', '.join(CONTRASTS)}.")

    def draw(self, index: int, generator: np.random.Generator) -> PatientSlices:
        """The slices of one patient, out of the window that belongs to ``index``."""
        if self.count <= WINDOW:
            number = int(generator.integers(self.count))
        else:
            number = (index // SAMPLES_PER_PATIENT + int(generator.integers(WINDOW))) % self.count
        of_patient = self._patient(number)
        return of_patient[int(generator.integers(len(of_patient)))]

    def everyone(self) -> list[PatientSlices]:
        """The slices of all patients; takes seconds for each."""
        return [slices for number in range(self.count) for slices in self.make(number)]

    def make(self, number: int) -> list[PatientSlices]:
        """The slices of patient ``number`` in all sets of contrasts.

        Raises:
            ConfigurationError: when the selection leaves no slice of the phantom.
        """
        seed = self.first_seed + number
        try:
            arrays = [self._set(seed, names) for names in self.sets]
        except ConfigurationError as error:
            raise ConfigurationError(f"The phantom of seed {seed}: {error}") from error
        pairs = zip(self.sets, arrays, strict=True)
        return [PatientSlices(f"phantom {seed}", *each, tuple(names)) for names, each in pairs]

    def _patient(self, number: int) -> list[PatientSlices]:
        if number not in self._kept:
            self._kept[number] = self.make(number)
        self._kept.move_to_end(number)
        while len(self._kept) > WINDOW + 1:
            self._kept.popitem(last=False)
        return self._kept[number]

    def _set(self, seed: int, names: Sequence[str]) -> Arrays:
        def key() -> str:
            settings = (seed, list(names), self.normalize.description, self.selection, self.slab)
            return cache_key([], phantom=[str(each) for each in settings])

        return cached(self.cache, key, lambda: self._scan(seed, names))

    def _scan(self, seed: int, names: Sequence[str]) -> Arrays:
        grid = self.slab.grid(np.random.default_rng([seed, 2]))
        volumes = Patient.from_seed(seed).acquire_all(names, grid, labels=True)
        images = np.stack([self.normalize(volumes[name].array) for name in names], axis=1)
        labels = volumes["labels"].array
        chosen = self.selection.chosen(images, labels)
        return images[chosen], np.isin(labels[chosen], LESION)
