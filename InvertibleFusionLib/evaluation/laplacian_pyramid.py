"""Fusion by the Laplacian pyramid: the LP of LP-SR, without its dictionary step.

Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code" (IEEE Transactions on Communications 1983); the rule
for fusing as in Liu, Liu and Wang, "A general framework for image fusion based on multi-scale transform and sparse
representation" (Information Fusion 2015), whose LP takes four levels, the larger coefficient of the bands, and, without
the dictionary, the mean of the lowest level.
"""

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.evaluation.methods import Images

LEVELS = 4
"""Bands; images too small for them have fewer: every level has at least two rows and columns."""
KERNEL = np.array([1, 4, 6, 4, 1]) / 16
"""The generating kernel with Burt and Adelson's a = 3/8."""
Image = NDArray[np.float64]


def fuse_by_laplacian_pyramid(sources: Images, levels: int = LEVELS) -> NDArray[np.float32]:
    """Fuse (sources, rows, columns) in [0, 1] into (rows, columns), clipped to [0, 1].

    In every band the coefficient that is largest in size is taken, place by place; the first source's where several
    are. The lowest level is the mean. Borders are reflected.
    """
    pyramids = [laplacian_pyramid(source.astype(np.float64), levels) for source in sources]
    bands = [_largest(np.stack(band)) for band in zip(*(pyramid[:-1] for pyramid in pyramids), strict=True)]
    lowest = np.mean([pyramid[-1] for pyramid in pyramids], axis=0)
    return np.clip(collapsed([*bands, lowest]), 0, 1).astype(np.float32)


def laplacian_pyramid(image: Image, levels: int = LEVELS) -> list[Image]:
    """The bands from fine to coarse, and the lowest level; ``collapsed`` gives the image again."""
    pyramid = []
    for _ in range(levels):
        if min(image.shape) < 4:
            break
        coarse = _reduced(image)
        pyramid.append(image - _expanded(coarse, image.shape))
        image = coarse
    return [*pyramid, image]


def collapsed(pyramid: list[Image]) -> Image:
    """The image of a pyramid."""
    image = pyramid[-1]
    for band in reversed(pyramid[:-1]):
        image = band + _expanded(image, band.shape)
    return image


def _largest(bands: Image) -> Image:
    largest: Image = np.take_along_axis(bands, np.abs(bands).argmax(axis=0)[None], axis=0)[0]
    return largest


def _reduced(image: Image) -> Image:
    return _blurred(image)[::2, ::2]


def _expanded(image: Image, shape: tuple[int, ...]) -> Image:
    spread = np.zeros(shape)
    spread[::2, ::2] = image
    # Of the kernel's weights a quarter meets pixels in two dimensions. At the border reflection keeps this so.
    return 4 * _blurred(spread)


def _blurred(image: Image) -> Image:
    rows, columns = image.shape
    padded = np.pad(image, 2, mode="reflect")
    down = sum((weight * padded[k : k + rows] for k, weight in enumerate(KERNEL)), np.zeros(1))
    return sum((weight * down[:, k : k + columns] for k, weight in enumerate(KERNEL)), np.zeros(1))
