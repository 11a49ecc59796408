"""A 3×3 convolution of one tile of pixels, kept in the processor's vector registers.

Libraries pad channels to blocks of 16 and gain nothing from FusionINN's 1 → 32 → 2 channels. Here a vector holds
neighbouring pixels of one row, whatever the number of channels, and every sum of a tile stays in a register until all
channels are added up. Such loops cannot be said in Numba's Python, so they are written as vector instructions.
"""

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from InvertibleFusionLib.kernels.compilation import processor


def _register_bytes() -> int:
    features = processor()[2].split(",")
    if "+avx512f" in features:
        return 64
    return 32 if "+avx" in features else 16


REGISTER_BYTES = _register_bytes()
MANY_REGISTERS = REGISTER_BYTES != 32
"""AVX-512 and ARM have 32 vector registers, AVX2 has 16."""
VECTORS = 3 if MANY_REGISTERS else 2
"""Of a row, in a tile: measured with FusionINN's convolutions."""
NO_RING = 1 << 40
"""For ``source_ring`` when rows do not begin again."""


CACHE_LINE = 64
"""Bytes."""


@register_jitable  # type: ignore[untyped-decorator]
def stride_of(columns: int, itemsize: int) -> int:
    """From row to row of a plane, in array elements: whole registers of columns and a register of border on each side.

    It is an odd number of cache lines: the rows of all channels, which a tile reads, would otherwise push each other
    out of the few places of the first cache that multiples of a power of two share.
    """
    registers = 2 + (columns * itemsize + REGISTER_BYTES - 1) // REGISTER_BYTES
    lines = (registers * REGISTER_BYTES + CACHE_LINE - 1) // CACHE_LINE
    return (lines + 1 - lines % 2) * CACHE_LINE // itemsize


def lanes(dtype: Any) -> int:
    """Numbers of a Numba type in a vector register."""
    return int(REGISTER_BYTES // (dtype.bitwidth // 8))


def tile_convolution(outputs: int, vectors: int, rows: int, negative_slope: float | None = None) -> Callable[..., None]:
    """Make the function that convolves one tile: ``outputs`` channels of ``rows`` rows of ``vectors`` registers.

    A leaky ReLU follows, with ``negative_slope`` below zero (0 for a plain one), or nothing.

    It is for use in compiled code only. Its arguments, all but the arrays whole numbers counted in array elements:

    - source: flat array; source_at: where row 0 of it has the pixel left of the tile; source_row: from row to row;
      source_first, source_ring: the row above the tile is number ``source_first``, after ``source_ring`` rows they
      begin again;
    - planes: array of where each channel begins, to be added; channels: how many there are;
    - weights: flat array; weights_at: where this tile's begin: ``outputs`` biases, then for every channel, row of the
      filter, column of the filter ``outputs`` weights;
    - target: flat array; target_at: of the tile's first pixel; target_row, target_plane.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def convolve_tile(
        typing: Any,
        source: Any,
        source_at: Any,
        source_row: Any,
        source_first: Any,
        source_ring: Any,
        planes: Any,
        channels: Any,
        weights: Any,
        weights_at: Any,
        target: Any,
        target_at: Any,
        target_row: Any,
        target_plane: Any,
    ) -> Any:
        whole = types.intp
        signature = types.void(
            source, whole, whole, whole, whole, planes, whole, weights, whole, target, whole, whole, whole
        )

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            _Tile(context, builder, signature, arguments, outputs, vectors, rows).emit(negative_slope)
            return context.get_dummy_value()

        return signature, generate

    made: Callable[..., None] = convolve_tile
    return made


def row_convolution(outputs: int, rows: int, negative_slope: float | None = None, vectors: int = VECTORS) -> Any:
    """Make the function that convolves ``rows`` whole rows, ``outputs`` channels and ``vectors`` registers at a time.

    Its arguments are those of ``tile_convolution``, and target_planes, how many channels there are to compute, rounded
    up to ``outputs`` in the target and the weights, and columns, rounded up to whole registers.
    """
    many_vectors = tile_convolution(outputs, vectors, rows, negative_slope)
    one_vector = tile_convolution(outputs, 1, rows, negative_slope)

    def convolve(
        source: Any,
        source_at: int,
        source_row: int,
        first: int,
        ring: int,
        planes: Any,
        channels: int,
        weights: Any,
        target: Any,
        target_at: int,
        target_row: int,
        target_plane: int,
        target_planes: int,
        columns: int,
    ) -> None:
        lanes = REGISTER_BYTES // source.itemsize
        block = outputs * (1 + 9 * channels)
        for k in range(0, target_planes, outputs):
            begin = k // outputs * block
            at = target_at + k * target_plane
            x = 0
            while x + vectors * lanes <= columns:
                many_vectors(
                    source, source_at + x, source_row, first, ring, planes, channels, weights, begin,
                    target, at + x, target_row, target_plane,
                )  # fmt: skip
                x += vectors * lanes
            while x < columns:
                one_vector(
                    source, source_at + x, source_row, first, ring, planes, channels, weights, begin,
                    target, at + x, target_row, target_plane,
                )  # fmt: skip
                x += lanes

    # Numba names what it compiles by this and by a number that starts anew in every process: kernels that were compiled
    # by several and are loaded by one must not share a name.
    slope = "linear" if negative_slope is None else f"leaky_{negative_slope}".replace(".", "_")
    convolve.__qualname__ = f"convolve_{outputs}_{rows}_{vectors}_{slope}"
    return numba.njit(nogil=True, error_model="numpy")(convolve)


class _Tile:
    """Writes the instructions for one tile."""

    def __init__(
        self, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, outputs: int, vectors: int, rows: int
    ) -> None:
        dtype = signature.args[0].dtype
        self.builder = builder
        self.outputs, self.vectors, self.rows = range(outputs), range(vectors), range(rows)
        self.lanes = lanes(dtype)
        self.number = context.get_value_type(dtype)
        self.whole = context.get_value_type(types.intp)
        self.vector = ir.VectorType(self.number, self.lanes)
        self.alignment = dtype.bitwidth // 8
        self.source_at, self.source_row, self.source_first, self.source_ring = arguments[1:5]
        self.channels, self.weights_at = arguments[6], arguments[8]
        self.target_at, self.target_row, self.target_plane = arguments[10:]
        self.source, self.planes, self.weights, self.target = (
            context.make_array(signature.args[place])(context, builder, arguments[place]).data for place in (0, 5, 7, 9)
        )
        name = f"llvm.fma.v{self.lanes}f{dtype.bitwidth}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fused_multiply_add = cgutils.get_or_insert_function(builder.module, kind, name)

    def emit(self, negative_slope: float | None) -> None:
        """Sums start at the bias, gather all channels, and are stored."""
        sums = {
            (o, r, v): cgutils.alloca_once(self.builder, self.vector)
            for o in self.outputs
            for r in self.rows
            for v in self.vectors
        }
        for (o, _, _), place in sums.items():
            self.builder.store(self._broadcast(self._at(self.weights, self.weights_at, o)), place)
        starts = [self._row_start(r) for r in range(len(self.rows) + 2)]
        first_weight = self._add(self.weights_at, len(self.outputs))
        with cgutils.for_range(self.builder, self.channels, intp=self.whole) as loop:
            weights = self.builder.add(first_weight, self.builder.mul(loop.index, self._whole(9 * len(self.outputs))))
            plane = self.builder.load(self.builder.gep(self.planes, [loop.index]))
            self._add_channel(sums, [self.builder.add(start, plane) for start in starts], weights)
        for (o, r, v), place in sums.items():
            value = self.builder.load(place)
            if negative_slope is not None:  # as torch's: not a number stays not a number
                zero = ir.Constant(self.vector, [0.0] * self.lanes)
                slope = ir.Constant(self.vector, [negative_slope] * self.lanes)
                below = self.builder.fmul(value, slope) if negative_slope else zero
                value = self.builder.select(self.builder.fcmp_ordered("<", value, zero), below, value)
            start = self.builder.add(self.target_at, self.builder.mul(self._whole(o), self.target_plane))
            start = self.builder.add(start, self.builder.mul(self._whole(r), self.target_row))
            self.builder.store(value, self._vector_at(self.target, start, v * self.lanes), align=self.alignment)

    def _add_channel(self, sums: dict[tuple[int, int, int], Any], starts: list[Any], weights: Any) -> None:
        for source_row, start in enumerate(starts):
            for column in range(3):
                pixels = [
                    self.builder.load(
                        self._vector_at(self.source, start, column + v * self.lanes), align=self.alignment
                    )
                    for v in self.vectors
                ]
                for r in self.rows:
                    if not 0 <= source_row - r < 3:
                        continue
                    tap = 3 * (source_row - r) + column
                    for o in self.outputs:
                        weight = self._broadcast(self._at(self.weights, weights, tap * len(self.outputs) + o))
                        for v in self.vectors:
                            place = sums[o, r, v]
                            total = self.builder.call(
                                self.fused_multiply_add, [pixels[v], weight, self.builder.load(place)]
                            )
                            self.builder.store(total, place)

    def _row_start(self, row: int) -> Any:
        """Where the tile begins in its source row, rows counted from the one above the tile."""
        index = self._add(self.source_first, row)
        over = self.builder.icmp_signed(">=", index, self.source_ring)
        index = self.builder.select(over, self.builder.sub(index, self.source_ring), index)
        return self.builder.add(self.source_at, self.builder.mul(index, self.source_row))

    def _whole(self, value: int) -> Any:
        return ir.Constant(self.whole, value)

    def _add(self, value: Any, constant: int) -> Any:
        return self.builder.add(value, self._whole(constant))

    def _at(self, data: Any, start: Any, offset: int) -> Any:
        return self.builder.gep(data, [self._add(start, offset)])

    def _vector_at(self, data: Any, start: Any, offset: int) -> Any:
        return self.builder.bitcast(self._at(data, start, offset), self.vector.as_pointer())

    def _broadcast(self, place: Any) -> Any:
        one = self.builder.insert_element(
            ir.Constant(self.vector, ir.Undefined), self.builder.load(place), ir.Constant(ir.IntType(32), 0)
        )
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), mask)
