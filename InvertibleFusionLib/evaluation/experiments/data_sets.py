"""The data sets that experiments know by name: ``data.yaml`` beside this file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data import DataSource, SimulatedScanner, Simulation

LIST = Path(__file__).with_name("data.yaml")


def data_sets(names: Sequence[str], sets: Sequence[str] = ()) -> list[DataSource]:
    """Training sources by their names.

    Args:
        names: keys of the list.
        sets: files that stand in for the contrasts, in their order; the contrasts' own names where empty.
    """
    described: dict[str, dict[str, Any]] = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return [_source(described[name], sets) for name in names]


def require_there(sources: Iterable[DataSource], folder: Path) -> None:
    """Refuse a data folder that lacks what is read.

    Raises:
        ConfigurationError: naming everything that is missing.
    """
    missing = [place for source in sources for place in _places(source) if not (folder / place).exists()]
    if missing:
        raise ConfigurationError(
            f"The data folder {folder} lacks {', '.join(dict.fromkeys(missing))}. The experiment reads these; "
            f"{LIST.name} of the library's evaluation/experiments says what they are."
        )


def _source(described: dict[str, Any], sets: Sequence[str]) -> DataSource:
    given = dict(described)
    if "png" in given:
        given["png"] = Path(given["png"])
    if "simulated" in given:
        told = dict(given["simulated"])
        scanners = [SimulatedScanner(**scanner) for scanner in told.pop("scanners")]
        labels, tissues = (Path(told.pop(name)) for name in ("labels", "tissues"))
        given["simulated"] = Simulation(labels, tissues, **told, scanners=scanners)
    return DataSource(**given, contrast_sets=[list(sets)] if sets else [])


def _places(source: DataSource) -> list[str]:
    if source.simulated:
        return [source.simulated.labels.as_posix(), source.simulated.tissues.as_posix()]
    return [*source.patients, *([source.png.as_posix()] if source.png else [])]
