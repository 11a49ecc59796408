"""No patient in both the training and the validation data.

Who a patient is: for folders, the path without the levels of its studies (``open_ms_raw/patient01/study1`` and
``…/study2`` are the patient ``open_ms_raw/patient01``; trailing folders called study…, ses-…, session…, visit… or
timepoint… are such levels); for manifests, the column patient; for PNG folders, folder and case; for phantoms, the
seed. Equal names in two manifests are taken for one person. What cannot be told: which patients are in a published .h5.
"""

import logging
import posixpath
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data.manifest import cases_of_split
from InvertibleFusionLib.training.data.png_pairs import cases_in
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


def require_separate_patients(
    training: Sequence[DataSource], validation: Sequence[DataSource], data_folder: Path
) -> None:
    """Refuse sources that share patients, manifests and PNG folders read; warn where this cannot be told.

    Raises:
        ConfigurationError: naming the patients; for a manifest or a folder that cannot be read.
    """
    require_separate_settings(training, validation)
    names = [[patient for source in side for patient in _read(source, data_folder)] for side in (training, validation)]
    require_no_leakage(*names)
    for source in (*training, *validation):
        if source.h5:
            LOG.warning(
                "%s does not tell its slices' patients: whether the same patients are in the training and the "
                "validation data cannot be checked.",
                source.h5.name,
            )


def _named(sources: Sequence[DataSource]) -> list[str]:
    folders = [patient_of(folder) for source in sources for folder in source.patients]
    return folders + [patient_of(source.h5.as_posix()) for source in sources if source.h5]


def _read(source: DataSource, data_folder: Path) -> list[str]:
    if source.manifest:
        return [case.patient for case in cases_of_split(data_folder / source.manifest, source.split)]
    if source.png:
        names = source.cases or cases_in(data_folder / source.png, source.contrast_sets)
        return [posixpath.join(patient_of(source.png.as_posix()), name) for name in names]
    return []


def _end(source: DataSource) -> int:
    return source.phantom_seed + source.phantoms
