"""Random crops of a slice, turned, mirrored and varied in their grey scale."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from InvertibleFusionLib.errors import ConfigurationError


@dataclass(frozen=True)
class Augmentation:
    """How slices are varied. Geometry is the same for all contrasts of a crop, the grey scale another for each.

    Attributes:
        crop: rows and columns of a crop; even, because networks halve them.
        quarter_turns: turn by 0, 90, 180 or 270 degrees.
        flips: mirror every second crop; with quarter turns, all eight positions of a square are equally likely.
        rotation_degrees: largest angle of a small turn to either side, with linear interpolation; 0 for none.
        gamma: largest exponent of the grey scale; each contrast gets one in [1/gamma, gamma].
        gain: largest factor of the brightness; each contrast gets one in [1/gain, gain].
        fixed: number of the last contrasts that keep their grey scale and get no noise: the target of a synthesis,
            whose scale its sources could not tell.
        noise: standard deviation added to the images, so that the likelihood of a constant background is finite.

    Raises:
        ConfigurationError: for settings outside their ranges.
    """

    crop: int = 112
    quarter_turns: bool = True
    flips: bool = True
    rotation_degrees: float = 0.0
    gamma: float = 1.6
    gain: float = 1.3
    noise: float = 0.004
    fixed: int = 0

    def __post_init__(self) -> None:
        if self.crop % 2 or self.crop < 12:
            raise ConfigurationError(f"The crop must be even and at least 12, not {self.crop}.")
        if not 0 <= self.rotation_degrees <= 45:
            raise ConfigurationError(f"Small turns lie between 0 and 45 degrees, not at {self.rotation_degrees}.")
        if not (1 <= self.gamma < math.inf and 1 <= self.gain < math.inf):
            raise ConfigurationError(f"Gamma and gain are at least 1 (no change), not {self.gamma} and {self.gain}.")
        if not 0 <= self.noise < math.inf:
            raise ConfigurationError(f"The noise is at least 0, not {self.noise}.")
        if self.fixed < 0:
            raise ConfigurationError(f"The number of contrasts that keep their scale is at least 0, not {self.fixed}.")


def random_crop(
    image: NDArray[np.float32], augmentation: Augmentation, generator: np.random.Generator
) -> NDArray[np.float32]:
    """One augmented crop.

    Args:
        image: (contrasts, rows, columns); zeros are added at the far end where it is smaller than the crop.
        augmentation: the settings.
        generator: of everything random.

    Returns:
        (contrasts, crop, crop), a new array.
    """
    size = augmentation.crop
    short = [max(size - n, 0) for n in image.shape[1:]]
    if any(short):
        image = np.pad(image, ((0, 0), (0, short[0]), (0, short[1])))
    row, column = (int(generator.integers(n - size + 1)) for n in image.shape[1:])
    if augmentation.rotation_degrees:
        degrees = generator.uniform(-augmentation.rotation_degrees, augmentation.rotation_degrees)
        crop = _turned(image, row, column, size, degrees)
    else:
        crop = image[:, row : row + size, column : column + size]
    if augmentation.quarter_turns:
        crop = np.rot90(crop, int(generator.integers(4)), axes=(1, 2))
    if augmentation.flips and generator.random() < 0.5:
        crop = crop[:, :, ::-1]
    return _vary_grey_scale(crop, augmentation, generator)


def _turned(image: NDArray[np.float32], row: int, column: int, size: int, degrees: float) -> NDArray[np.float32]:
    """The crop turned about its middle; its corners show what lies beside the crop, then the slice's border."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    offsets = np.arange(size) - (size - 1) / 2
    down, across = offsets[:, None], offsets[None, :]
    rows = row + (size - 1) / 2 + cosine * down - sine * across
    columns = column + (size - 1) / 2 + sine * down + cosine * across
    height, width = image.shape[1:]
    places = np.stack([2 * columns / max(width - 1, 1) - 1, 2 * rows / max(height - 1, 1) - 1], axis=-1)
    turned = grid_sample(
        torch.from_numpy(np.array(image, dtype=np.float32))[None],
        torch.from_numpy(places.astype(np.float32))[None],
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    return np.asarray(turned[0].numpy())


def _vary_grey_scale(
    crop: NDArray[np.float32], augmentation: Augmentation, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Another gamma and gain for each contrast: scanners and sequences differ in more than the few patients show."""
    each = (len(crop), 1, 1)
    gamma = (augmentation.gamma ** generator.uniform(-1, 1, each)).astype(np.float32)
    gain = (augmentation.gain ** generator.uniform(-1, 1, each)).astype(np.float32)
    varied = gain * np.sign(crop) * np.abs(crop) ** gamma
    noise = generator.standard_normal(crop.shape, dtype=np.float32)
    varied += np.float32(augmentation.noise) * noise
    free = max(len(crop) - augmentation.fixed, 0)
    varied[free:] = crop[free:]
    return np.asarray(varied)
