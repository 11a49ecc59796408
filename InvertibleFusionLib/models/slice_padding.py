"""Slices of any size for networks that halve them: padded by reflection, cropped back afterwards."""

import torch
from torch import Tensor


def pad_by_reflection(slices: Tensor, multiple: int, minimum: int = 1) -> Tensor:
    """Slices with rows and columns added at their end until the network can take them.

    A mirror at the last row and, where the slice is too small for that, at the first one again, and so on; a single
    row is repeated. The result's ``[..., :rows, :columns]`` is the slice itself.

    Args:
        slices: (batch, channels, rows, columns).
        multiple: rows and columns become multiples of this.
        minimum: and at least this.
    """
    for dimension in (-2, -1):
        size = slices.shape[dimension]
        padded = -(-max(size, minimum) // multiple) * multiple
        if padded != size:
            slices = slices.index_select(dimension, _mirrored(size, padded).to(slices.device))
    return slices


def _mirrored(size: int, padded: int) -> Tensor:
    """0, 1 … size − 1, size − 2 … 0, 1 …, as many as ``padded``."""
    last = size - 1
    return last - (torch.arange(padded) % max(2 * last, 1) - last).abs()
