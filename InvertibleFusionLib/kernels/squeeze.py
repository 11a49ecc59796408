"""Trading resolution for channels between planes with a border; see ``flows.squeeze`` for what it means."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.kernels.compilation import compiled


@compiled
def move_squeezed(
    full: NDArray[Any],
    full_planes: NDArray[np.intp],
    full_stride: int,
    squeezed: NDArray[Any],
    squeezed_planes: NDArray[np.intp],
    squeezed_stride: int,
    rows: int,
    columns: int,
    backwards: bool,
) -> None:
    """Copy all pixels of the full planes to four times as many squeezed ones or, backwards, the other way.

    Args:
        full: flat.
        full_planes: where the first pixel of each channel lies.
        full_stride: from row to row.
        squeezed: flat.
        squeezed_planes: where the first pixel of each channel lies.
        squeezed_stride: from row to row.
        rows: of the squeezed planes.
        columns: of the squeezed planes.
        backwards: direction.
    """
    for c in range(len(full_planes)):
        for y in range(rows):
            for parity in range(2):
                at = full_planes[c] + (2 * y + parity) * full_stride
                row = full[at : at + 2 * columns]
                left_at = squeezed_planes[4 * c + 2 * parity] + y * squeezed_stride
                right_at = squeezed_planes[4 * c + 2 * parity + 1] + y * squeezed_stride
                left, right = squeezed[left_at : left_at + columns], squeezed[right_at : right_at + columns]
                if backwards:
                    for x in range(columns):
                        row[2 * x], row[2 * x + 1] = left[x], right[x]
                else:
                    for x in range(columns):
                        left[x], right[x] = row[2 * x], row[2 * x + 1]
