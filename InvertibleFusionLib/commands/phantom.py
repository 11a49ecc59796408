"""Make phantom patients: simulated heads with a tumour."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("--out", type=Path, required=True, help="folder; each patient gets one inside")
    parser.add_argument("--patients", type=int, default=1, help="how many (default: 1)")
    parser.add_argument("--contrasts", nargs="+", help="of T1 T1Gd T2 PD FLAIR DWI ADC PET (default: all)")
    parser.add_argument("--ending", default=".nii.gz", help="type of the files: .nii.gz (default), .nii, .nrrd, .mha")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same patients (default: 0)")


def run(options: Namespace, _: ArgumentParser) -> None:
    """Write one folder for each patient."""
    from InvertibleFusionLib.phantom import CONTRASTS, write_study

    contrasts = options.contrasts or list(CONTRASTS)
    for folder in write_study(options.patients, options.out, options.seed, contrasts, options.ending):
        print(f"{folder}: simulated {', '.join(contrasts)}, labels, and the parameters of its scanner", flush=True)
    print("Simulated. Research use only.")
