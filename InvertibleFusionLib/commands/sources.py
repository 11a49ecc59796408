"""Options for the sources of a task, reading them, and saying what was done to them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser

from InvertibleFusionLib.commands.terminal import DEVICES

if TYPE_CHECKING:
    from InvertibleFusionLib.volumes.volume import Volume


def add_source_arguments(parser: ArgumentParser) -> None:
    """Describe the options that fusing and synthesizing share."""
    parser.add_argument("--resample", action="store_true", help="put sources on the reference's grid where they differ")
    parser.add_argument(
        "--reference", type=int, default=1, help="number of the source whose grid the result has (default: 1)"
    )
    parser.add_argument(
        "--axis", default="axial", help="along which slices run: axial (default), coronal, sagittal, acquisition"
    )
    parser.add_argument("--replace-nonfinite", type=float, metavar="VALUE", help="for NaN and infinite voxels")
    parser.add_argument("--device", default="auto", help=DEVICES)


def read_source(path: Path, replacement: float | None) -> "Volume":
    """Read a volume, with ``replacement`` in place of NaN and infinities."""
    from InvertibleFusionLib.volumes.suitability import replace_nonfinite
    from InvertibleFusionLib.volumes.volume import Volume

    volume = Volume.read(path)
    return volume if replacement is None else replace_nonfinite(volume, replacement)


def say_sources(record: dict[str, Any]) -> None:
    """Print which voxels were replaced and what was resampled."""
    for source in record["sources"]:
        if source["replaced_nonfinite"]:
            count, value = source["replaced_nonfinite"]["voxels"], source["replaced_nonfinite"]["value"]
            print(f"{source['name']}: {count} of its voxels were not finite and became {value:g}.")
        if source["resampled"]:
            inside = source["resampled"]["coverage"]
            print(
                f"{source['name']} was resampled onto the grid of {source['resampled']['onto']}, {inside:.0%} inside."
            )


def say_written(folder: Path, files: list[str]) -> None:
    """Print where the results lie."""
    print("Wrote " + " and ".join(str(folder / file) for file in files) + ". Research use only.")
