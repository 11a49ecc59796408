"""All sources of a run, read before it starts; everything that cannot be used is reported at once."""

from collections.abc import Sequence
from pathlib import Path

from InvertibleFusionLib.errors import ConfigurationError, InvertibleFusionError, OutputError
from InvertibleFusionLib.training.data.normalization import Normalization, for_reporting
from InvertibleFusionLib.training.data.patients import LoadedStock, PatientSlices, Stock
from InvertibleFusionLib.training.data.phantoms import PhantomStock
from InvertibleFusionLib.training.data.reading import Reading
from InvertibleFusionLib.training.data.selection import SliceSelection
from InvertibleFusionLib.training.data.source import DataSource


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
) -> Reading:
    if not contrasts:
        raise ConfigurationError("There is no contrast to read.")
    if grid_of and grid_of not in contrasts:
        raise ConfigurationError(f"The grid is to be that of {grid_of}, which is not among {', '.join(contrasts)}.")
    position = list(contrasts).index(grid_of) if grid_of else 0
    return Reading(contrasts, folder, normalize, selection or SliceSelection(), position, cache)


def _require_none(problems: Sequence[str]) -> None:
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise ConfigurationError(f"{len(problems)} {'case' if len(problems) == 1 else 'cases'} cannot be used.{lines}")


def _stocks(sources: Sequence[DataSource], reading: Reading, problems: list[str]) -> list[Stock]:
    """Read all sources; what cannot be used is added to ``problems``."""
    return [_stock(source, reading, problems) for source in sources]


def _patients(sources: Sequence[DataSource], reading: Reading, problems: list[str]) -> list[PatientSlices]:
    """The slices of all patients, phantoms made; what cannot be used is added to ``problems``."""
    patients: list[PatientSlices] = []
    for source, stock in zip(sources, _stocks(sources, reading, problems), strict=True):
        try:
            patients += stock.everyone()
        except ConfigurationError as error:  # of a phantom
            problems.append(f"{source.name}: {error}")
    return patients


def _stock(source: DataSource, reading: Reading, problems: list[str]) -> Stock:
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


def _phantoms(source: DataSource, reading: Reading) -> PhantomStock:
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
