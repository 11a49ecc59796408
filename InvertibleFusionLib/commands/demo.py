"""Fuse and decompose a phantom patient, with a montage and a report."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for everything (default: out/demo)")
    parser.add_argument(
        "--model", default="fusioninn-t1gd-flair", help="shipped name or file (default: fusioninn-t1gd-flair)"
    )
    parser.add_argument("--seed", type=int, default=7, help="of the phantom patient (default: 7)")


def run(options: Namespace, _: ArgumentParser) -> None:
    """Make the demonstration and say what to open."""
    from InvertibleFusionLib.evaluation.demo import run_demo
    from InvertibleFusionLib.models.shipped import load_model

    run_demo(load_model(options.model), options.out, options.seed, lambda stage: print(f"… {stage}", flush=True))
    print(f"Open {options.out / 'report.html'} in a browser: what was done and how to read it, on one page.")
    print(f"Open {options.out / 'montage.png'}: sources, fused, decomposed, error and spread in one picture.")
    print(f"Open {options.out / 'ADC.nrrd'}, fused.nrrd, exact-1-ADC.nrrd beside it in 3D Slicer. Research use only.")
