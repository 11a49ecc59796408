"""iVAN's dense blocks, forwards and backwards, on compiled kernels.

A dense block grows its maps by groups: every 3×3 convolution reads all maps before its own. Libraries copy the maps
for every convolution and compute blocks of 16 channels; here all maps of a slice lie in one memory, and a strip of
rows goes through all convolutions while it is in the cache.

The gradients of the maps are a dense block of their own, run from the last group to the first with filters turned
around, and the derivative of the leaky ReLU in the leaky ReLU's place.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.kernels.compilation import compiled
from InvertibleFusionLib.kernels.convolution import MANY_REGISTERS, NO_RING, REGISTER_BYTES, row_convolution, stride_of
from InvertibleFusionLib.kernels.correlation import plane_correlation

CONVOLUTIONS = 5
"""In every dense block; strips and ``FEW_ROWS`` go together for this number alone."""
NEGATIVE_SLOPE = 0.2
"""Of the LeakyReLU between them."""
AT_ONCE = 8 if MANY_REGISTERS else 4
"""Channels that are computed together: the weights have to be packed so."""
FEW = AT_ONCE // 2
"""Outputs up to which they are computed one by one, ``FEW_ROWS`` rows at a time."""
FEW_ROWS = 4
STRIP = 8
"""Rows that go through all convolutions before the next ones; as the convolutions before the last one, a multiple of
``FEW_ROWS``, or the last one's tiles would end beyond the slice."""
CACHED = 1 << 15
"""Bytes of gradients that are correlated with all channels before the next ones: about the first cache."""

_grow = row_convolution(AT_ONCE, 1, NEGATIVE_SLOPE)
_many = row_convolution(AT_ONCE, 1)
_few = row_convolution(1, FEW_ROWS)
_correlate_some = plane_correlation(AT_ONCE)
_correlate_one = plane_correlation(1)


def outputs_at_once(outputs: int) -> int:
    """How the outputs of a convolution that ends in ``result`` are grouped: its weights have to be packed so."""
    return 1 if outputs <= FEW else AT_ONCE


@compiled
def dense_block(
    maps: NDArray[Any],
    rows: int,
    columns: int,
    inputs: int,
    growth: int,
    outputs: int,
    weights: NDArray[Any],
    begins: NDArray[np.intp],
    result: NDArray[Any],
) -> None:
    """All convolutions of a dense block.

    Args:
        maps: flat; planes of (1 + rows + 1) × stride, columns beginning one register from the left: the inputs, whose
            borders are zero, then room for all groups, the last of them rounded up to ``AT_ONCE``, and for as many
            rows more as the last convolution may read beyond (``FEW_ROWS``). Filled here.
        rows: of the slice.
        columns: of the slice.
        inputs: planes that are given.
        growth: planes of a group.
        outputs: of the last convolution.
        weights: flat; of every convolution biases and weights, packed in groups of ``AT_ONCE``, for the last one of
            ``outputs_at_once``.
        begins: where those of each convolution begin.
        result: flat; planes of (rows rounded up to ``FEW_ROWS``) × (columns rounded up to whole registers), as many as
            outputs, rounded up to ``outputs_at_once``.
    """
    lanes = REGISTER_BYTES // maps.itemsize
    stride = stride_of(columns, maps.itemsize)
    size = (rows + 2) * stride
    last = len(begins) - 1
    planes = np.arange(inputs + last * growth) * size
    for start in range(0, rows + last, STRIP):
        for group in range(last):
            known = inputs + group * growth
            for y in range(max(0, start - group), min(rows, start + STRIP - group)):
                _grow(
                    maps, lanes - 1, stride, y, NO_RING, planes, known, weights[begins[group] :],
                    maps, known * size + (y + 1) * stride + lanes, 0, size, growth, columns,
                )  # fmt: skip
                _clear_borders(maps, known, growth, size, y, rows, stride, columns)
        _last_convolution(maps, planes, weights[begins[last] :], start - last, rows, columns, result, outputs)


@compiled
def dense_block_gradients(
    gradients: NDArray[Any],
    maps: NDArray[Any],
    rows: int,
    columns: int,
    inputs: int,
    growth: int,
    outputs: int,
    weights: NDArray[Any],
    begins: NDArray[np.intp],
    result: NDArray[Any],
) -> None:
    """From the gradient of a dense block's result to those of its groups (before their leaky ReLU) and of its input.

    Args:
        gradients: as ``maps`` of ``dense_block``: the result's gradients, with borders of zeros, then room for the
            groups', from the last to the first. Filled here.
        maps: as ``dense_block`` left them.
        rows: of the slice.
        columns: of the slice.
        inputs: planes of the input.
        growth: planes of a group.
        outputs: planes of the result.
        weights: flat; turned around and packed, for the last group first and for the input last. Biases are zero.
        begins: where those of each convolution begin.
        result: of the input's gradient, as that of ``dense_block``.
    """
    lanes = REGISTER_BYTES // maps.itemsize
    stride = stride_of(columns, maps.itemsize)
    size = (rows + 2) * stride
    last = len(begins) - 1
    planes = np.arange(outputs + last * growth) * size
    for start in range(0, rows + last, STRIP):
        for group in range(last):
            known = outputs + group * growth
            mapped = (inputs + (last - 1 - group) * growth) * size
            for y in range(max(0, start - group), min(rows, start + STRIP - group)):
                at = (y + 1) * stride + lanes
                _many(
                    gradients, lanes - 1, stride, y, NO_RING, planes, known, weights[begins[group] :],
                    gradients, known * size + at, 0, size, growth, columns,
                )  # fmt: skip
                for plane in range(growth):
                    here, there = (known + plane) * size + at, mapped + plane * size + at
                    _leak(gradients[here : here + columns], maps[there : there + columns])
                _clear_borders(gradients, known, growth, size, y, rows, stride, columns)
        _last_convolution(gradients, planes, weights[begins[last] :], start - last, rows, columns, result, inputs)


@compiled
def weight_gradients(
    maps: NDArray[Any],
    known: int,
    gradients: NDArray[Any],
    first: int,
    rows: int,
    columns: int,
    of_weight: NDArray[Any],
    of_bias: NDArray[Any],
) -> None:
    """Of one convolution of a dense block.

    Args:
        maps: as ``dense_block`` left them.
        known: how many of them the convolution reads.
        gradients: as ``dense_block_gradients`` left them.
        first: plane of the gradient of the convolution's first output.
        rows: of the slice.
        columns: of the slice.
        of_weight: (outputs, known, 3, 3), to be filled.
        of_bias: (outputs,), to be filled.
    """
    lanes = REGISTER_BYTES // maps.itemsize
    registers = (columns + lanes - 1) // lanes
    stride = stride_of(columns, maps.itemsize)
    size = (rows + 2) * stride
    outputs = len(of_bias)
    sums = np.empty(known * 9 * AT_ONCE * lanes, maps.dtype)
    done = 0
    while done < outputs:
        some = AT_ONCE if done + AT_ONCE <= outputs else 1
        sums[:] = 0
        at_once = max(1, CACHED // (some * stride * maps.itemsize))
        for y in range(0, rows, at_once):
            corner = y * stride + lanes - 1
            at = (first + done) * size + (y + 1) * stride + lanes
            _correlate(
                maps, corner, known, gradients, at, some, size, stride, min(at_once, rows - y), registers, sums
            )  # fmt: skip
        for output in range(some):
            plane = (first + done + output) * size
            total = gradients[plane] - gradients[plane]
            for y in range(1, rows + 1):  # one row after another: a single long sum would lose digits
                total += gradients[plane + y * stride : plane + (y + 1) * stride].sum()
            of_bias[done + output] = total
            for channel in range(known):
                for row in range(3):
                    for column in range(3):
                        number = ((channel * 3 + row) * some + output) * 3 + column
                        of_weight[done + output, channel, row, column] = sums[
                            number * lanes : (number + 1) * lanes
                        ].sum()
        done += some


@numba.njit(nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _correlate(
    maps: Any,
    corner: int,
    known: int,
    gradients: Any,
    at: int,
    outputs: int,
    size: int,
    stride: int,
    rows: int,
    registers: int,
    sums: Any,
) -> None:
    """All channels with some rows of some outputs' gradients; sums are (channels, 3, outputs, 3, lanes)."""
    lanes = REGISTER_BYTES // maps.itemsize
    for channel in range(known):
        for row in range(3):
            begin = channel * size + corner + row * stride
            sums_at = (channel * 3 + row) * outputs * 3 * lanes
            if outputs == 1:
                _correlate_one(maps, begin, gradients, at, size, stride, rows, registers, sums, sums_at)
            else:
                _correlate_some(maps, begin, gradients, at, size, stride, rows, registers, sums, sums_at)


@numba.njit(nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _last_convolution(
    maps: Any, planes: Any, weights: Any, start: int, rows: int, columns: int, result: Any, outputs: int
) -> None:
    """A strip, from row ``start``, of the convolution that reads all planes."""
    lanes = REGISTER_BYTES // maps.itemsize
    padded = (columns + lanes - 1) // lanes * lanes
    stride = stride_of(columns, maps.itemsize)
    plane = (rows + FEW_ROWS - 1) // FEW_ROWS * FEW_ROWS * padded
    end = min(rows, start + STRIP)
    y = max(0, start)
    while y < end:
        if outputs <= FEW:
            _few(
                maps, lanes - 1, stride, y, NO_RING, planes, len(planes), weights,
                result, y * padded, padded, plane, outputs, columns,
            )  # fmt: skip
            y += FEW_ROWS
        else:
            _many(
                maps, lanes - 1, stride, y, NO_RING, planes, len(planes), weights,
                result, y * padded, padded, plane, outputs, columns,
            )  # fmt: skip
            y += 1


@numba.njit(nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _clear_borders(
    maps: Any, first: int, count: int, size: int, row: int, rows: int, stride: int, columns: int
) -> None:
    """Zeros beside a row of some planes, and above the first row and below the last."""
    lanes = REGISTER_BYTES // maps.itemsize
    for plane in range(first, first + count):
        at = plane * size + (row + 1) * stride
        maps[at : at + lanes] = 0
        maps[at + lanes + columns : at + stride] = 0
        if row == 0:
            maps[at - stride : at] = 0
        if row == rows - 1:
            maps[at + stride : at + 2 * stride] = 0


@numba.njit(nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _leak(gradient: Any, value: Any) -> None:
    """The derivative of the leaky ReLU, which keeps signs, at what came out of it."""
    for x in range(len(gradient)):
        if not value[x] > 0:  # as torch's, at zero and where it is not a number
            gradient[x] *= NEGATIVE_SLOPE
