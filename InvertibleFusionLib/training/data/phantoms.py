"""Phantom patients as an endless source: made when they are drawn, and never more kept than are drawn from.

A phantom takes seconds to make. Where there are more than are kept, samples are drawn from a window of them that moves
on by one patient every so many samples: in the long run all are drawn evenly, and a sample still depends on nothing but
its number.

Where slices with certain labels are asked for, the slab is moved over them. A patient who gives no slice nevertheless
is passed over for the next one: a run is not stopped by one of many.
"""

import logging
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
from InvertibleFusionLib.volumes.volume import Volume

LOG = logging.getLogger("InvertibleFusion")
LESION = (Tissue.OEDEMA, Tissue.TUMOUR_RIM, Tissue.TUMOUR_CORE)
WINDOW = 16
"""Patients drawn from at one time."""
SAMPLES_PER_PATIENT = 256
"""After so many samples of a run the window moves on by one patient."""
SCOUT = Grid((54, 66, 50), (4.0, 4.0, 4.0), (-106.0, -130.0, -90.0))
"""Where tissues are looked for before the slab is placed: the whole head, coarsely."""


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

    def over(self, generator: np.random.Generator, labels: Volume, wanted: Sequence[int]) -> Grid:
        """The grid of one patient, moved along z no farther than it takes to hold what is wanted.

        Args:
            generator: as for ``grid``, which gives the place to move from.
            labels: of the whole head, on an axial grid.
            wanted: the labels to hold: the slices that show at least half as much of them as the one that shows most;
                where these are too many for the slab, that one.
        """
        grid = self.grid(generator)
        found = np.isin(labels.array, wanted).sum(axis=(1, 2))
        if not found.any():
            return grid
        x, y, z = grid.origin
        extent = (self.slices - 1) * grid.spacing[2]
        places = labels.grid.origin[2] + labels.grid.spacing[2] * np.flatnonzero(found >= found.max() / 2)
        if places[-1] - places[0] > extent:
            places = labels.grid.origin[2] + labels.grid.spacing[2] * np.array([found.argmax()])
        return Grid(grid.size, grid.spacing, (x, y, float(np.clip(z, places[-1] - extent, places[0]))))


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
        ConfigurationError: for contrasts and labels that phantoms do not have.
    """

    weight: float
    count: int
    first_seed: int
    sets: Sequence[Sequence[str]]
    normalize: Normalization
    selection: SliceSelection
    cache: Path | None = None
    slab: Slab = Slab()
    _kept: OrderedDict[int, list[PatientSlices] | ConfigurationError] = field(
        default_factory=OrderedDict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        unknown = sorted({name for names in self.sets for name in names} - set(CONTRASTS))
        if unknown:
            raise ConfigurationError(f"Phantoms have no contrast {', '.join(unknown)}, only {', '.join(CONTRASTS)}.")
        strange = sorted(set(self.selection.labels) - set(Tissue))
        if strange:
            known = ", ".join(f"{tissue} {tissue.name.lower().replace('_', ' ')}" for tissue in Tissue)
            raise ConfigurationError(f"Phantoms have no label {', '.join(map(str, strange))}, only {known}.")

    def require_usable(self) -> None:
        """Make a patient where the selection might leave no slice of any: to be told before training, not in it.

        Raises:
            ConfigurationError: when none of the first patients gives a slice.
        """
        if self.selection != SliceSelection(middle=self.selection.middle):
            self._next_usable(0)

    def draw(self, index: int, generator: np.random.Generator) -> PatientSlices:
        """The slices of one patient, out of the window that belongs to ``index``.

        Raises:
            ConfigurationError: when neither this patient nor any of the next ones gives a slice.
        """
        if self.count <= WINDOW:
            number = int(generator.integers(self.count))
        else:
            number = (index // SAMPLES_PER_PATIENT + int(generator.integers(WINDOW))) % self.count
        of_patient = self._next_usable(number)
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

    def _next_usable(self, number: int) -> list[PatientSlices]:
        """The slices of patient ``number`` or of the first one after who has any; this depends on nothing else."""
        reasons = []
        for offset in range(min(self.count, WINDOW)):
            found = self._patient((number + offset) % self.count)
            if not isinstance(found, ConfigurationError):
                return found
            reasons.append(found)
        raise reasons[0]

    def _patient(self, number: int) -> list[PatientSlices] | ConfigurationError:
        """The slices of patient ``number``, or why there are none."""
        if number not in self._kept:
            try:
                self._kept[number] = self.make(number)
            except ConfigurationError as error:
                LOG.warning("%s It is passed over.", error)
                self._kept[number] = error
        self._kept.move_to_end(number)
        while len(self._kept) > WINDOW + 1:
            self._kept.popitem(last=False)
        return self._kept[number]

    def _set(self, seed: int, names: Sequence[str]) -> Arrays:
        def key() -> str:
            settings = (seed, list(names), self.normalize.description, self.selection, self.slab)
            placed = (SCOUT,) if self.selection.labels else ()
            return cache_key([], phantom=[str(each) for each in (*settings, *placed)])

        return cached(self.cache, key, lambda: self._scan(seed, names))

    def _scan(self, seed: int, names: Sequence[str]) -> Arrays:
        patient, generator, wanted = Patient.from_seed(seed), np.random.default_rng([seed, 2]), self.selection.labels
        grid = self.slab.over(generator, patient.labels(SCOUT), wanted) if wanted else self.slab.grid(generator)
        volumes = patient.acquire_all(names, grid, labels=True)
        images = np.stack([self.normalize(volumes[name].array) for name in names], axis=1)
        labels = volumes["labels"].array
        chosen = self.selection.chosen(images, labels)
        return images[chosen], np.isin(labels[chosen], LESION)
