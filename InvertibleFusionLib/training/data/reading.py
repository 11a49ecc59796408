"""How the cases of one source are read, each when its turn comes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from InvertibleFusionLib.training.data.cache import cache_key, cached
from InvertibleFusionLib.training.data.cases import Arrays, Case, case_of_folder, load_case, require_contrasts
from InvertibleFusionLib.training.data.discrete_model import simulate
from InvertibleFusionLib.training.data.hdf5 import load_h5
from InvertibleFusionLib.training.data.leakage import patient_of
from InvertibleFusionLib.training.data.manifest import cases_of_split
from InvertibleFusionLib.training.data.normalization import Normalization
from InvertibleFusionLib.training.data.patients import PatientSlices
from InvertibleFusionLib.training.data.png_pairs import load_pngs
from InvertibleFusionLib.training.data.selection import SliceSelection
from InvertibleFusionLib.training.data.simulated import SimulatedScanner, Simulation
from InvertibleFusionLib.training.data.source import DataSource


@dataclass(frozen=True)
class Job:
    """One case that is still to be read.

    Attributes:
        patient: who it is.
        name: what it is called where it cannot be used.
        read: its studies.
    """

    patient: str
    name: str
    read: Callable[[], list[PatientSlices]]


@dataclass(frozen=True)
class Reading:
    """How cases are read.

    Attributes:
        contrasts: files to read for each patient, where a source has no sets of its own.
        folder: that paths are relative to.
        normalize: applied to each contrast.
        selection: of slices.
        grid_of: number of the contrast whose grid counts.
        cache: folder of scaled slices; None for none.
    """

    contrasts: Sequence[str]
    folder: Path
    normalize: Normalization
    selection: SliceSelection
    grid_of: int
    cache: Path | None

    def jobs(self, source: DataSource) -> list[Job]:
        """The cases of a source, none of phantoms; lists and folders are looked at, images are not yet read.

        Raises:
            InvertibleFusionError: when a list or a folder of PNG cannot be used.
        """
        sets = source.sets_for(self.contrasts)
        if source.patients:
            return [Job(patient_of(name), name, self._folder(name, sets, source.mask)) for name in source.patients]
        if source.manifest:
            cases = cases_of_split(self.folder / source.manifest, source.split)
            return [Job(case.patient, case.patient, self._case(case, sets)) for case in cases]
        if source.h5:
            return [Job(source.h5.as_posix(), source.h5.as_posix(), self._h5(self.folder / source.h5, sets))]
        if source.png:
            return self._pngs(self.folder / source.png, sets, source.cases, source.slices)
        if source.simulated:
            return self._simulated(source.simulated, sets)
        return []

    def _folder(self, name: str, sets: list[list[str]], mask: str) -> Callable[[], list[PatientSlices]]:
        def read() -> list[PatientSlices]:
            wanted = list(dict.fromkeys(contrast for names in sets for contrast in names if contrast))
            case = case_of_folder(self.folder / name, patient_of(name), wanted, mask)
            return [self._slices(name, case, names) for names in sets]

        return read

    def _case(self, case: Case, sets: list[list[str]]) -> Callable[[], list[PatientSlices]]:
        return lambda: [self._slices(case.patient, case, names) for names in sets]

    def _slices(self, name: str, case: Case, contrasts: list[str]) -> PatientSlices:
        read = [contrast for contrast in contrasts if contrast]
        require_contrasts(case, read)

        def key() -> str:
            files = [case.files[contrast] for contrast in read]
            settings = (contrasts, self.normalize.description, self.selection, self.grid_of, case.mask is not None)
            return cache_key([*files, *([case.mask] if case.mask else [])], case=[str(each) for each in settings])

        arrays = cached(
            self.cache, key, lambda: load_case(case, contrasts, self.normalize, self.selection, self.grid_of)
        )
        return PatientSlices(name, *arrays, tuple(contrasts))

    def _h5(self, path: Path, sets: list[list[str]]) -> Callable[[], list[PatientSlices]]:
        def one(names: list[str]) -> PatientSlices:
            def key() -> str:
                return cache_key([path], h5=[str(each) for each in (names, self.normalize.description, self.selection)])

            arrays = cached(self.cache, key, lambda: (load_h5(path, names, self.normalize, self.selection), None))
            return PatientSlices(path.name, *arrays, tuple(names))

        return lambda: [one(names) for names in sets]

    def _pngs(self, folder: Path, sets: list[list[str]], cases: list[str], slab: list[int]) -> list[Job]:
        read = [load_pngs(folder, names, self.selection, cases, slab) for names in sets]
        found = dict.fromkeys(case for of_set in read for case in of_set)
        return [Job(case, case, lambda case=case: [each[case] for each in read if case in each]) for case in found]  # type: ignore[misc]

    def _simulated(self, simulation: Simulation, sets: list[list[str]]) -> list[Job]:
        """One job: all scanners' studies are of one anatomy."""

        def one(names: list[str], scanner: SimulatedScanner) -> PatientSlices:
            def key() -> str:
                files = [self.folder / simulation.labels, self.folder / simulation.tissues]
                seen = replace(simulation, scanners=[scanner])
                settings = (names, self.normalize.description, self.selection, seen)
                return cache_key(files, simulated_head=[str(each) for each in settings])

            def make() -> Arrays:
                return simulate(simulation, scanner, names, self.folder, self.normalize, self.selection).images, None

            return PatientSlices(f"simulated {scanner.name}", *cached(self.cache, key, make), tuple(names))

        name = simulation.labels.as_posix()
        return [Job(name, name, lambda: [one(names, scanner) for names in sets for scanner in simulation.scanners])]
