"""Synthesize missing contrasts from others."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.sources import add_source_arguments, read_source, say_sources, say_written
from InvertibleFusionLib.commands.terminal import Progress


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("sources", nargs="+", type=Path, help="volumes, in the order of the model's inputs")
    parser.add_argument("--model", required=True, help="shipped name or file of a synthesis model")
    parser.add_argument(
        "--given",
        nargs="+",
        metavar="INPUT",
        help="which of the model's inputs the volumes are, such as T1: they may come in any order then, and a "
        "feature-disentanglement GAN does without the others",
    )
    parser.add_argument(
        "--inspect",
        action="store_true",
        help="write the pseudo-target and AdaIN's statistics (CSV) of a feature-disentanglement GAN, too",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for synthetic-T2.nrrd and so on, latent.nrrd")
    add_source_arguments(parser)


def run(options: Namespace, _: ArgumentParser) -> None:
    """Synthesize and write every synthetic image, and the latent of a network that runs backwards."""
    from InvertibleFusionLib.inference.plan import Settings
    from InvertibleFusionLib.inference.synthesis import synthesize
    from InvertibleFusionLib.models.shipped import load_model
    from InvertibleFusionLib.volumes.writing import staged, write_into_stage

    sources = [read_source(path, options.replace_nonfinite) for path in options.sources]
    model = load_model(options.model)
    print(f"Model {model.card.name}: {' + '.join(model.card.outputs)} from {' + '.join(model.card.inputs)}.")
    with staged(options.out) as stage, Progress("synthesizing") as progress:
        synthesis = synthesize(
            model,
            sources,
            reference=options.reference - 1,
            resample=options.resample,
            axis=options.axis,
            settings=Settings(device=options.device),
            on_slice=progress,
            given=options.given,
            inspect=options.inspect,
        )
        volumes = synthesis.named_volumes()
        for name, volume in volumes.items():
            write_into_stage(volume, stage / f"{name}.nrrd")
        files = [*(f"{name}.nrrd" for name in volumes), *synthesis.write_statistics(stage)]
    say_sources(synthesis.record)
    print("Synthetic: a network made it, no scanner. What is rare, such as a small lesion, may be missing or made up.")
    say_written(options.out, files)
    _say_left(options.out, files, options.sources)


def _say_left(folder: Path, written: list[str], sources: list[Path]) -> None:
    """Say which files of an earlier run lie beside this one's images, which they do not belong to."""
    from InvertibleFusionLib.inference.synthesis import PSEUDO_TARGET
    from InvertibleFusionLib.inference.synthesis_grounds import STATISTICS_FILE
    from InvertibleFusionLib.volumes.reading import RECORD_ENDING

    record = Path(STATISTICS_FILE).with_suffix(RECORD_ENDING).name
    forward = ("synthetic-*.nrrd", "latent.nrrd", f"{PSEUDO_TARGET}.nrrd", STATISTICS_FILE, record)
    back = ("round-trip-*.nrrd", "from-target-*.nrrd")  # decompose writes beside the images unless told otherwise
    ours = {(folder / name).resolve() for name in written} | {path.resolve() for path in sources}
    left = [path for kind in (*forward, *back) for path in sorted(folder.glob(kind)) if path.resolve() not in ours]
    if left:
        names = " and ".join(map(str, left))
        print(f"Left as they were: {names}, from an earlier run. They do not belong to these images.")
