"""Lists of cases as CSV or YAML: patient, split, mask, and one column for each contrast.

    patient,split,T1Gd,FLAIR,mask
    p01,training,p01/T1Gd.nii.gz,p01/FLAIR.nii.gz,p01/lesion.nii.gz
    p02,validation,p02/T1Gd.nii.gz,p02/FLAIR.nii.gz,

A YAML manifest is a list of mappings with the same keys. Paths are relative to the manifest's folder. A patient with
several studies has several rows; a case that lacks a contrast leaves its cell empty.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data.cases import Case
from InvertibleFusionLib.volumes.reading import ENDINGS, known_ending
from InvertibleFusionLib.volumes.writing import staged

PATIENT, SPLIT, MASK = "patient", "split", "mask"
Row = dict[str, str]


def read_manifest(path: Path) -> list[Case]:
    """Read a manifest and check it; the volumes themselves are not opened.

    Raises:
        ConfigurationError: with all problems at once: missing files, types of files that cannot be read, a patient in
            two splits, rows that repeat another, rows without a patient or without a contrast.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The manifest {path} cannot be read: {error}.") from error
    rows = _rows(text, path)
    cases = [_case(row, path.parent) for row in rows]
    problems = [problem for number, case in enumerate(cases, 1) for problem in _problems_of(case, f"case {number}")]
    problems += _repeated(cases) + _in_two_splits(cases)
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise ConfigurationError(f"The manifest {path} has {len(problems)} mistakes:{lines}")
    return cases


def cases_of_split(path: Path, split: str) -> list[Case]:
    """The cases of one split of a manifest; all of them for an empty split.

    Raises:
        ConfigurationError: for a manifest with mistakes, and for a split without a case.
    """
    cases = read_manifest(path)
    chosen = [case for case in cases if split in ("", case.split)]
    if not chosen:
        there = ", ".join(sorted({case.split for case in cases if case.split})) or "none"
        raise ConfigurationError(f"The manifest {path} has no case of the split {split!r}; its splits: {there}.")
    return chosen


def write_manifest(cases: Sequence[Case], path: Path) -> None:
    """Write a manifest, CSV or YAML by its ending; paths become relative to its folder.

    Raises:
        ConfigurationError: for another ending.
        OutputError: where it cannot be written.
    """
    rows = [_row(case, path.parent) for case in cases]
    contrasts = list(dict.fromkeys(contrast for case in cases for contrast in case.files))
    if path.suffix.lower() == ".csv":
        columns = [PATIENT, SPLIT, *contrasts, MASK]
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = stream.getvalue()
    elif path.suffix.lower() in (".yaml", ".yml"):
        text = yaml.safe_dump(rows, sort_keys=False, allow_unicode=True)
    else:
        raise ConfigurationError(f"A manifest ends in .csv or .yaml; {path.name} does not.")
    with staged(path.parent) as stage:
        (stage / path.name).write_text(text, encoding="utf-8")


def _rows(text: str, path: Path) -> list[Row]:
    if path.suffix.lower() == ".csv":
        rows = _csv_rows(text, path)
    elif path.suffix.lower() in (".yaml", ".yml"):
        rows = _yaml_rows(text, path)
    else:
        raise ConfigurationError(f"A manifest is a .csv or a .yaml file; {path} is neither.")
    if not rows:
        raise ConfigurationError(f"The manifest {path} lists no case.")
    if not any(PATIENT in row for row in rows):
        found = ", ".join(dict.fromkeys(column for row in rows for column in row))
        raise ConfigurationError(f"The manifest {path} has no column {PATIENT!r}, only {found}.")
    return rows


def _csv_rows(text: str, path: Path) -> list[Row]:
    header = text.partition("\n")[0]
    # Spreadsheets of countries with a decimal comma separate by semicolons.
    delimiter = ";" if ";" in header and "," not in header else ","
    lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text), delimiter=delimiter)]
    lines = [line for line in lines if any(line)]
    if not lines:
        return []
    columns = [_column(name) for name in lines[0]]
    twice = sorted({name for name in columns if columns.count(name) > 1 or not name})
    if twice:
        raise ConfigurationError(f"The manifest {path} has columns without a name or of the same name: {twice}.")
    wrong = [number for number, line in enumerate(lines[1:], 1) if len(line) > len(columns)]
    if wrong:
        raise ConfigurationError(f"The manifest {path} has more cells than columns in case {wrong[0]}.")
    return [dict(zip(columns, line, strict=False)) for line in lines[1:]]


def _yaml_rows(text: str, path: Path) -> list[Row]:
    try:
        data: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"The manifest {path} is no YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise ConfigurationError(f"The manifest {path} must be a list of cases, each with a patient and its files.")
    nested = [str(key) for row in data for key, value in row.items() if isinstance(value, (dict, list))]
    if nested:
        raise ConfigurationError(f"The manifest {path} has several values for {nested[0]}; each key takes one file.")
    return [{_column(str(key)): "" if value is None else str(value) for key, value in row.items()} for row in data]


def _column(name: str) -> str:
    return name.strip().lower() if name.strip().lower() in (PATIENT, SPLIT, MASK) else name.strip()


def _case(row: Row, folder: Path) -> Case:
    files = {name: folder / cell for name, cell in row.items() if cell and name not in (PATIENT, SPLIT, MASK)}
    mask = row.get(MASK, "")
    return Case(row.get(PATIENT, ""), files, folder / mask if mask else None, row.get(SPLIT, ""))


def _problems_of(case: Case, place: str) -> list[str]:
    problems = [] if case.patient else [f"{place} has no patient"]
    if not case.files:
        problems.append(f"{case.patient or place} has no contrast")
    for name, file in {**case.files, **({MASK: case.mask} if case.mask else {})}.items():
        if not file.exists():
            problems.append(f"{case.patient or place}: there is no file {file} for {name}")
        elif file.is_file() and known_ending(file) is None:
            problems.append(f"{case.patient or place}: {file} for {name} is none of {', '.join(ENDINGS[1:])}")
    return problems


def _repeated(cases: Iterable[Case]) -> list[str]:
    """Rows that name a file of another row or the file of another contrast."""
    users: dict[Path, list[str]] = {}
    for number, case in enumerate(cases, 1):
        for contrast, file in case.files.items():
            users.setdefault(file, []).append(f"{contrast} of case {number} ({case.patient})")
    return [f"{file} is named more than once: {', '.join(by)}" for file, by in users.items() if len(by) > 1]


def _in_two_splits(cases: Iterable[Case]) -> list[str]:
    splits: dict[str, set[str]] = {}
    for case in cases:
        splits.setdefault(case.patient, set()).add(case.split)
    return [
        f"the patient {patient} is in {len(names)} splits ({', '.join(sorted(name or 'none' for name in names))}); "
        "all studies of a patient belong to one"
        for patient, names in splits.items()
        if patient and len(names) > 1
    ]


def _row(case: Case, folder: Path) -> Row:
    row = {PATIENT: case.patient, SPLIT: case.split}
    row.update({contrast: _relative(file, folder) for contrast, file in case.files.items()})
    return {**row, MASK: _relative(case.mask, folder)} if case.mask else row


def _relative(file: Path, folder: Path) -> str:
    whole = file.parent.resolve() / file.name
    try:
        return Path(os.path.relpath(whole, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return whole.as_posix()
