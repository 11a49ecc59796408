"""Fuse two volumes into one image that can be taken apart again."""

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.terminal import DEVICES, Progress, say_certificate

if TYPE_CHECKING:
    from InvertibleFusionLib.volumes.volume import Volume


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("sources", nargs="+", type=Path, help="two volumes: NRRD, NIfTI, MetaImage, DICOM folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for fused.nrrd and latent.nrrd")
    parser.add_argument("--model", help="shipped name or file; default: the one trained on these contrasts")
    parser.add_argument("--resample", action="store_true", help="put sources on the reference's grid where they differ")
    parser.add_argument(
        "--reference", type=int, default=1, help="number of the source whose grid the result has (default: 1)"
    )
    parser.add_argument(
        "--axis", default="axial", help="along which slices run: axial (default), coronal, sagittal, acquisition"
    )
    parser.add_argument("--certify", action="store_true", help="float64; integer sources must come back bit for bit")
    parser.add_argument("--replace-nonfinite", type=float, metavar="VALUE", help="for NaN and infinite voxels")
    parser.add_argument("--device", default="auto", help=DEVICES)


def run(options: Namespace, _: ArgumentParser) -> None:
    """Fuse the volumes and write fused.nrrd and latent.nrrd."""
    from InvertibleFusionLib.inference.fusion import fuse
    from InvertibleFusionLib.inference.plan import Settings
    from InvertibleFusionLib.models.shipped import fusion_model_for, load_model
    from InvertibleFusionLib.volumes.writing import staged, write_into_stage

    sources = [_read(path, options.replace_nonfinite) for path in options.sources]
    model = load_model(options.model or fusion_model_for([source.name for source in sources]))
    _say_model(model.card.name, model.card.inputs, [source.name for source in sources])
    with staged(options.out) as stage, Progress("fusing") as progress:
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
        if source["replaced_nonfinite"]:
            count, value = source["replaced_nonfinite"]["voxels"], source["replaced_nonfinite"]["value"]
            print(f"{source['name']}: {count} of its voxels were not finite and became {value:g}.")
        if source["resampled"]:
            inside = source["resampled"]["coverage"]
            print(
                f"{source['name']} was resampled onto the grid of {source['resampled']['onto']}, {inside:.0%} inside."
            )
    say_certificate(fusion.record)
    _say_written(options.out, ["fused.nrrd", "latent.nrrd"])


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


def _say_written(folder: Path, files: list[str]) -> None:
    print("Wrote " + " and ".join(str(folder / file) for file in files) + ". Research use only.")
