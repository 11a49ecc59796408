"""Fusing colour images through their luminance: their hues, which in PET are the measurement, stay."""

from collections.abc import Sequence

import numpy as np

from InvertibleFusionLib.inference.fusion import Fusion
from InvertibleFusionLib.inference.record import with_result
from InvertibleFusionLib.volumes.colour import luminance, with_luminance
from InvertibleFusionLib.volumes.grid import Grid, same_grid
from InvertibleFusionLib.volumes.resampling import resample
from InvertibleFusionLib.volumes.volume import Volume

COLOURS = 3


def to_fuse(sources: Sequence[Volume]) -> list[Volume]:
    """Sources with the luminance in the place of every RGB volume; what is fused, and what comes back."""
    return [luminance(source) if source.components == COLOURS else source for source in sources]


def in_colour(fusion: Fusion, sources: Sequence[Volume]) -> Volume | None:
    """A fused image in the colours of the first source that has any; None where all are grey.

    Args:
        fusion: of ``to_fuse(sources)``.
        sources: grey or RGB.

    Returns:
        RGB of the source's type on the fused image's grid; its luminance is the fused image, as far as the chroma
        fits it.
    """
    colour = next((source for source in sources if source.components == COLOURS), None)
    if colour is None:
        return None
    result = with_luminance(_on(fusion.image.grid, colour), fusion.image)
    title = f"{fusion.image.name}, in the colours of {colour.name}"
    record = with_result(fusion.record, "fused-colour", title)
    return Volume.on_grid(result.array, result.grid, name=title, record=record)


def _on(grid: Grid, colour: Volume) -> Volume:
    if same_grid(grid, colour.grid):
        return colour
    placed, kind = resample(colour, grid), colour.array.dtype
    return placed.with_array((np.rint(placed.array) if kind.kind in "iu" else placed.array).astype(kind))
