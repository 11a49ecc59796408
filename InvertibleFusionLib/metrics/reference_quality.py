"""How near an image is to what it should be: PSNR, SSIM, NMSE and NRMSE.

Volumes are measured as one: means and sums run over all slices (windows lie within slices). For values per slice,
give the slices one by one.
"""

import math

import numpy as np
import torch
from numpy.typing import ArrayLike

from InvertibleFusionLib.metrics.image_stacks import check_data_range, image_and_target, mask_stack
from InvertibleFusionLib.metrics.structural_similarity import WINDOW, structural_similarity_map


def peak_signal_to_noise_ratio(
    image: ArrayLike, target: ArrayLike, *, data_range: float = 1.0, mask: ArrayLike | None = None
) -> float:
    """PSNR in decibels: 10·log10(R² / MSE), with R the span of possible values.

    (Equation 11 of the iVAN paper misses the root of the number of pixels.)

    Args:
        image: (rows, columns) or (slices, rows, columns).
        target: what it should be; the same shape.
        data_range: R.
        mask: nonzero where to measure.

    Returns:
        Decibels; infinity when both are equal.

    Raises:
        ValueError: when shapes differ or the mask is empty.
    """
    check_data_range(data_range)
    result, wanted = image_and_target(image, target)
    error = float(np.mean((result - wanted)[mask_stack(mask, image)] ** 2))
    return 10 * math.log10(data_range**2 / error) if error > 0 else math.inf


def normalised_mean_squared_error(image: ArrayLike, target: ArrayLike, *, mask: ArrayLike | None = None) -> float:
    """NMSE: Σ (image − target)² / Σ target².

    Args:
        image: (rows, columns) or (slices, rows, columns).
        target: what it should be; the same shape.
        mask: nonzero where to measure.

    Returns:
        0 for a perfect image, 1 for a black one. Where the target is all zero: 0 if the image is too, else infinity.

    Raises:
        ValueError: when shapes differ or the mask is empty.
    """
    result, wanted = image_and_target(image, target)
    inside = mask_stack(mask, image)
    error = float(np.sum((result - wanted)[inside] ** 2))
    energy = float(np.sum(wanted[inside] ** 2))
    if energy > 0:
        return error / energy
    return math.inf if error > 0 else 0.0


def normalised_root_mean_squared_error(image: ArrayLike, target: ArrayLike, *, mask: ArrayLike | None = None) -> float:
    """NRMSE: the square root of NMSE (scikit-image's ``normalization="euclidean"``).

    Arguments, limits and errors as ``normalised_mean_squared_error``.
    """
    return math.sqrt(normalised_mean_squared_error(image, target, mask=mask))


def mean_structural_similarity(
    image: ArrayLike, target: ArrayLike, *, data_range: float = 1.0, mask: ArrayLike | None = None
) -> float:
    """SSIM, in [−1, 1], with the conventions of ``metrics.structural_similarity``, in float64.

    Args:
        image: (rows, columns) or (slices, rows, columns), at least 11×11 pixels.
        target: what it should be; the same shape.
        data_range: R, the span of possible values.
        mask: nonzero where to measure: the mean is over the windows whose centre lies inside.

    Returns:
        The mean over the windows; 1 when both are equal.

    Raises:
        ValueError: when shapes differ, the image is smaller, or no window has its centre inside the mask.
    """
    check_data_range(data_range)
    result, wanted = image_and_target(image, target)
    border = WINDOW // 2
    centres = mask_stack(mask, image)[:, border:-border, border:-border]
    total = 0.0
    for first, second, place in zip(result, wanted, centres, strict=True):
        pair = torch.from_numpy(np.stack((first, second)))
        similarity = structural_similarity_map(pair[None, :1], pair[None, 1:], data_range)[0, 0].numpy()
        total += float(similarity[place].sum())
    count = int(np.count_nonzero(centres))
    if count == 0:
        raise ValueError(f"Inside the mask is no pixel that is {border} or more away from the border, as SSIM needs.")
    return total / count
