"""Slices as the kernels want them: aligned planes with a border of zeros, and memory that is used again."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from InvertibleFusionLib.kernels.convolution import REGISTER_BYTES, stride_of


@dataclass(frozen=True)
class Planes:
    """Channels of one slice.

    Attributes:
        memory: flat; each channel is (rows + 2) × stride, its pixels begin in row 1, one register from the left.
        begins: where each channel begins, in the channels' order.
        rows: of the slice.
        columns: of the slice.
    """

    memory: NDArray[Any]
    begins: NDArray[np.intp]
    rows: int
    columns: int

    @property
    def stride(self) -> int:
        """From row to row."""
        stride: int = stride_of(self.columns, self.memory.itemsize)
        return stride

    @property
    def first_pixels(self) -> NDArray[np.intp]:
        """Where each channel's first pixel lies."""
        return self.begins + (self.stride + REGISTER_BYTES // self.memory.itemsize)

    def pixels(self, channel: int) -> NDArray[Any]:
        """A view of one channel, (rows, columns)."""
        start, size = self.first_pixels[channel], self.memory.itemsize
        return as_strided(self.memory[start:], (self.rows, self.columns), (self.stride * size, size))


class Workspace:
    """Memory for the slices of one thread, asked for once and used for slice after slice."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._memory: dict[tuple[Any, ...], NDArray[Any]] = {}

    def planes(self, place: int, channels: int, rows: int, columns: int) -> Planes:
        """Planes for step ``place``; their borders are zero, their pixels are what was last left there."""
        size = (rows + 2) * stride_of(columns, self.dtype.itemsize)
        # Memory of the same size but another shape has other borders.
        memory = self.flat(("planes", place, rows, columns), channels * size)
        return Planes(memory, np.arange(channels, dtype=np.intp) * size, rows, columns)

    def flat(self, purpose: tuple[Any, ...], size: int) -> NDArray[Any]:
        """Aligned memory, zero when it is first asked for; with room beyond, where the last tile may read."""
        key = (*purpose, size)
        if key not in self._memory:
            spare = REGISTER_BYTES // self.dtype.itemsize
            memory = np.zeros(size + 9 * spare, self.dtype)
            start = -(memory.ctypes.data // self.dtype.itemsize) % spare
            self._memory[key] = memory[start : start + size + 8 * spare]
        return self._memory[key]
