"""What the weights of a 3×3 convolution learn: the correlation of its input with the gradient of its output."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from InvertibleFusionLib.kernels.convolution import lanes


def plane_correlation(outputs: int) -> Callable[..., None]:
    """Make the function that correlates one channel with ``outputs`` gradients, for the 3 columns of a filter's row.

    Every sum has a lane for each pixel of a register; their total over the lanes is the gradient of one weight. It is
    for use in compiled code only. Its arguments, all but the arrays whole numbers counted in array elements:

    - source: flat array; source_at: where the channel has the left neighbour of the first pixel, in the row above it,
      in its own or in the one below, as the filter's row wants;
    - gradients: flat array, zero beyond the last column of each row; gradients_at: the first pixel of the first;
      gradients_plane: from gradient to gradient;
    - stride: from row to row, of both; rows; registers: of a row;
    - sums: flat array, to be added to; sums_at: where it begins: (outputs, 3, lanes).
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def correlate_plane(
        typing: Any,
        source: Any,
        source_at: Any,
        gradients: Any,
        gradients_at: Any,
        gradients_plane: Any,
        stride: Any,
        rows: Any,
        registers: Any,
        sums: Any,
        sums_at: Any,
    ) -> Any:
        whole = types.intp
        signature = types.void(source, whole, gradients, whole, whole, whole, whole, whole, sums, whole)

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            _Correlation(context, builder, signature, arguments, outputs).emit()
            return context.get_dummy_value()

        return signature, generate

    made: Callable[..., None] = correlate_plane
    return made


class _Correlation:
    """Writes the instructions."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, outputs: int) -> None:
        dtype = signature.args[0].dtype
        self.builder = builder
        self.outputs = range(outputs)
        self.lanes = lanes(dtype)
        self.whole = context.get_value_type(types.intp)
        self.vector = ir.VectorType(context.get_value_type(dtype), self.lanes)
        self.alignment = dtype.bitwidth // 8
        self.source, self.gradients, self.sums = (
            context.make_array(signature.args[place])(context, builder, arguments[place]).data for place in (0, 2, 8)
        )
        self.source_at, self.gradients_at, self.gradients_plane = arguments[1], arguments[3], arguments[4]
        self.stride, self.rows, self.registers = arguments[5:8]
        self.sums_at = arguments[9]
        name = f"llvm.fma.v{self.lanes}f{dtype.bitwidth}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fused_multiply_add = cgutils.get_or_insert_function(builder.module, kind, name)

    def emit(self) -> None:
        """Sums are loaded, gather all pixels, and are stored."""
        places = [(o, c) for o in self.outputs for c in range(3)]
        sums = {place: cgutils.alloca_once(self.builder, self.vector) for place in places}
        targets = [self._sum(self.sums_at, self._whole(number * self.lanes)) for number in range(len(places))]
        for memory, target in zip(sums.values(), targets, strict=True):
            self.builder.store(self._load(self.sums, target), memory)
        with cgutils.for_range(self.builder, self.rows, intp=self.whole) as row:
            along = self.builder.mul(row.index, self.stride)
            with cgutils.for_range(self.builder, self.registers, intp=self.whole) as register:
                at = self.builder.add(along, self.builder.mul(register.index, self._whole(self.lanes)))
                self._add_pixels(sums, at)
        for memory, target in zip(sums.values(), targets, strict=True):
            self.builder.store(self.builder.load(memory), self._vector_at(self.sums, target), align=self.alignment)

    def _add_pixels(self, sums: dict[tuple[int, int], Any], at: Any) -> None:
        # In this order the sums, the pixels and one gradient fill the registers, and nothing has to leave them.
        pixels = [self._load(self.source, self._sum(at, self.source_at, self._whole(c))) for c in range(3)]
        for o in self.outputs:
            plane = self.builder.mul(self._whole(o), self.gradients_plane)
            gradient = self._load(self.gradients, self._sum(at, self.gradients_at, plane))
            for c in range(3):
                memory = sums[o, c]
                total = self.builder.call(self.fused_multiply_add, [pixels[c], gradient, self.builder.load(memory)])
                self.builder.store(total, memory)

    def _sum(self, *values: Any) -> Any:
        total = values[0]
        for value in values[1:]:
            total = self.builder.add(total, value)
        return total

    def _whole(self, value: int) -> Any:
        return ir.Constant(self.whole, value)

    def _load(self, data: Any, at: Any) -> Any:
        return self.builder.load(self._vector_at(data, at), align=self.alignment)

    def _vector_at(self, data: Any, at: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [at]), self.vector.as_pointer())
