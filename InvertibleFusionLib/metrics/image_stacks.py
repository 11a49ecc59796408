"""Images as the metrics compute with them: stacks of slices in float64 that have one shape, and masks to match."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Stack = NDArray[np.float64]
"""(slices, rows, columns)."""
MaskStack = NDArray[np.bool_]
"""The same shape; True is inside."""


def image_stack(image: ArrayLike, name: str = "image") -> Stack:
    """An image, (rows, columns), or a volume, (slices, rows, columns), of any real type as a stack in float64.

    Raises:
        ValueError: for other shapes, no pixels, or values that are not finite.
    """
    array = np.asarray(image, dtype=np.float64)
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"The {name} must be (rows, columns) or (slices, rows, columns), not {array.shape}.")
    damaged = array.size - np.count_nonzero(np.isfinite(array))
    if damaged:
        raise ValueError(f"The {name} has {damaged} values that are not finite; replace them first.")
    return array if array.ndim == 3 else array[np.newaxis]


def image_and_target(image: ArrayLike, target: ArrayLike, name: str = "target") -> tuple[Stack, Stack]:
    """An image and what it should be, or another image of that ``name``, as stacks.

    Raises:
        ValueError: when their shapes differ, with both shapes, and as ``image_stack``.
    """
    _check_shape(name, np.shape(target), np.shape(image))
    return image_stack(image), image_stack(target, name)


def image_and_sources(image: ArrayLike, sources: Sequence[ArrayLike]) -> tuple[Stack, list[Stack]]:
    """A fused image and the images that it was made of, as stacks.

    Raises:
        ValueError: without sources, when shapes differ, with both shapes, and as ``image_stack``.
    """
    if len(sources) == 0:
        raise ValueError("A fused image is measured against its sources, and there are none.")
    names = [f"source {number}" for number in range(1, len(sources) + 1)]
    for name, source in zip(names, sources, strict=True):
        _check_shape(name, np.shape(source), np.shape(image))
    return image_stack(image), [image_stack(source, name) for name, source in zip(names, sources, strict=True)]


def mask_stack(mask: ArrayLike | None, image: ArrayLike) -> MaskStack:
    """Where to measure, as a stack: everywhere for None, else where the mask is not zero.

    Raises:
        ValueError: when the mask is empty or has another shape than the image.
    """
    shape = np.shape(image)
    inside: MaskStack = np.ones(shape, dtype=np.bool_) if mask is None else np.asarray(mask) != 0
    _check_shape("mask", inside.shape, shape)
    if not inside.any():
        raise ValueError("The mask is empty: there is no pixel to measure.")
    return inside if inside.ndim == 3 else inside[np.newaxis]


def check_data_range(data_range: float) -> None:
    """Refuse a span of possible values that is not a positive number.

    Raises:
        ValueError: with the value.
    """
    if not 0 < data_range < np.inf:
        raise ValueError(f"The data range is a positive number (1 for images in [0, 1]), not {data_range}.")


def _check_shape(name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if shape != wanted:
        raise ValueError(f"The {name} has the shape {shape}, the image {wanted}; they must be the same.")
