"""Fuse two volumes into one image that can be taken apart again."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.sources import add_source_arguments, read_source, say_sources, say_written
from InvertibleFusionLib.commands.terminal import Progress, say_certificate

if TYPE_CHECKING:
    from InvertibleFusionLib.models.model import Model
    from InvertibleFusionLib.volumes.volume import Volume


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("sources", nargs="+", type=Path, help="two volumes: NRRD, NIfTI, MetaImage, DICOM folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for fused.nrrd and latent.nrrd")
    parser.add_argument("--model", help="shipped name or file; default: the one trained on these contrasts")
    parser.add_argument("--certify", action="store_true", help="float64; integer sources must come back bit for bit")
    add_source_arguments(parser)


def run(options: Namespace, _: ArgumentParser) -> None:
    """Fuse the volumes and write fused.nrrd and latent.nrrd."""
    from InvertibleFusionLib.volumes.writing import staged, write_in_turn

    with staged(options.out) as stage:
        volumes, record = _fused(options)
        names = list(volumes)
        write_in_turn(volumes, stage)
    say_sources(record)
    say_certificate(record)
    if "latent" not in names:
        print("There is no latent: this model's network cannot be run backwards, the image cannot be taken apart.")
    if "fused-colour" in names:
        print("Of colour its luminance was fused; fused-colour.nrrd is the fused image with the chroma kept.")
    say_written(options.out, [f"{name}.nrrd" for name in names])


def _fused(options: Namespace) -> tuple[dict[str, "Volume"], dict[str, Any]]:
    """The results by their names and the record; the sources are let go of, since writing takes memory, too."""
    from InvertibleFusionLib.inference.colour_fusion import in_colour, to_fuse
    from InvertibleFusionLib.inference.fusion import fuse
    from InvertibleFusionLib.inference.plan import Settings
    from InvertibleFusionLib.models.shipped import fusion_model_for, load_model

    sources = [read_source(path, options.replace_nonfinite) for path in options.sources]
    model = load_model(options.model or fusion_model_for([source.name for source in sources]))
    _say_model(model, [source.name for source in sources])
    with Progress("fusing") as progress:
        fusion = fuse(
            model,
            to_fuse(sources),
            reference=options.reference - 1,
            resample=options.resample,
            axis=options.axis,
            certify=options.certify,
            settings=Settings(device=options.device),
            on_slice=progress,
        )
    volumes = fusion.named_volumes()
    if (coloured := in_colour(fusion, sources)) is not None:
        volumes["fused-colour"] = coloured
    return volumes, fusion.record


def _say_model(model: "Model", sources: list[str]) -> None:
    from InvertibleFusionLib.models.model import InvertibleFusionNetwork

    trained_on = model.card.inputs
    print(f"Model {model.card.name}, trained on {' + '.join(trained_on)}.")
    if [source.casefold() for source in sources] != [contrast.casefold() for contrast in trained_on]:
        invertible = isinstance(model.network, InvertibleFusionNetwork)
        exact = "they come back exactly all the same, but " if invertible else ""
        alone = " and what it tells alone" if invertible else ""
        print(
            f"The sources are called {' + '.join(sources)}, other contrasts than those: {exact}the fused image{alone} "
            "may be less good."
        )
