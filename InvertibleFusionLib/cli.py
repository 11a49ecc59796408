"""The command ``invertible-fusion``. Exit codes: 0 done, 1 a mistake that the user can mend, 130 cancelled."""

import difflib
import logging
import os
import signal
import sys
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib._version import __version__
from InvertibleFusionLib.errors import ConfigurationError, InvertibleFusionError

if TYPE_CHECKING:
    from InvertibleFusionLib.inference.slice_engine import FinishedSlice
    from InvertibleFusionLib.volumes.volume import Volume

# Threads that spin while they wait for each other make everything many times slower beside another busy program.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

DONE, MISTAKE, CANCELLED = 0, 1, 130
EXTRAS = {"matplotlib": "evaluation", "jinja2": "evaluation", "FrEIA": "benchmark"}
"""What is installed only on request, and by which extra."""
DEVICES = "auto (CUDA, MPS, CPU, in this order), cpu, cuda, cuda:1, mps"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return DONE
    if arguments[0] == "--version":
        print(f"invertible-fusion {__version__}")
        return DONE
    # A program that starts this one ends it with SIGTERM; that shall clean up as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(arguments)
    except KeyboardInterrupt:
        print("Cancelled. Nothing is half-written.", file=sys.stderr)
        return CANCELLED
    except InvertibleFusionError as error:
        print(error, file=sys.stderr)
        return MISTAKE
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        print(f'This needs {error.name}: pip install "invertible-fusion[{EXTRAS[error.name]}]".', file=sys.stderr)
        return MISTAKE
    except MemoryError:
        print(
            "There is not enough memory for volumes of this size. Close other programs or crop them.", file=sys.stderr
        )
        return MISTAKE
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.stdout = None
    finally:
        signal.signal(signal.SIGTERM, before)
    return DONE


def _run(arguments: list[str]) -> None:
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigurationError(f"There is no command {name!r}.{hint} invertible-fusion --help lists them.")
    command = COMMANDS[name]
    parser = ArgumentParser(prog=f"invertible-fusion {name}", description=command.help, exit_on_error=False)
    command.add_arguments(parser)
    if name == "train" and rest and not rest[0].startswith("-"):
        rest = ["--config", *rest]
    try:
        parsed = parser.parse_args(rest)
    except ArgumentError as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{reason}. invertible-fusion {name} --help explains the options.") from error
    command.run(parsed, parser)


# fuse ---------------------------------------------------------------------------------------------------------------


def _fuse_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", type=Path, help="two volumes: NRRD, NIfTI, MetaImage, DICOM folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for fused.nrrd and latent.nrrd")
    parser.add_argument("--model", help="shipped name or file; default: the one trained on these contrasts")
    parser.add_argument("--resample", action="store_true", help="put sources on the reference's grid where they differ")
    parser.add_argument("--reference", type=int, default=1, help="number of the source whose grid the result has")
    parser.add_argument("--axis", default="axial", help="along which slices run: axial, coronal, sagittal, acquisition")
    parser.add_argument("--certify", action="store_true", help="float64; integer sources must come back bit for bit")
    parser.add_argument("--replace-nonfinite", type=float, metavar="VALUE", help="for NaN and infinite voxels")
    parser.add_argument("--device", default="auto", help=DEVICES)


def _fuse(options: Namespace, _: ArgumentParser) -> None:
    from InvertibleFusionLib.inference.fusion import fuse
    from InvertibleFusionLib.inference.plan import Settings
    from InvertibleFusionLib.models.shipped import fusion_model_for, load_model
    from InvertibleFusionLib.volumes.writing import staged, write_into_stage

    sources = [_read(path, options.replace_nonfinite) for path in options.sources]
    model = load_model(options.model or fusion_model_for([source.name for source in sources]))
    _say_model(model.card.name, model.card.inputs, [source.name for source in sources])
    with staged(options.out) as stage, _Progress("fusing") as progress:
        fusion = fuse(
            model,
            sources,
            reference=options.reference - 1,
            resample=options.resample,
            axis=options.axis,
            certify=options.certify,
            settings=Settings(device=options.device),
            on_slice=progress,
        )
        write_into_stage(fusion.image, stage / "fused.nrrd")
        write_into_stage(fusion.latent, stage / "latent.nrrd")
    for source in fusion.record["sources"]:
        if source["resampled"]:
            inside = source["resampled"]["coverage"]
            print(
                f"{source['name']} was resampled onto the grid of {source['resampled']['onto']}, {inside:.0%} inside."
            )
    _say_certificate(fusion.record)
    _say_written(options.out, ["fused.nrrd", "latent.nrrd"])


# decompose ----------------------------------------------------------------------------------------------------------


def _decompose_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("image", type=Path, help="the fused image")
    parser.add_argument("--latent", type=Path, help="latent.nrrd written with it: the sources come back exactly")
    parser.add_argument("--out", type=Path, help="folder for the results; default: the image's")
    parser.add_argument("--model", help="shipped name or file; default: the one in the image's record")
    parser.add_argument("--samples", type=int, default=8, help="draws for mean and spread from the image alone")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--certify", action="store_true", help="with the latent: float64, checked bit for bit")
    parser.add_argument("--device", default="auto", help=DEVICES)


def _decompose(options: Namespace, _: ArgumentParser) -> None:
    from InvertibleFusionLib.inference.decomposition import decompose
    from InvertibleFusionLib.inference.plan import Settings
    from InvertibleFusionLib.models.shipped import load_model
    from InvertibleFusionLib.volumes.volume import Volume
    from InvertibleFusionLib.volumes.writing import staged, write_into_stage

    image = Volume.read(options.image)
    latent = None if options.latent is None else Volume.read(options.latent)
    model = load_model(options.model or _recorded_model(image, latent, options.image))
    out = options.out or options.image.parent
    with staged(out) as stage, _Progress("decomposing") as progress:
        result = decompose(
            model,
            image,
            latent=latent,
            samples=options.samples,
            seed=options.seed,
            certify=options.certify,
            settings=Settings(device=options.device),
            on_slice=progress,
        )
        for name, volume in result.named_volumes().items():
            write_into_stage(volume, stage / f"{name}.nrrd")
    if not result.record["sources"]:
        print("The image carries no record of its sources: the results are in the network's numbers, about 0 to 1.")
    _say_certificate(result.record)
    for name, volume in result.named_volumes().items():
        print(f"{out / name}.nrrd: {volume.name}")


def _recorded_model(image: "Volume", latent: "Volume | None", path: Path) -> str:
    from InvertibleFusionLib.inference.record import fusion_record
    from InvertibleFusionLib.models.shipped import shipped_models

    record = fusion_record(image) or (None if latent is None else fusion_record(latent))
    if record is None:
        raise ConfigurationError(
            f"{path} carries no record of the model that fused it. Name the model (--model), if you know it."
        )
    if record.model_name not in shipped_models():
        raise ConfigurationError(
            f"{path} was fused by the model {record.model_name}, which is not shipped. Give its file (--model FILE)."
        )
    return record.model_name


# models -------------------------------------------------------------------------------------------------------------


def _models_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="shipped name or file: show its whole card")


def _models(options: Namespace, _: ArgumentParser) -> None:
    import yaml

    from InvertibleFusionLib.models.model_file import file_digest, read_card
    from InvertibleFusionLib.models.shipped import model_path, shipped_cards

    if options.model:
        path = model_path(options.model)
        described = {**read_card(path).to_json(), "sha256": file_digest(path)}
        print(yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=100).rstrip())
        return
    for card in shipped_cards():
        print(f"{card.name}: {card.task} of {' + '.join(card.inputs)} ({card.architecture})")
        print(f"    {card.intended_use}")


# import-checkpoint --------------------------------------------------------------------------------------------------


def _import_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="FusionINN's official inn.pt, written with any FrEIA")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write, NAME.safetensors")
    parser.add_argument("--inputs", nargs=2, default=["T1Gd", "FLAIR"], help="contrasts it was trained on, in order")


def _import_checkpoint(options: Namespace, _: ArgumentParser) -> None:
    from InvertibleFusionLib.models.card import ModelCard
    from InvertibleFusionLib.models.model_file import file_digest, save_model
    from InvertibleFusionLib.models.official_checkpoint import read_official_checkpoint

    if options.out.suffix != ".safetensors":
        raise ConfigurationError(f"A model file ends in .safetensors; {options.out.name} does not.")
    network = read_official_checkpoint(options.checkpoint)
    card = ModelCard(
        name=options.out.stem,
        architecture="fusioninn",
        configuration=network.configuration.to_json(),
        task="fusion",
        inputs=list(options.inputs),
        outputs=["fused"],
        intensity={"method": "slice-minmax"},
        training={"imported_from": options.checkpoint.name, "sha256": file_digest(options.checkpoint)},
    )
    save_model(network, card, options.out)
    print(f"Wrote {options.out}.")


# train --------------------------------------------------------------------------------------------------------------


def _train_arguments(parser: ArgumentParser) -> None:
    from InvertibleFusionLib.training.configuration import TrainingConfiguration

    parser.add_argument("--config", action="config", help="YAML configuration; may stand first without --config")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write, NAME.safetensors")
    parser.add_class_arguments(TrainingConfiguration)


def _train(options: Namespace, parser: ArgumentParser) -> None:
    from InvertibleFusionLib.training.configuration import TrainingConfiguration
    from InvertibleFusionLib.training.run import train_model

    out = options.pop("out")
    options.pop("config", None)
    instances = parser.instantiate(options)
    instances.pop("out", None)
    configuration = TrainingConfiguration(**instances.as_dict())
    with _Progress("training") as progress:
        card = train_model(configuration, out, progress.step)
    print(f"Wrote {out}.")
    for metric in card.metrics:
        print(f"{metric['name']}: {metric['mean']:.4f} ± {metric['standard_deviation']:.4f} on {metric['data']}")


# benchmark ----------------------------------------------------------------------------------------------------------


def _benchmark_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--against", choices=["freia"], default="freia", help="the published way: a FrEIA graph")
    parser.add_argument("--model", default="fusioninn-t1gd-flair", help="shipped name or file")
    parser.add_argument("--size", nargs=3, type=int, default=[155, 240, 240], help="slices, rows, columns")
    parser.add_argument("--rounds", type=int, default=3, help="how often both are timed, in turn")
    parser.add_argument("--seed", type=int, default=0, help="of the random volumes")


def _benchmark(options: Namespace, _: ArgumentParser) -> None:
    from InvertibleFusionLib.evaluation.benchmark import compare_with_freia
    from InvertibleFusionLib.models.shipped import load_model

    size = (options.size[0], options.size[1], options.size[2])
    with _Progress("benchmark") as progress:
        comparison = compare_with_freia(load_model(options.model), size, options.rounds, options.seed, progress.advance)
    print(comparison.describe())


# phantom and demo ---------------------------------------------------------------------------------------------------


def _phantom_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder; each patient gets one inside")
    parser.add_argument("--patients", type=int, default=1, help="how many")
    parser.add_argument("--contrasts", nargs="+", help="of T1 T1Gd T2 PD FLAIR DWI ADC PET (default: all)")
    parser.add_argument("--ending", default=".nii.gz", help="type of the files: .nii.gz, .nii, .nrrd, .mha")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same patients")


def _phantom(options: Namespace, _: ArgumentParser) -> None:
    from InvertibleFusionLib.phantom import CONTRASTS, write_study

    contrasts = options.contrasts or list(CONTRASTS)
    for folder in write_study(options.patients, options.out, options.seed, contrasts, options.ending):
        print(f"{folder}: simulated {', '.join(contrasts)}, labels, and the parameters of its scanner", flush=True)


def _demo_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for everything")
    parser.add_argument("--model", default="fusioninn-t1gd-flair", help="shipped name or file")
    parser.add_argument("--seed", type=int, default=7, help="of the phantom patient")


def _demo(options: Namespace, _: ArgumentParser) -> None:
    from InvertibleFusionLib.evaluation.demo import run_demo
    from InvertibleFusionLib.models.shipped import load_model

    run_demo(load_model(options.model), options.out, options.seed, lambda stage: print(f"… {stage}", flush=True))
    print(f"Open {options.out / 'report.html'} in a browser: what was done and how to read it, on one page.")
    print(f"Open {options.out / 'montage.png'}: sources, fused, decomposed, error and spread in one picture.")
    print(f"Open {options.out / 'ADC.nrrd'}, fused.nrrd, exact-1-ADC.nrrd beside it in 3D Slicer. Research use only.")


# shared -------------------------------------------------------------------------------------------------------------


class _Progress:
    """A progress bar on the terminal's error stream."""

    def __init__(self, what: str) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(desc=what, unit="slice", leave=False, dynamic_ncols=True)

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __call__(self, finished: "FinishedSlice") -> None:
        self.advance(finished.done, finished.total)

    def advance(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def step(self, done: int, total: int, losses: dict[str, float]) -> None:
        self._bar.unit = "step"
        self._bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()}, refresh=False)
        self.advance(done, total)


def _read(path: Path, replacement: float | None) -> "Volume":
    from InvertibleFusionLib.volumes.suitability import replace_nonfinite
    from InvertibleFusionLib.volumes.volume import Volume

    volume = Volume.read(path)
    return volume if replacement is None else replace_nonfinite(volume, replacement)


def _say_model(name: str, trained_on: list[str], sources: list[str]) -> None:
    print(f"Model {name}, trained on {' + '.join(trained_on)}.")
    if [source.casefold() for source in sources] != [contrast.casefold() for contrast in trained_on]:
        print(
            f"The sources are called {' + '.join(sources)}, other contrasts than those: they come back exactly all the "
            "same, but the fused image and what it tells alone may be less good."
        )


def _say_certificate(record: dict[str, Any]) -> None:
    for entry in record.get("certificate", []):
        if entry["bit_for_bit"]:
            print(f"Certified: {entry['source']} comes back bit for bit.")
        else:
            within = f" within {entry['largest_difference']:.3g}" if "largest_difference" in entry else ""
            print(f"Not certified: {entry['source']} has fractional values; it comes back{within}, not bit for bit.")


def _say_written(folder: Path, files: list[str]) -> None:
    print("Wrote " + " and ".join(str(folder / file) for file in files) + ". Research use only.")


@dataclass(frozen=True)
class _Command:
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, ArgumentParser], None]


COMMANDS = {
    "fuse": _Command("Fuse two volumes into one image that can be taken apart again.", _fuse_arguments, _fuse),
    "decompose": _Command("Take a fused image apart into its sources.", _decompose_arguments, _decompose),
    "models": _Command("List the shipped models, or show one model's card.", _models_arguments, _models),
    "import-checkpoint": _Command(
        "Convert FusionINN's official checkpoint into a model file.", _import_arguments, _import_checkpoint
    ),
    "train": _Command("Train a model: train CONFIG.yaml --out FILE [--key value …].", _train_arguments, _train),
    "phantom": _Command("Make phantom patients: simulated heads with a tumour.", _phantom_arguments, _phantom),
    "demo": _Command("Fuse and decompose a phantom patient, with a montage and a report.", _demo_arguments, _demo),
    "benchmark": _Command(
        "Time fusing and decomposing against the published way, in turn.", _benchmark_arguments, _benchmark
    ),
}


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "invertible-fusion: fuse co-registered brain volumes, and take the fused image apart again.",
            "Research use only. Not certified for diagnosis.",
            "",
            *lines,
            "",
            "invertible-fusion COMMAND --help explains a command. For a start:",
            "  invertible-fusion fuse ADC.nii.gz FLAIR.nii.gz --resample --out result",
            "  invertible-fusion decompose result/fused.nrrd --latent result/latent.nrrd",
        ]
    )
