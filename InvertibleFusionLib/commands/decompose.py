"""Take a fused image apart into its sources, or go back from synthetic images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.terminal import DEVICES, Progress, say_certificate
from InvertibleFusionLib.errors import ConfigurationError

if TYPE_CHECKING:
    from InvertibleFusionLib.volumes.volume import Volume


WHAT_IT_SHOWS = {
    "round trip": (
        "Round trip: the network's own full output, run backwards. It shows that the arithmetic lost nothing, not that "
        "the synthetic image is right or tells its sources."
    ),
    "target alone": (
        "From the target image alone: what a single contrast tells of the others by this model. Synthetic: a network "
        "made it, no scanner."
    ),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("images", nargs="+", type=Path, help="the fused image, or all synthetic images of a synthesis")
    parser.add_argument("--latent", type=Path, help="latent.nrrd written with it: the sources come back exactly")
    parser.add_argument("--out", type=Path, help="folder for the results; default: the first image's")
    parser.add_argument("--model", help="shipped name or file; default: the one in the image's record")
    parser.add_argument("--samples", type=int, help="draws for mean and spread from a fused image alone (default: 8)")
    parser.add_argument("--seed", type=int, help="of the draws (default: 0)")
    parser.add_argument("--certify", action="store_true", help="with the latent: float64, checked bit for bit")
    parser.add_argument("--device", default="auto", help=DEVICES)


def run(options: Namespace, _: ArgumentParser) -> None:
    """Take the image apart and write a file for each result."""
    from InvertibleFusionLib.inference.record import NOTICE
    from InvertibleFusionLib.volumes.writing import staged, write_in_turn

    out = options.out or options.images[0].parent
    with staged(out) as stage:
        volumes, record = _taken_apart(options)
        written = {name: volume.name for name, volume in volumes.items()}
        write_in_turn(volumes, stage)
    if not record["sources"]:
        print("The image carries no record of its sources: the results are in the network's numbers, about 0 to 1.")
    say_certificate(record)
    if record["settings"]["way"] in WHAT_IT_SHOWS:
        print(WHAT_IT_SHOWS[record["settings"]["way"]])
    if (draws := _draws(options)) and "samples" not in record["settings"]:
        given = " and ".join(f"--{name} {value}" for name, value in draws.items())
        print(f"Nothing is drawn on this way back: it is the same without {given}.")
    for file, name in written.items():
        print(f"{out / file}.nrrd: {name}")
    print(NOTICE)


def _taken_apart(options: Namespace) -> tuple[dict[str, "Volume"], dict[str, Any]]:
    """The results by their names and the record; images and latent are let go of, since writing takes memory, too."""
    from InvertibleFusionLib.inference.decomposition import decompose
    from InvertibleFusionLib.inference.plan import Settings
    from InvertibleFusionLib.models.shipped import load_model
    from InvertibleFusionLib.volumes.volume import Volume

    images = [Volume.read(path) for path in options.images]
    latent = None if options.latent is None else Volume.read(options.latent)
    model = load_model(options.model or _recorded_model(images[0], latent, options.images[0]))
    with Progress("decomposing") as progress:
        result = decompose(
            model,
            images,
            latent=latent,
            certify=options.certify,
            settings=Settings(device=options.device),
            on_slice=progress,
            **_draws(options),
        )
    return result.named_volumes(), result.record


def _draws(options: Namespace) -> dict[str, int]:
    """What was said of the draws; what was not is left to ``decompose``."""
    return {name: options[name] for name in ("samples", "seed") if options[name] is not None}


def _recorded_model(image: "Volume", latent: "Volume | None", path: Path) -> str:
    from InvertibleFusionLib.inference.record import forward_record
    from InvertibleFusionLib.models.shipped import shipped_models

    record = forward_record(image) or (None if latent is None else forward_record(latent))
    if record is None:
        raise ConfigurationError(
            f"{path} carries no record of the model that made it. Name the model (--model), if you know it."
        )
    if record.model_name not in shipped_models():
        raise ConfigurationError(
            f"{path} was made by the model {record.model_name}, which is not shipped. Give its file (--model FILE)."
        )
    return record.model_name
