"""Colour images: their luminance, and another image in its place.

A colour image is fused through its luminance: of Y, Cb and Cr (ITU-R BT.601, full range, as JPEG has them) Y is fused
and the chroma kept. Fusing red, green and blue one by one would change the hues, which in PET are the measurement.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import GridMismatchError, UnsuitableVolumeError
from InvertibleFusionLib.volumes.grid import describe_difference, same_grid
from InvertibleFusionLib.volumes.volume import Volume

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue."""


def luminance(colour: Volume) -> Volume:
    """Y of an RGB volume: a grey float32 volume in [0, 1] on the same grid.

    Args:
        colour: three components, from 0 to the largest value of a whole-number type, or to 1 in floating point.

    Raises:
        UnsuitableVolumeError: when there are not three components.
    """
    values = _unit(colour)
    return colour.with_array((values @ LUMINANCE).astype(np.float32), name=f"luminance of {colour.name}")


def with_luminance(colour: Volume, image: Volume) -> Volume:
    """An RGB volume with ``image`` as its luminance and its own chroma, such as a fused image in PET's colours.

    Where the chroma does not fit the new luminance the result is cut to the range of its type.

    Args:
        colour: as for ``luminance``.
        image: grey, in [0, 1], on the same grid.

    Returns:
        Three components of the colour volume's type.

    Raises:
        UnsuitableVolumeError: other components.
        GridMismatchError: grids that differ.
    """
    values = _unit(colour)
    if image.components != 1:
        raise UnsuitableVolumeError(
            f"{image.name} has {image.components} values per voxel; a luminance has 1. Give the fused image."
        )
    if not same_grid(colour.grid, image.grid):
        raise GridMismatchError(
            f"{image.name} is not on the grid of {colour.name}: it has {describe_difference(colour.grid, image.grid)}. "
            "Fuse with the colour image as the reference."
        )
    # Cb and Cr weigh B − Y and R − Y: keeping them is keeping every component's difference from Y.
    changed = np.clip(values + (image.array - values @ LUMINANCE)[..., None], 0, 1)
    scaled = changed * _top(colour.array.dtype)
    whole = colour.array.dtype.kind in "iu"
    return colour.with_array((np.rint(scaled) if whole else scaled).astype(colour.array.dtype))


def _unit(colour: Volume) -> NDArray[np.float64]:
    if colour.components != 3:
        raise UnsuitableVolumeError(
            f"{colour.name} has {colour.components} values per voxel; a colour image has 3 (red, green, blue)."
        )
    return colour.array.astype(np.float64) / _top(colour.array.dtype)


def _top(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
