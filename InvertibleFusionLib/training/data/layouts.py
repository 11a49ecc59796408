"""Cases in a folder as data sets come: BraTS, BIDS, or PATIENT/CONTRAST.nii.gz.

    BraTS  Brats18_X_1/Brats18_X_1_t1ce.nii.gz, BraTS-GLI-00005-100/BraTS-GLI-00005-100-t1c.nii.gz, …_seg
    BIDS   sub-01/ses-02/anat/sub-01_ses-02_ce-gadolinium_T1w.nii.gz, dwi/…_adc, masks under derivatives/
    plain  patient01/study1/FLAIR.nii.gz, lesion.nii.gz

Each file is told by its own name, so that a folder may mix them. Contrasts get the names T1, T1Gd, T2, FLAIR, PD, ADC,
DWI, PET and CT. The last number of the names since BraTS 2023 is a visit, not part of the patient.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data.cases import Case
from InvertibleFusionLib.training.data.leakage import patient_of
from InvertibleFusionLib.volumes.reading import known_ending, stem

MASK = "mask"
CONTRASTS = ("T1", "T1Gd", "T2", "FLAIR", "PD", "ADC", "DWI", "PET", "CT")
ALIASES = {
    **{name.lower(): name for name in CONTRASTS},
    **{"t1n": "T1", "t1w": "T1", "t1ce": "T1Gd", "t1c": "T1Gd", "t2w": "T2", "t2f": "FLAIR", "pdw": "PD"},
    **dict.fromkeys(("mask", "seg", "lesion", "tumour", "tumor", "msk", "dseg"), MASK),
}
"""What a name's last part, in small letters, stands for."""
VISIT = re.compile(r"(BraTS-[A-Za-z]+-\d+)-\d{3}")
DERIVED = "derivatives"


@dataclass(frozen=True)
class FoundCases:
    """What a folder holds.

    Attributes:
        cases: sorted by patient, without a split.
        left_out: volume files that are in no case, relative to the folder, and why.
    """

    cases: list[Case]
    left_out: dict[Path, str]


@dataclass(frozen=True)
class _Place:
    """Where a file belongs: whose it is, which visit, and what it shows (a contrast or MASK)."""

    patient: str
    visit: str
    shows: str


def find_cases(folder: Path) -> FoundCases:
    """Look through a folder and all folders in it; the volumes are not opened.

    Raises:
        ConfigurationError: when it is no folder or holds no case.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"There is no folder {folder}. Check its name.")
    left_out: dict[Path, str] = {}
    cases: dict[tuple[str, str], Case] = {}
    for file in _volumes(folder):
        inner = file.relative_to(folder)
        place = _place(inner, folder.resolve().name)
        if place is None:
            left_out[inner] = "its name tells no contrast"
            continue
        case = cases.setdefault((place.patient, place.visit), Case(place.patient))
        if place.shows == MASK and case.mask is None:
            cases[place.patient, place.visit] = replace(case, mask=file)
        elif place.shows != MASK and place.shows not in case.files:
            case.files[place.shows] = file
        else:
            first = case.mask if place.shows == MASK else case.files[place.shows]
            left_out[inner] = f"a second {place.shows} beside {first.name if first else ''}"
    for key in [key for key, case in cases.items() if not case.files]:
        mask = cases.pop(key).mask
        if mask is not None:
            left_out[mask.relative_to(folder)] = "a mask without images"
    if not cases:
        raise ConfigurationError(
            f"No case was found in {folder}. Files must be called as in BraTS or BIDS, or lie in a folder for each "
            f"patient as {', '.join(CONTRASTS[:4])}.nii.gz …; {len(left_out)} volumes have other names."
        )
    return FoundCases([cases[key] for key in sorted(cases)], left_out)


def split_cases(cases: Sequence[Case], validation: float, test: float, seed: int) -> list[Case]:
    """Part cases into "training", "validation" and "test" by patient, so that all studies of one stay together.

    Args:
        cases: to part.
        validation: share of the patients; at least one of them where it is not 0.
        test: likewise.
        seed: of the choice; the same seed and patients, the same choice.

    Raises:
        ConfigurationError: for shares that make no sense, or leave no patient to train on.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise ConfigurationError(f"Shares lie in [0, 1) and leave a rest to train on, not {validation} and {test}.")
    if seed < 0:
        raise ConfigurationError(f"The seed is a whole number from 0 on, not {seed}.")
    patients = sorted({case.patient for case in cases})
    counts = [max(round(share * len(patients)), 1) if share else 0 for share in (validation, test)]
    if sum(counts) >= len(patients):
        raise ConfigurationError(
            f"{len(patients)} patients are too few for {counts[0]} to validate and {counts[1]} to test on: none is "
            "left to train on. Set --validation 0 or --test 0, or add patients."
        )
    order = [patients[number] for number in np.random.default_rng(seed).permutation(len(patients))]
    names = ["validation"] * counts[0] + ["test"] * counts[1] + ["training"] * (len(patients) - sum(counts))
    split_of = dict(zip(order, names, strict=True))
    return [replace(case, split=split_of[case.patient]) for case in cases]


def _volumes(folder: Path) -> Iterable[Path]:
    """Volume files, those that others were derived from first; hidden ones are not looked at."""
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and known_ending(path)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return sorted(files, key=lambda path: (DERIVED in path.relative_to(folder).parts, path))


def _place(inner: Path, folder_name: str) -> _Place | None:
    name = stem(inner)
    if name.startswith("sub-"):
        return _place_in_bids(name)
    parent = inner.parent.as_posix() if inner.parent.parts else folder_name
    own = inner.parent.name or folder_name
    rest = name[len(own) :] if name.lower().startswith(own.lower()) else ""
    if rest[:1] in ("_", "-"):  # BraTS: the file's name begins with its folder's
        shows = ALIASES.get(rest[1:].lower())
        patient = VISIT.fullmatch(own)
        whose = Path(parent).with_name(patient[1]).as_posix() if patient else patient_of(parent)
        return _Place(whose, parent, shows) if shows else None
    shows = ALIASES.get(name.lower())
    return _Place(patient_of(parent), parent, shows) if shows else None


def _place_in_bids(name: str) -> _Place | None:
    *pairs, suffix = name.split("_")
    entities = dict(pair.partition("-")[::2] for pair in pairs)
    shows = "DWI" if suffix.lower() == "trace" else ALIASES.get(suffix.lower())
    if shows == "T1" and "ce" in entities:
        shows = "T1Gd"
    return _Place(f"sub-{entities['sub']}", entities.get("ses", ""), shows) if shows else None
