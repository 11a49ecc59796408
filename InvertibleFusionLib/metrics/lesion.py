"""How well a lesion comes out: the quality inside its mask, and how it stands out from what surrounds it.

A lesion is a small part of a head; a result can be good everywhere else and wrong where it matters.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from InvertibleFusionLib.metrics.image_stacks import MaskStack, image_stack, mask_stack
from InvertibleFusionLib.metrics.reference_quality import (
    mean_structural_similarity,
    normalised_mean_squared_error,
    peak_signal_to_noise_ratio,
)
from InvertibleFusionLib.metrics.structural_similarity import WINDOW


@dataclass(frozen=True)
class LesionQuality:
    """A result inside a lesion.

    Attributes:
        pixels: in the lesion.
        psnr: in decibels; infinity for a perfect lesion.
        nmse: see ``normalised_mean_squared_error``.
        ssim: mean over windows centred in the lesion; None where the lesion lies within 5 pixels of the border only.
        contrast: of the result, as ``contrast_to_background``.
        target_contrast: of the target: what ``contrast`` should be.
    """

    pixels: int
    psnr: float
    nmse: float
    ssim: float | None
    contrast: float
    target_contrast: float


def lesion_quality(
    image: ArrayLike,
    target: ArrayLike,
    lesion: ArrayLike,
    *,
    data_range: float = 1.0,
    background: ArrayLike | None = None,
) -> LesionQuality:
    """Measure a result inside a lesion, over all of its slices together.

    Args:
        image: (rows, columns) or (slices, rows, columns).
        target: what it should be; the same shape.
        lesion: nonzero inside. A volume may have slices without lesion; give the whole volume rather than its slices.
        data_range: the span of possible values.
        background: nonzero where to compare with; the lesion's surroundings where None.

    Raises:
        ValueError: when shapes differ, the lesion is empty or there is no background outside it.
    """
    inside = mask_stack(lesion, image)
    border = WINDOW // 2
    fits = bool(inside[:, border:-border, border:-border].any())
    around = surroundings(lesion) if background is None else background
    return LesionQuality(
        pixels=int(np.count_nonzero(inside)),
        psnr=peak_signal_to_noise_ratio(image, target, data_range=data_range, mask=lesion),
        nmse=normalised_mean_squared_error(image, target, mask=lesion),
        ssim=mean_structural_similarity(image, target, data_range=data_range, mask=lesion) if fits else None,
        contrast=contrast_to_background(image, lesion, around),
        target_contrast=contrast_to_background(target, lesion, around),
    )


def contrast_to_background(image: ArrayLike, lesion: ArrayLike, background: ArrayLike) -> float:
    """How far a lesion stands out: (mean inside − mean of the background) / standard deviation of the background.

    Signed, positive for a bright lesion, and free of the image's units, offset and scale; its size is what is called
    contrast-to-noise ratio.

    Args:
        image: (rows, columns) or (slices, rows, columns).
        lesion: nonzero inside; the same shape.
        background: nonzero there; what of it lies in the lesion is left out.

    Returns:
        The contrast; where the background is constant, 0 if the lesion's mean is the same, else ± infinity.

    Raises:
        ValueError: when shapes differ, the lesion is empty or there is no background outside it.
    """
    stack, inside = image_stack(image), mask_stack(lesion, image)
    outside = mask_stack(background, image) & ~inside
    if not outside.any():
        raise ValueError("All of the background lies inside the lesion: there is nothing to compare with.")
    values = stack[outside]
    difference = float(stack[inside].mean() - values.mean())
    if np.ptp(values) > 0:
        return difference / float(values.std())
    same = math.isclose(stack[inside].mean(), values[0], rel_tol=1e-12, abs_tol=0)
    return 0.0 if same else math.copysign(math.inf, difference)


def surroundings(lesion: ArrayLike, *, width: int = 5, within: ArrayLike | None = None) -> MaskStack:
    """The ring around a lesion, in every slice that has some of it, shaped as the lesion.

    Args:
        lesion: (rows, columns) or (slices, rows, columns), nonzero inside.
        width: of the ring in pixels.
        within: nonzero where the ring may lie, such as the brain; everywhere where None.

    Raises:
        ValueError: when the lesion is empty, shapes differ or the width is below 1.
    """
    if width < 1:
        raise ValueError(f"The ring around a lesion is at least 1 pixel wide, not {width}.")
    inside = mask_stack(lesion, lesion)
    rows, columns = inside.shape[1:]
    padded = np.pad(inside, ((0, 0), (width, width), (width, width)))
    near = np.zeros_like(inside)
    for i in range(-width, width + 1):
        for j in range(-width, width + 1):
            if i * i + j * j <= width * width:
                near |= padded[:, width + i : width + i + rows, width + j : width + j + columns]
    ring: MaskStack = near & ~inside & mask_stack(within, lesion)
    return ring.reshape(np.shape(lesion))
