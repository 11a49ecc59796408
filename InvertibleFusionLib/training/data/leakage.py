"""No patient in both the training and the validation data.

Who a patient is, is told in two ways. By name: for folders, the path without the levels of its studies
(``open_ms_raw/patient01/study1`` and ``…/study2`` are the patient ``open_ms_raw/patient01``; trailing folders called
study…, ses-…, session…, visit… or timepoint… are such levels); for manifests, the column patient; for PNG folders,
folder and case; for phantoms, the seed. Equal names are taken for one person, wherever they stand. By what is read:
the files of the cases where they really lie, links followed, so that a patient is known again under another name, by
an absolute path, or in another kind of source. Simulations may share their anatomy, and PNG sources a case, in slabs
that lie apart. What cannot be told: which patients are in a published .h5, and copies of a patient under another name.
"""

import logging
import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data.cases import case_of_folder
from InvertibleFusionLib.training.data.manifest import cases_of_split
from InvertibleFusionLib.training.data.png_pairs import files_of_cases, in_slab, slice_order
from InvertibleFusionLib.training.data.simulated import GAP, Simulation, between, require_slabs_apart
from InvertibleFusionLib.training.data.source import DataSource

LOG = logging.getLogger("InvertibleFusion")
STUDY_LEVEL = re.compile(r"(study|ses|session|visit|timepoint)([-_ ]?\d+|[-_].+)?", re.IGNORECASE)


def patient_of(folder: str) -> str:
    """The patient that a folder belongs to, by its path; see the module's docstring."""
    parts = posixpath.normpath(folder.replace("\\", "/")).split("/")
    while len(parts) > 1 and STUDY_LEVEL.fullmatch(parts[-1]):
        parts.pop()
    return "/".join(parts)


def require_no_leakage(training: Iterable[str], validation: Iterable[str]) -> None:
    """Refuse patients who are on both sides.

    Raises:
        ConfigurationError: naming them.
    """
    both = sorted(set(training) & set(validation))
    if both:
        several = len(both) > 1
        raise ConfigurationError(
            f"{', '.join(both)} {'are' if several else 'is'} in the training and the validation data; a patient is in "
            "one only, with all studies. Take them out of one, or rename them where they are different people."
        )


def require_separate_settings(training: Sequence[DataSource], validation: Sequence[DataSource]) -> None:
    """Refuse sources that share patients, as far as their settings tell; no file is read.

    Raises:
        ConfigurationError: naming the patients, the file or the seeds.
    """
    require_no_leakage(_named(training), _named(validation))
    for ours in (source for source in training if source.phantoms):
        for theirs in (source for source in validation if source.phantoms):
            first = max(ours.phantom_seed, theirs.phantom_seed)
            last = min(_end(ours), _end(theirs)) - 1
            if first <= last:
                raise ConfigurationError(
                    f"The phantoms of the seeds {first} to {last} are in the training and the validation data. Set "
                    f"phantom_seed of one to {max(_end(ours), _end(theirs))} or more."
                )
    require_slabs_apart(_simulations(training), _simulations(validation), lambda path: path)
    _require_png_slabs_apart(training, validation)


@dataclass(frozen=True)
class _Read:
    """What is read of one case.

    Attributes:
        patient: as it is named in the sources.
        own: where its files really lie, and its patient's folder where the source names one.
        around: the folders that these files lie in, without the levels of studies.
    """

    patient: str
    own: frozenset[Path]
    around: frozenset[Path] = frozenset()


def require_separate_patients(
    training: Sequence[DataSource], validation: Sequence[DataSource], contrasts: Sequence[str], data_folder: Path
) -> None:
    """Refuse sources that share patients, by name or by what is read; warn where this cannot be told.

    Lists and folders are looked through, no image is opened. A source that cannot be listed is passed over: reading
    it reports it, together with everything else that cannot be read.

    Args:
        training: sources to learn from.
        validation: sources to measure on.
        contrasts: that are read of each patient; a source's contrast sets stand in for them.
        data_folder: that paths are relative to.

    Raises:
        ConfigurationError: naming the patients.
    """
    require_separate_settings(training, validation)
    ours, theirs = (
        [case for source in side for case in _cases(source, contrasts, data_folder)] for side in (training, validation)
    )
    require_no_leakage((case.patient for case in ours), (case.patient for case in theirs))
    _require_other_files(ours, theirs)
    require_slabs_apart(
        _simulations(training), _simulations(validation), lambda path: Path(os.path.realpath(data_folder / path))
    )
    for source in (*training, *validation):
        if source.h5:
            LOG.warning(
                "%s does not tell its slices' patients: whether the same patients are in the training and the "
                "validation data cannot be checked.",
                source.h5.name,
            )


def _simulations(sources: Sequence[DataSource]) -> list[Simulation]:
    return [source.simulated for source in sources if source.simulated]


def _named(sources: Sequence[DataSource]) -> list[str]:
    folders = [patient_of(folder) for source in sources for folder in source.patients]
    return folders + [patient_of(source.h5.as_posix()) for source in sources if source.h5]


def _cases(source: DataSource, contrasts: Sequence[str], data_folder: Path) -> list[_Read]:
    """What is read of each case of a source; nothing of one that cannot be listed."""
    names = sorted({name for each in source.sets_for(contrasts) for name in each if name})
    try:
        if source.patients:
            return [_of_folder(folder, names, source.mask, data_folder) for folder in source.patients]
        if source.manifest:
            cases = cases_of_split(data_folder / source.manifest, source.split)
            # All files of a row: another set of contrasts on the other side may not hide the person.
            files = [[*case.files.values(), *([case.mask] if case.mask else [])] for case in cases]
            return [_of_files(case.patient, each, data_folder) for case, each in zip(cases, files, strict=True)]
        if source.png:
            return _of_pngs(source, source.png, names, data_folder)
        if source.h5:
            return [_Read(patient_of(source.h5.as_posix()), _real([data_folder / source.h5]))]
    except ConfigurationError as error:
        LOG.debug("Not compared: %s", error)
    return []


def _of_pngs(source: DataSource, png: Path, names: Sequence[str], data_folder: Path) -> list[_Read]:
    """Slabs of one case have names of their own; whether they lie apart is looked at elsewhere."""
    folder, slab = patient_of(png.as_posix()), source.slices
    read = []
    for case, files in files_of_cases(data_folder / png, names).items():
        if not source.cases or case in source.cases:
            stems = in_slab(sorted({file.stem for file in files}, key=slice_order), slab)
            called = posixpath.join(folder, case) + (f", slices {slab[0]} to {slab[1]}" if slab else "")
            read.append(_Read(called, _real(file for file in files if file.stem in stems)))
    return read


def _require_png_slabs_apart(training: Sequence[DataSource], validation: Sequence[DataSource]) -> None:
    for ours, theirs in product(training, validation):
        same = ours.png and theirs.png and patient_of(ours.png.as_posix()) == patient_of(theirs.png.as_posix())
        shared = not ours.cases or not theirs.cases or set(ours.cases) & set(theirs.cases)
        if same and shared and ours.slices and theirs.slices and between(ours.slices, theirs.slices) < GAP:
            raise ConfigurationError(
                f"Training and validation take slices of one case of {ours.png}: {ours.slices[0]} to {ours.slices[1]} "
                f"are learnt from and {theirs.slices[0]} to {theirs.slices[1]} measured on. Leave at least {GAP} "
                "slices between them."
            )


def _of_folder(folder: str, names: Sequence[str], mask: str, data_folder: Path) -> _Read:
    patient, home = patient_of(folder), _home(data_folder / folder, data_folder)
    try:
        case = case_of_folder(data_folder / folder, patient, names, mask)
    except ConfigurationError:  # files are missing, which reading it reports
        return _Read(patient, frozenset([home]))
    read = _of_files(patient, [*case.files.values(), *([case.mask] if case.mask else [])], data_folder)
    return _Read(patient, read.own | {home}, read.around)


def _of_files(patient: str, files: Iterable[Path], data_folder: Path) -> _Read:
    own = _real(files)
    return _Read(patient, own, frozenset(_home(file.parent, data_folder) for file in own))


def _real(files: Iterable[Path]) -> frozenset[Path]:
    return frozenset(Path(os.path.realpath(file)) for file in files)


def _home(folder: Path, data_folder: Path) -> Path:
    """Where a patient's folder really lies, without the levels of its studies, up to the data folder at most."""
    home, end = Path(os.path.realpath(folder)), Path(os.path.realpath(data_folder))
    while STUDY_LEVEL.fullmatch(home.name) and home.parent not in (end, Path(home.anchor)):
        home = home.parent
    return home


def _require_other_files(training: Iterable[_Read], validation: Sequence[_Read]) -> None:
    own = {place: case.patient for case in validation for place in case.own}
    around = {place: case.patient for case in validation for place in case.around}
    met: dict[tuple[str, str], Path] = {}
    for case in training:
        # The folder of a patient on one side is compared with what the other side's files lie in.
        for places, theirs in ((case.own, own), (case.own, around), (case.around, own)):
            for place in sorted(places & theirs.keys()):
                met.setdefault((case.patient, theirs[place]), place)
    if met:
        said = "; ".join(f"{ours} in training is {other} in validation ({at})" for (ours, other), at in met.items())
        raise ConfigurationError(
            f"The same files are in the training and the validation data: {said}. A patient is in one only, with all "
            "studies. Take them out of one."
        )


def _end(source: DataSource) -> int:
    return source.phantom_seed + source.phantoms
