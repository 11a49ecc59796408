"""Piella's fusion quality index, which the iVAN paper calls Q_AB/F."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from InvertibleFusionLib.metrics.image_stacks import check_data_range, image_and_sources, mask_stack
from InvertibleFusionLib.metrics.structural_similarity import WINDOW, local_variance, structural_similarity_map


def piella_quality(
    image: ArrayLike, sources: Sequence[ArrayLike], *, data_range: float = 1.0, mask: ArrayLike | None = None
) -> float:
    """Q_P: local SSIM to each source, weighted by where which source varies (Piella and Heijmans 2003, equation 4).

    Mean over the windows of Σ_S λ_S·SSIM(S, image), with λ_S = var S / Σ var in the same window; equal weights where no
    source varies. Windows and SSIM as in ``metrics.structural_similarity``: 11×11, Gaussian. Original code:
    metricPeilla.m of Liu et al. 2012, first of its three indices; that of the iVAN paper's equation 18.

    Args:
        image: the fused image, (rows, columns) or (slices, rows, columns), at least 11×11 pixels.
        sources: one or more of the same shape and scale, usually two.
        data_range: the span of possible values.
        mask: nonzero where to measure: the windows whose centre lies inside.

    Returns:
        The index, in [−1, 1].

    Raises:
        ValueError: when shapes differ, the image is smaller, or no window has its centre inside the mask.
    """
    check_data_range(data_range)
    fused, others = image_and_sources(image, sources)
    border = WINDOW // 2
    centres = mask_stack(mask, image)[:, border:-border, border:-border]
    total = sum(
        float(_quality(fused[index], [other[index] for other in others], data_range)[place].sum())
        for index, place in enumerate(centres)
    )
    count = int(np.count_nonzero(centres))
    if count == 0:
        raise ValueError(f"Inside the mask is no pixel that is {border} or more away from the border, as SSIM needs.")
    return total / count


def _quality(fused: NDArray[np.float64], others: list[NDArray[np.float64]], data_range: float) -> NDArray[np.float64]:
    """The index at every window inside (rows, columns)."""
    theirs = torch.from_numpy(np.stack(others))[None]
    ours = torch.from_numpy(fused)[None, None].expand_as(theirs)
    similarity = structural_similarity_map(theirs, ours, data_range)[0].numpy()
    variances = local_variance(theirs)[0].numpy()
    total = variances.sum(axis=0)
    weights = np.where(total > 0, variances / np.where(total > 0, total, 1), 1 / len(others))
    quality: NDArray[np.float64] = (weights * similarity).sum(axis=0)
    return quality
