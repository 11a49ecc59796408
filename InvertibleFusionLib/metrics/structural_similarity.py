"""The structural similarity index, differentiable, with the conventions of its authors."""

import torch
from torch import Tensor

WINDOW = 11
SIGMA = 1.5


def structural_similarity(first: Tensor, second: Tensor, data_range: float = 1.0) -> Tensor:
    """SSIM of pairs of images, in [−1, 1] (Wang et al. 2004, equation 13).

    11×11 Gaussian window with σ 1.5, only windows that lie inside the image, population (not sample) covariance,
    K1 = .01, K2 = .03. Own code because the kept-up libraries differ: torchmetrics pads by reflection, MONAI computes
    in float32 whatever it is given, scikit-image is not differentiable.

    Args:
        first: (batch, channels, rows, columns), at least 11×11.
        second: same shape.
        data_range: R, the span of possible values.

    Returns:
        (batch, channels): the mean over the windows.

    Raises:
        ValueError: when shapes differ or the images are smaller than the window.
    """
    return structural_similarity_map(first, second, data_range).mean(dim=(2, 3))


def structural_similarity_map(first: Tensor, second: Tensor, data_range: float = 1.0) -> Tensor:
    """SSIM at every window inside the image, (batch, channels, rows − 10, columns − 10)."""
    if first.shape != second.shape:
        raise ValueError(f"Images to compare must have one shape, not {tuple(first.shape)} and {tuple(second.shape)}.")
    if min(first.shape[2:]) < WINDOW:
        raise ValueError(f"SSIM needs images of at least {WINDOW}×{WINDOW} pixels, not {tuple(first.shape[2:])}.")
    moments = torch.stack((first, second, first * first, second * second, first * second))
    mean1, mean2, square1, square2, product = _local_means(moments).unbind(0)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    covariance = product - mean1 * mean2
    variances = square1 - mean1 * mean1 + square2 - mean2 * mean2
    luminance = (2 * mean1 * mean2 + c1) / (mean1 * mean1 + mean2 * mean2 + c1)
    return luminance * (2 * covariance + c2) / (variances + c2)


def local_variance(images: Tensor) -> Tensor:
    """Population variance in the same windows, (…, rows − 10, columns − 10), never negative; 0 where it is rounding.

    Args:
        images: (…, rows, columns), at least 11×11.
    """
    mean, square = _local_means(torch.stack((images, images * images))).unbind(0)
    variance = square - mean * mean
    noise = 100 * torch.finfo(images.dtype).eps * square
    return torch.where(variance > noise, variance, torch.zeros_like(variance))


def _local_means(images: Tensor) -> Tensor:
    """Weighted means in every window inside the images, (…, rows, columns)."""
    # Two products with banded matrices: on a CPU several times faster than a grouped 11×11 convolution.
    rows = _valid_gaussian(images.shape[-2], images)
    columns = _valid_gaussian(images.shape[-1], images)
    return rows @ images @ columns.T


def _valid_gaussian(length: int, like: Tensor) -> Tensor:
    """The matrix, (length − 10, length), whose rows are the window at each place."""
    offset = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = torch.exp(-(offset**2) / (2 * SIGMA**2))
    window = window / window.sum()
    matrix = torch.zeros(length - WINDOW + 1, length, dtype=torch.float64)
    for place in range(length - WINDOW + 1):
        matrix[place, place : place + WINDOW] = window
    return matrix.to(like)
