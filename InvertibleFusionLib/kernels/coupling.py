"""Half an affine coupling in one pass: its network of two convolutions, and what it does to the other channels.

The hidden maps, sixteen times as large as a slice, never reach the memory: of them a few rows are kept, in a ring.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.kernels.compilation import compiled
from InvertibleFusionLib.kernels.convolution import MANY_REGISTERS, NO_RING, REGISTER_BYTES, row_convolution, stride_of
from InvertibleFusionLib.kernels.pointwise import atan, exp

# How many sums fill the registers, measured with 1 → 32 → 2 and 4 → 64 → 8 channels.
HIDDEN_AT_ONCE = 8 if MANY_REGISTERS else 4
MANY_OUTPUTS = 8 if MANY_REGISTERS else 4
MANY_OUTPUTS_VECTORS = 3
FEW_OUTPUTS = 2
FEW_OUTPUTS_ROWS = 3 if MANY_REGISTERS else 2


_hidden = row_convolution(HIDDEN_AT_ONCE, 1, negative_slope=0)
_few = row_convolution(FEW_OUTPUTS, FEW_OUTPUTS_ROWS)
_many = row_convolution(MANY_OUTPUTS, 1, vectors=MANY_OUTPUTS_VECTORS)


def outputs_at_once(outputs: int) -> int:
    """How the last convolution's outputs are grouped: its weights have to be packed so."""
    return MANY_OUTPUTS if outputs > FEW_OUTPUTS else FEW_OUTPUTS


def rows_at_once(outputs: int) -> int:
    """Rows of the last convolution that are computed together."""
    return 1 if outputs > FEW_OUTPUTS else FEW_OUTPUTS_ROWS


@compiled
def coupling_step(
    state: NDArray[Any],
    rows: int,
    columns: int,
    passive: NDArray[np.intp],
    active: NDArray[np.intp],
    first_weights: NDArray[Any],
    last_weights: NDArray[Any],
    hidden: int,
    ring: NDArray[Any],
    ring_planes: NDArray[np.intp],
    sums: NDArray[Any],
    clamp: float,
    final_relu: bool,
    backwards: bool,
    constants: tuple[Any, ...],
) -> None:
    """Half a coupling: u ← u ⊙ exp s + t or, backwards, u ← (u − t) ⊙ exp −s, with [s, t] from the passive channels.

    Args:
        state: flat; holds planes of (1 + rows + 1) × stride, with zeros around ``columns`` columns that begin one
            register from the left. Changed in place.
        rows: of the slice.
        columns: of the slice.
        passive: where the planes begin that the network reads.
        active: where the planes begin that are changed.
        first_weights: biases and weights of the first convolution, packed in groups of ``HIDDEN_AT_ONCE``.
        last_weights: those of the last one, in groups of ``outputs_at_once``.
        hidden: channels between them.
        ring: flat, room for (rows_at_once + 2) rows of the hidden channels, a multiple of ``HIDDEN_AT_ONCE``.
        ring_planes: where each hidden channel begins in a row of the ring.
        sums: flat, room for rows_at_once rows of the outputs, a multiple of ``outputs_at_once``.
        clamp: bound of the log-scale.
        final_relu: whether the network ends in a ReLU.
        backwards: direction.
        constants: of ``pointwise``, in the state's dtype.
    """
    lanes = REGISTER_BYTES // state.itemsize
    stride = stride_of(columns, state.itemsize)
    outputs = 2 * len(active)
    at_once = FEW_OUTPUTS_ROWS if outputs <= FEW_OUTPUTS else 1
    slots = at_once + 2
    padded = (hidden + HIDDEN_AT_ONCE - 1) // HIDDEN_AT_ONCE * HIDDEN_AT_ONCE
    slot_size = padded * stride
    bound = constants[25] * clamp * 0.636
    bound = -bound if backwards else bound
    ring[:slot_size] = 0
    ready = 0
    for y in range(0, rows, at_once):
        while ready <= y + at_once:
            slot = (ready + 1) % slots * slot_size
            if ready < rows:
                _hidden(
                    state, lanes - 1, stride, ready, NO_RING, passive, len(passive), first_weights,
                    ring, slot + lanes, 0, stride, padded, columns,
                )  # fmt: skip
                # Beyond the last column lies the border of zeros again, of the last convolution.
                for k in range(hidden):
                    ring[slot + k * stride + lanes + columns] = 0
            else:
                ring[slot : slot + slot_size] = 0
            ready += 1
        if outputs <= FEW_OUTPUTS:
            _few(
                ring, lanes - 1, slot_size, y % slots, slots, ring_planes, hidden, last_weights,
                sums, 0, stride, at_once * stride, outputs, columns,
            )  # fmt: skip
        else:
            _many(
                ring, lanes - 1, slot_size, y % slots, slots, ring_planes, hidden, last_weights,
                sums, 0, stride, at_once * stride, outputs, columns,
            )  # fmt: skip
        for row in range(y, min(y + at_once, rows)):
            for c in range(len(active)):
                at = active[c] + (row + 1) * stride + lanes
                scale_at = (c * at_once + row - y) * stride
                shift_at = scale_at + len(active) * at_once * stride
                _couple(state, at, sums, scale_at, shift_at, columns, bound, final_relu, backwards, constants)


@numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def _couple(
    state: Any,
    at: int,
    sums: Any,
    scale_at: int,
    shift_at: int,
    columns: int,
    bound: Any,
    final_relu: bool,
    backwards: bool,
    constants: Any,
) -> None:
    """One row of one channel."""
    zero = constants[25] - constants[25]
    u, scale, shift = state[at : at + columns], sums[scale_at : scale_at + columns], sums[shift_at : shift_at + columns]
    for x in range(columns):
        s, t = scale[x], shift[x]
        if final_relu:
            s = zero if s < zero else s
            t = zero if t < zero else t
        factor = exp(bound * atan(s, constants), constants)
        u[x] = (u[x] - t) * factor if backwards else u[x] * factor + t
