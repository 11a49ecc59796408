"""List the cases of a folder (BraTS, BIDS, PATIENT/CONTRAST.nii.gz) for training."""

from collections import Counter
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

SHOWN = 20
"""So many files that were left out are named."""


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("folder", type=Path, help="with the patients' folders")
    parser.add_argument("--out", type=Path, required=True, help="the list to write, NAME.csv or NAME.yaml")
    parser.add_argument("--validation", type=float, default=0.2, help="share of the patients (default: 0.2)")
    parser.add_argument("--test", type=float, default=0.0, help="share of the patients (default: 0)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same split (default: 0)")


def run(options: Namespace, _: ArgumentParser) -> None:
    """Find, split, write; say what was found and what was left out."""
    from InvertibleFusionLib.training.data.layouts import find_cases, split_cases
    from InvertibleFusionLib.training.data.manifest import write_manifest

    found = find_cases(options.folder)
    cases = split_cases(found.cases, options.validation, options.test, options.seed)
    write_manifest(cases, options.out)
    patients = {case.patient: case.split for case in cases}
    splits = Counter(patients.values())
    contrasts = Counter(contrast for case in cases for contrast in case.files)
    masks = sum(case.mask is not None for case in cases)
    print(f"Patients: {len(patients)}, studies: {len(cases)}, masks: {masks}.")
    print("Studies with each contrast: " + ", ".join(f"{name} {count}" for name, count in contrasts.items()) + ".")
    print("Split by patient: " + ", ".join(f"{count} {split}" for split, count in splits.items()) + ".")
    if found.left_out:
        print(f"Left out, {len(found.left_out)} in all:")
    for file, why in list(found.left_out.items())[:SHOWN]:
        print(f"  {file}: {why}")
    if len(found.left_out) > SHOWN:
        print(f"  and {len(found.left_out) - SHOWN} more")
    print(f"Wrote {options.out}.")
