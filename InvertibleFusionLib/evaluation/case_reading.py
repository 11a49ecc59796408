"""Cases to measure on, from what a user has: patient folders, lists of cases, folders of PNG pairs, volume files."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from InvertibleFusionLib.errors import ConfigurationError, InvertibleFusionError
from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.training.data import SliceSelection, for_reporting
from InvertibleFusionLib.training.data.cases import Case, case_of_folder, load_case
from InvertibleFusionLib.training.data.leakage import patient_of
from InvertibleFusionLib.training.data.manifest import cases_of_split
from InvertibleFusionLib.training.data.png_pairs import files_of_cases, load_pngs, slice_order
from InvertibleFusionLib.volumes.slices import slice_axis
from InvertibleFusionLib.volumes.volume import Volume

EVERY_SLICE = SliceSelection(content_level=-math.inf)
"""The selection is made afterwards, so that each slice's number in its volume is known."""
SHOWING = SliceSelection()
SCALED = "divided by the volume's 99.9th percentile and clipped to [0, 1]"
PNG_SCALED = "PNG divided by their largest grey level"


@dataclass(frozen=True)
class Wanted:
    """What is looked for in every case.

    Attributes:
        sources: names of the contrasts, or of a colour PNG's channels as NAME-R.
        targets: the same of what shall be synthesized; none for fusion.
        mask: name of the file of a lesion mask in patient folders; a list of cases has a column for it.
        split: which cases of a list; empty for all.
    """

    sources: Sequence[str]
    targets: Sequence[str] = field(default_factory=list)
    mask: str = ""
    split: str = ""

    @property
    def channels(self) -> list[str]:
        """All contrasts."""
        return [*self.sources, *self.targets]


def read_cases(places: Sequence[str], wanted: Wanted, folder: Path = Path()) -> list[EvaluationCase]:
    """Read cases; everything that cannot be used is reported at once.

    Args:
        places: patient folders (one file for each contrast), lists of cases (.csv, .yaml), folders of PNG slices (a
            folder for each contrast).
        wanted: what to look for.
        folder: that the places are relative to.

    Raises:
        ConfigurationError: naming each case that cannot be used and why.
    """
    cases: list[EvaluationCase] = []
    problems: list[str] = []
    for place in places:
        try:
            for name, case in _volume_cases(place, wanted, folder):
                try:
                    cases.append(_read_volumes(name, case, wanted))
                except InvertibleFusionError as error:
                    problems.append(f"{name}: {error}")
            if _is_png_folder(folder / place, wanted.channels):
                cases += _png_cases(folder / place, wanted)
        except InvertibleFusionError as error:
            problems.append(f"{place}: {error}")
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise ConfigurationError(f"{len(problems)} {'case' if len(problems) == 1 else 'cases'} cannot be used.{lines}")
    return _with_different_names(cases)


def read_files(files: Sequence[Path], wanted: Wanted, mask: Path | None = None) -> EvaluationCase:
    """A case of plain volume files, one for each source and then each target.

    Raises:
        ConfigurationError: when there are more or fewer files than contrasts.
        InvertibleFusionError: for files that cannot be used.
    """
    if len(files) != len(wanted.channels):
        raise ConfigurationError(
            f"{len(files)} files were given for the contrasts {', '.join(wanted.channels)}. Give one for each, in "
            "this order."
        )
    name = " + ".join(file.name for file in files)
    return _read_volumes(name, Case(name, dict(zip(wanted.channels, files, strict=True)), mask), wanted)


def _volume_cases(place: str, wanted: Wanted, folder: Path) -> list[tuple[str, Case]]:
    path = folder / place
    if path.suffix.lower() in (".csv", ".yaml", ".yml"):
        return [(case.patient, case) for case in cases_of_split(path, wanted.split)]
    if _is_png_folder(path, wanted.channels):
        return []
    return [(place, case_of_folder(path, patient_of(place), wanted.channels, wanted.mask))]


def _read_volumes(name: str, case: Case, wanted: Wanted) -> EvaluationCase:
    images, mask = load_case(case, wanted.channels, for_reporting, EVERY_SLICE)
    chosen = SHOWING.chosen(images, None)
    grid = Volume.read(case.files[wanted.channels[0]]).grid
    numbers = tuple(int(number) for number in chosen)
    return EvaluationCase(
        name,
        tuple(wanted.sources),
        tuple(wanted.targets),
        images[chosen],
        numbers,
        tuple(map(str, numbers)),
        None if mask is None else mask[chosen],
        grid,
        slice_axis(grid, "axial"),
        SCALED,
        case.patient,
    )


def _png_cases(folder: Path, wanted: Wanted) -> list[EvaluationCase]:
    files = files_of_cases(folder, wanted.channels)
    cases = []
    for name, slices in load_pngs(folder, wanted.channels, EVERY_SLICE).items():
        labels = sorted({file.stem for file in files[name]}, key=slice_order)
        chosen = SHOWING.chosen(slices.images, None)
        cases.append(
            EvaluationCase(
                slices.patient,
                tuple(wanted.sources),
                tuple(wanted.targets),
                slices.images[chosen],
                tuple(int(number) for number in chosen),
                tuple(labels[number] for number in chosen),
                scaling=PNG_SCALED,
            )
        )
    return cases


def _is_png_folder(path: Path, channels: Sequence[str]) -> bool:
    """Whether a contrast has a folder there that holds PNG files."""
    names = {name for channel in channels for name in (channel, channel[:-2]) if name}
    return any(
        file.suffix.lower() == ".png" for name in names if (path / name).is_dir() for file in _files(path / name)
    )


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise ConfigurationError(f"The folder {folder} cannot be read: {error.strerror}.") from error


def _with_different_names(cases: Sequence[EvaluationCase]) -> list[EvaluationCase]:
    """Several studies of one patient are numbered."""
    seen: dict[str, int] = {}
    named = []
    for case in cases:
        seen[case.name] = seen.get(case.name, 0) + 1
        number = seen[case.name]
        named.append(case if number == 1 else replace(case, name=f"{case.name} ({number})"))
    return named
