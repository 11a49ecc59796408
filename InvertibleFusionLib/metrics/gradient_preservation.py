"""Edges: how many of the sources' are in a fused image (Q_AB/F), and how strong an image's own are (AG, SF).

All three depend on the scale of the grey levels. They are given as in the literature, for a range of 255, so that
values can be compared with published ones: ``data_range`` says what the range is now. Volumes are stacks of slices:
differences are taken within slices, and sums and means run over all of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from InvertibleFusionLib.metrics.image_stacks import (
    Stack,
    check_data_range,
    image_and_sources,
    image_stack,
    mask_stack,
)

RANGE = 255.0
STRENGTH_PEAK, STRENGTH_SLOPE, STRENGTH_MIDDLE = 0.9994, -15.0, 0.5
ORIENTATION_PEAK, ORIENTATION_SLOPE, ORIENTATION_MIDDLE = 0.9879, -22.0, 0.8


def gradient_preservation(
    image: ArrayLike, sources: Sequence[ArrayLike], *, data_range: float = 1.0, mask: ArrayLike | None = None
) -> float:
    """Q_AB/F, the share of the sources' edges that a fused image has, in [0, 1) (Xydeas and Petrović 2000).

    Q = Σ_S Σ g_S·Q_g·Q_α / Σ_S Σ g_S, the sums over sources S and pixels, a ratio of sums and not a mean of ratios.
    g is the strength of Sobel's gradient and α = arctan(g_y / g_x) its orientation;
    Q_g = .9994 / (1 + exp(−15·(G − .5))) with G the smaller strength over the larger one,
    Q_α = .9879 / (1 + exp(−22·(A − .8))) with A = 1 − |α_S − α_F| / (π/2).

    Three conventions of the code in general use (Qabf.m, as in the VIFB benchmark) are kept, since the published
    values contain them: outside the image is 0, so its frame counts as an edge; an exactly vertical gradient has the
    orientation +π/2 whichever way it points; and where both strengths are equal, G is the strength itself, so that
    Q_g is .9994 there and not .9989. For the index of Piella, which the iVAN paper calls Q_AB/F, see ``piella``.

    Args:
        image: the fused image, (rows, columns) or (slices, rows, columns).
        sources: one or more of the same shape and scale, usually two.
        data_range: the span of possible values.
        mask: nonzero where to measure.

    Returns:
        The index; 0 where the sources have no edge at all.

    Raises:
        ValueError: when shapes differ or the mask is empty.
    """
    check_data_range(data_range)
    fused, others = image_and_sources(image, sources)
    inside = mask_stack(mask, image)
    kept = total = 0.0
    for index in range(len(fused)):
        strength, orientation = _edges(fused[index] * (RANGE / data_range))
        for other in others:
            theirs, their_orientation = _edges(other[index] * (RANGE / data_range))
            preserved = _strength_kept(theirs, strength) * _orientation_kept(their_orientation, orientation)
            kept += float((theirs * preserved)[inside[index]].sum())
            total += float(theirs[inside[index]].sum())
    return kept / total if total > 0 else 0.0


def average_gradient(image: ArrayLike, *, data_range: float = 1.0, mask: ArrayLike | None = None) -> float:
    """AG, the average gradient, in grey levels of 255: Σ √((g_x² + g_y²) / 2) / ((H − 1)·(W − 1)).

    Central differences, one-sided at the border (Cui et al. 2015, as in the VIFB benchmark). Two other conventions are
    in use: forward differences, and no ½ (the iVAN paper's equation 14). With a mask it is the mean inside the mask
    times H·W / ((H − 1)·(W − 1)), so that a mask of everything changes nothing.

    Args:
        image: (rows, columns) or (slices, rows, columns), at least 2×2 pixels.
        data_range: the span of possible values.
        mask: nonzero where to measure.

    Returns:
        The gradient; 0 for a constant image.

    Raises:
        ValueError: when the image is smaller or the mask is empty.
    """
    check_data_range(data_range)
    stack = _at_least_two(image_stack(image))
    inside = mask_stack(mask, image)
    total = 0.0
    for slice_, place in zip(stack, inside, strict=True):
        down, across = np.gradient(slice_)
        total += float(np.sqrt((down**2 + across**2) / 2)[place].sum())
    rows, columns = stack.shape[1:]
    frame = rows * columns / ((rows - 1) * (columns - 1))
    return float(RANGE / data_range * frame * total / np.count_nonzero(inside))


def spatial_frequency(image: ArrayLike, *, data_range: float = 1.0, mask: ArrayLike | None = None) -> float:
    """SF, the spatial frequency, in grey levels of 255 (Eskicioglu and Fisher 1995).

    √(mean squared difference along rows + mean squared difference along columns); the means are over the differences,
    not over the pixels as in some code. With a mask, differences between two pixels inside it.

    Args:
        image: (rows, columns) or (slices, rows, columns), at least 2×2 pixels.
        data_range: the span of possible values.
        mask: nonzero where to measure.

    Returns:
        The frequency; 0 for a constant image and for a mask in which no two pixels touch.

    Raises:
        ValueError: when the image is smaller or the mask is empty.
    """
    check_data_range(data_range)
    stack = _at_least_two(image_stack(image))
    inside = mask_stack(mask, image)
    down = np.diff(stack, axis=1)[inside[:, 1:] & inside[:, :-1]]
    across = np.diff(stack, axis=2)[inside[:, :, 1:] & inside[:, :, :-1]]
    squares = sum(float(np.mean(differences**2)) for differences in (down, across) if differences.size)
    return RANGE / data_range * float(np.sqrt(squares))


def _edges(image: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strength and orientation of Sobel's gradient of (rows, columns), with zeros outside."""
    padded = np.pad(image, 1)
    columns = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    # Right to left and top to bottom, as the kernels of Qabf.m: which sign meets +π/2 changes the index by some .02.
    across, down = columns[:, :-2] - columns[:, 2:], rows[2:] - rows[:-2]
    upright = across == 0
    orientation = np.where(upright, np.pi / 2, np.arctan(down / np.where(upright, 1, across)))
    return np.hypot(across, down), orientation


def _strength_kept(theirs: NDArray[np.float64], ours: NDArray[np.float64]) -> NDArray[np.float64]:
    larger = np.maximum(theirs, ours)
    ratio = np.minimum(theirs, ours) / np.where(larger > 0, larger, 1)
    ratio = np.where(theirs == ours, ours, ratio)
    kept: NDArray[np.float64] = STRENGTH_PEAK / (1 + np.exp(STRENGTH_SLOPE * (ratio - STRENGTH_MIDDLE)))
    return kept


def _orientation_kept(theirs: NDArray[np.float64], ours: NDArray[np.float64]) -> NDArray[np.float64]:
    likeness = 1 - np.abs(theirs - ours) / (np.pi / 2)
    kept: NDArray[np.float64] = ORIENTATION_PEAK / (1 + np.exp(ORIENTATION_SLOPE * (likeness - ORIENTATION_MIDDLE)))
    return kept


def _at_least_two(stack: Stack) -> Stack:
    if min(stack.shape[1:]) < 2:
        raise ValueError(f"Gradients need images of at least 2×2 pixels, not {stack.shape[1:]}.")
    return stack
