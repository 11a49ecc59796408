"""Studies of many phantom patients, written as files."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from InvertibleFusionLib.errors import ConfigurationError, OutputError
from InvertibleFusionLib.phantom.patient import Patient
from InvertibleFusionLib.phantom.scanner import CONTRASTS
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.writing import WRITABLE, staged, write_into_stage

PARAMETERS = "parameters.json"


def default_grid() -> Grid:
    """A standard axial grid that holds the head from the skull base to the vertex: 240×240×84 at 1×1×2 mm."""
    return Grid((240, 240, 84), (1.0, 1.0, 2.0), (-119.5, -122.5, -62.0))


def clinical_flair_grid() -> Grid:
    """FLAIR as clinics scan it: 320×320×26 at 0.75×0.75×6 mm, turned and shifted against ``default_grid``."""
    tilt, turn = np.radians(12.0), np.radians(4.0)
    about_left = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    about_superior = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    axes = about_superior @ about_left
    size, spacing = (320, 320, 26), (0.75, 0.75, 6.0)
    middle = (np.asarray(size) - 1) / 2 * np.asarray(spacing)
    x, y, z = np.array([2.5, -1.0, 16.0]) - axes @ middle
    return Grid(size, spacing, (float(x), float(y), float(z)), tuple(float(value) for value in axes.ravel()))


def patient_seeds(patients: int, seed: int) -> list[int]:
    """A seed for each patient of a study; a longer study begins with the same patients.

    Raises:
        ConfigurationError: for fewer than one patient or a negative seed.
    """
    if patients < 1:
        raise ConfigurationError(f"A study has at least one patient, not {patients}.")
    if seed < 0:
        raise ConfigurationError(f"The seed of a study is a whole number from 0 on, not {seed}.")
    return [int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) for number in range(patients)]


def write_patient(
    patient: Patient,
    folder: Path,
    contrasts: Sequence[str] = CONTRASTS,
    ending: str = ".nrrd",
    grid: Grid | None = None,
) -> None:
    """Write ``ADC.nrrd`` … ``labels.nrrd`` and ``parameters.json`` of one patient into ``folder``: all or none.

    Args:
        patient: whom to scan.
        folder: made where it is missing.
        contrasts: of ``CONTRASTS``.
        ending: the type of the volume files, such as ".nrrd" or ".nii.gz".
        grid: of all volumes; ``default_grid`` where None.

    Raises:
        ConfigurationError: for an unknown contrast or ending.
        OutputError: where the files cannot be written, or the folder holds another phantom patient.
    """
    _require_writable(ending)
    _require_no_other_patient(patient, folder)
    with staged(folder) as stage:
        volumes = patient.acquire_all(contrasts, grid or default_grid(), labels=True)
        for name, volume in volumes.items():
            write_into_stage(volume, stage / f"{name}{ending}")
        (stage / PARAMETERS).write_text(json.dumps(patient.parameters(), indent=2) + "\n", encoding="utf-8")


def write_study(
    patients: int,
    folder: Path,
    seed: int,
    contrasts: Sequence[str] = CONTRASTS,
    ending: str = ".nrrd",
    grid: Grid | None = None,
) -> Iterator[Path]:
    """Write ``patient-001/ADC.nrrd`` … for as many patients; see ``write_patient``. The same seed, the same files.

    Yields:
        Each patient's folder once it is complete; closing the generator stops after that one.

    Raises:
        ConfigurationError: for an unknown contrast or ending, no patients, a negative seed.
        OutputError: where the files cannot be written.
    """
    for number, own_seed in enumerate(patient_seeds(patients, seed), 1):
        own_folder = folder / f"patient-{number:03d}"
        write_patient(Patient.from_seed(own_seed), own_folder, contrasts, ending, grid)
        yield own_folder


def _require_no_other_patient(patient: Patient, folder: Path) -> None:
    """Scans of two patients in one folder would be taken for one."""
    try:
        there = json.loads((folder / PARAMETERS).read_text(encoding="utf-8"))["seed"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if there != patient.seed:
        raise OutputError(
            f"{folder} holds another phantom patient, of seed {there} instead of {patient.seed}. Choose another folder."
        )


def _require_writable(ending: str) -> None:
    if ending not in WRITABLE:
        raise ConfigurationError(f"{ending} is not a type of file that is written here: use {', '.join(WRITABLE)}.")
