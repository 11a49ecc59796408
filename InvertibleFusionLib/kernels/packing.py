"""Filters in the order in which compiled kernels read them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(weight: NDArray[Any], bias: NDArray[Any], group: int) -> NDArray[Any]:
    """For every group of outputs its biases, then its weights as (inputs, 9, group); missing outputs are zeros.

    Args:
        weight: (outputs, inputs, 3, 3).
        bias: (outputs,).
        group: outputs that a kernel computes together.

    Returns:
        Flat, in the dtype of the weights.
    """
    outputs, inputs = weight.shape[:2]
    both = np.zeros((rounded_up(outputs, group), 1 + 9 * inputs), weight.dtype)
    both[:outputs, 0] = bias
    both[:outputs, 1:] = weight.reshape(outputs, -1)
    return np.ascontiguousarray(both.reshape(-1, group, both.shape[1]).transpose(0, 2, 1)).ravel()


def rounded_up(number: int, group: int) -> int:
    """To the next multiple."""
    return -(-number // group) * group
