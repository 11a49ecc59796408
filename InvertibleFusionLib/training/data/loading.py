"""All sources of a run, read before it starts; everything that cannot be used is reported at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from InvertibleFusionLib.errors import ConfigurationError, InvertibleFusionError, OutputError
from InvertibleFusionLib.training.data.cache import cache_key, cached
from InvertibleFusionLib.training.data.cases import Arrays, Case, case_of_folder, load_case, require_contrasts
from InvertibleFusionLib.training.data.discrete_model import simulate
from InvertibleFusionLib.training.data.hdf5 import load_h5
from InvertibleFusionLib.training.data.leakage import patient_of
from InvertibleFusionLib.training.data.manifest import cases_of_split
from InvertibleFusionLib.training.data.normalization import Normalization, for_reporting
from InvertibleFusionLib.training.data.patients import LoadedStock, PatientSlices, Stock
from InvertibleFusionLib.training.data.phantoms import PhantomStock
from InvertibleFusionLib.training.data.png_pairs import load_pngs
from InvertibleFusionLib.training.data.selection import SliceSelection
from InvertibleFusionLib.training.data.simulated import SimulatedScanner, Simulation
from InvertibleFusionLib.training.data.source import DataSource


@dataclass(frozen=True)
class _Job:
    """One case that is still to be read: who it is, what it is called, and how to read it."""

    patient: str
    name: str
    read: Callable[[], list[PatientSlices]]


@dataclass(frozen=True)
class _Reading:
    """How cases are read; see ``load_stocks``."""

    contrasts: Sequence[str]
    folder: Path
    normalize: Normalization
    selection: SliceSelection
    grid_of: int
    cache: Path | None

    def jobs(self, source: DataSource) -> list[_Job]:
        sets = source.sets_for(self.contrasts)
        if source.patients:
            return [_Job(patient_of(name), name, self._folder(name, sets, source.mask)) for name in source.patients]
        if source.manifest:
            cases = cases_of_split(self.folder / source.manifest, source.split)
            return [_Job(case.patient, case.patient, self._case(case, sets)) for case in cases]
        if source.h5:
            return [_Job(source.h5.as_posix(), source.h5.as_posix(), self._h5(self.folder / source.h5, sets))]
        if source.png:
            return self._pngs(self.folder / source.png, sets, source.cases, source.slices)
        if source.simulated:
            return self._simulated(source.simulated, sets)
        return []

    def _folder(self, name: str, sets: list[list[str]], mask: str) -> Callable[[], list[PatientSlices]]:
        def read() -> list[PatientSlices]:
            wanted = list(dict.fromkeys(contrast for names in sets for contrast in names))
            case = case_of_folder(self.folder / name, patient_of(name), wanted, mask)
            return [self._slices(name, case, names) for names in sets]

        return read

    def _case(self, case: Case, sets: list[list[str]]) -> Callable[[], list[PatientSlices]]:
        return lambda: [self._slices(case.patient, case, names) for names in sets]

    def _slices(self, name: str, case: Case, contrasts: list[str]) -> PatientSlices:
        require_contrasts(case, contrasts)

        def key() -> str:
            files = [case.files[contrast] for contrast in contrasts]
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

    def _pngs(self, folder: Path, sets: list[list[str]], cases: list[str], slab: list[int]) -> list[_Job]:
        read = [load_pngs(folder, names, self.selection, cases, slab) for names in sets]
        found = dict.fromkeys(case for of_set in read for case in of_set)
        return [_Job(case, case, lambda case=case: [each[case] for each in read if case in each]) for case in found]  # type: ignore[misc]

    def _simulated(self, simulation: Simulation, sets: list[list[str]]) -> list[_Job]:
        """One job: all scanners' studies are of one anatomy."""

        def one(names: list[str], scanner: SimulatedScanner) -> PatientSlices:
            def key() -> str:
                files = [self.folder / simulation.labels, self.folder / simulation.tissues]
                seen = replace(simulation, scanners=[scanner])
                settings = (names, self.normalize.description, self.selection, seen)
                return cache_key(files, simulated=[str(each) for each in settings])

            def make() -> Arrays:
                return simulate(simulation, scanner, names, self.folder, self.normalize, self.selection).images, None

            return PatientSlices(f"simulated {scanner.name}", *cached(self.cache, key, make), tuple(names))

        name = simulation.labels.as_posix()
        return [_Job(name, name, lambda: [one(names, scanner) for names in sets for scanner in simulation.scanners])]


def load_stocks(
    sources: Sequence[DataSource],
    contrasts: Sequence[str],
    folder: Path,
    normalize: Normalization,
    selection: SliceSelection | None = None,
    grid_of: str = "",
    cache: Path | None = None,
) -> list[Stock]:
    """Read all sources; every case that cannot be used is reported at once.

    Args:
        sources: of patients.
        contrasts: files to read for each patient, one or more; a source's contrast sets stand in for them.
        folder: the data folder, that paths are relative to.
        normalize: slices of one contrast (slices, rows, columns) to float32 ones of about [0, 1]. PNG slices keep their
            own scale.
        selection: of slices; by content alone where None.
        grid_of: the contrast whose grid the others are resampled onto; empty for the first. In contrast sets, the one
            in its place.
        cache: folder that keeps scaled slices from run to run; None keeps them in memory only.

    Returns:
        One stock for each source, in their order.

    Raises:
        ConfigurationError: naming each unusable case and why.
        OutputError: when the cache cannot be written.
    """
    problems: list[str] = []
    stocks = _stocks(sources, _reading(contrasts, folder, normalize, selection, grid_of, cache), problems)
    _require_none(problems)
    return stocks


def load_patients(
    sources: Sequence[DataSource],
    contrasts: Sequence[str],
    folder: Path,
    normalize: Normalization,
    selection: SliceSelection | None = None,
    grid_of: str = "",
    cache: Path | None = None,
) -> list[PatientSlices]:
    """The slices of all patients of all sources, for measuring on them; see ``load_stocks``."""
    problems: list[str] = []
    patients = _patients(sources, _reading(contrasts, folder, normalize, selection, grid_of, cache), problems)
    _require_none(problems)
    return patients


def load_both_sides(
    training: Sequence[DataSource],
    validation: Sequence[DataSource],
    contrasts: Sequence[str],
    folder: Path,
    normalize: Normalization,
    selection: SliceSelection | None = None,
    grid_of: str = "",
    cache: Path | None = None,
) -> tuple[list[Stock], list[PatientSlices]]:
    """What a run needs, as ``load_stocks`` and ``load_patients`` give it; unusable cases of both are reported together.

    Args:
        training: sources to draw from.
        validation: sources to measure on, normalized by ``for_reporting``.
        contrasts: see ``load_stocks``, as for all that follows.
        folder: the data folder.
        normalize: of the training's slices.
        selection: of slices, on both sides.
        grid_of: the contrast whose grid counts.
        cache: folder of scaled slices.

    Raises:
        ConfigurationError: naming each unusable case, its side and why.
        OutputError: when the cache cannot be written.
    """
    ours, theirs = (_reading(contrasts, folder, each, selection, grid_of, cache) for each in (normalize, for_reporting))
    wrong: dict[str, list[str]] = {"training": [], "validation": []}
    stocks = _stocks(training, ours, wrong["training"])
    patients = _patients(validation, theirs, wrong["validation"])
    _require_none([f"{side}, {problem}" for side, problems in wrong.items() for problem in problems])
    return stocks, patients


def _reading(
    contrasts: Sequence[str],
    folder: Path,
    normalize: Normalization,
    selection: SliceSelection | None,
    grid_of: str,
    cache: Path | None,
) -> _Reading:
    if not contrasts:
        raise ConfigurationError("There is no contrast to read.")
    if grid_of and grid_of not in contrasts:
        raise ConfigurationError(f"The grid is to be that of {grid_of}, which is not among {', '.join(contrasts)}.")
    position = list(contrasts).index(grid_of) if grid_of else 0
    return _Reading(contrasts, folder, normalize, selection or SliceSelection(), position, cache)


def _require_none(problems: Sequence[str]) -> None:
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise ConfigurationError(f"{len(problems)} {'case' if len(problems) == 1 else 'cases'} cannot be used.{lines}")


def _stocks(sources: Sequence[DataSource], reading: _Reading, problems: list[str]) -> list[Stock]:
    """Read all sources; what cannot be used is added to ``problems``."""
    return [_stock(source, reading, problems) for source in sources]


def _patients(sources: Sequence[DataSource], reading: _Reading, problems: list[str]) -> list[PatientSlices]:
    """The slices of all patients, phantoms made; what cannot be used is added to ``problems``."""
    patients: list[PatientSlices] = []
    for source, stock in zip(sources, _stocks(sources, reading, problems), strict=True):
        try:
            patients += stock.everyone()
        except ConfigurationError as error:  # of a phantom
            problems.append(f"{source.name}: {error}")
    return patients


def _stock(source: DataSource, reading: _Reading, problems: list[str]) -> Stock:
    """Read one source; what cannot be used is added to ``problems``."""
    grouped: dict[str, list[PatientSlices]] = {}
    try:
        if source.phantoms:
            return _phantoms(source, reading)
        for job in reading.jobs(source):
            try:
                grouped.setdefault(job.patient, []).extend(job.read())
            except OutputError:  # the cache's mistake, not the case's
                raise
            except InvertibleFusionError as error:
                problems.append(f"{job.name}: {error}")
    except OutputError:
        raise
    except InvertibleFusionError as error:
        problems.append(f"{source.name}: {error}")
    return LoadedStock(source.weight, list(grouped.values()))


def _phantoms(source: DataSource, reading: _Reading) -> PhantomStock:
    sets = source.sets_for(reading.contrasts)
    stock = PhantomStock(
        source.weight,
        source.phantoms,
        source.phantom_seed,
        sets,
        reading.normalize,
        reading.selection,
        reading.cache,
    )
    stock.require_usable()
    return stock
