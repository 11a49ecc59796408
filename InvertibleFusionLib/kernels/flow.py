"""FusionINN's flow on compiled kernels: packed once, then run slice by slice, forwards and backwards."""

import threading
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, TypeGuard

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.flows import (
    ActNorm,
    AffineCoupling,
    InvertibleLayer,
    InvertibleSequence,
    Permutation,
    Squeeze,
    Unsqueeze,
)
from InvertibleFusionLib.kernels.compilation import telling_of_compilation
from InvertibleFusionLib.kernels.coupling import HIDDEN_AT_ONCE, coupling_step, outputs_at_once, rows_at_once
from InvertibleFusionLib.kernels.packing import packed, rounded_up
from InvertibleFusionLib.kernels.planes import Planes, Workspace
from InvertibleFusionLib.kernels.pointwise import LARGEST_EXPONENT, constants
from InvertibleFusionLib.kernels.squeeze import move_squeezed
from InvertibleFusionLib.kernels.two_convolutions import is_two_convolutions


class CompiledFlow(InvertibleLayer):
    """A flow whose two directions run on compiled kernels, each slice on the thread that asks.

    They are compiled here where they never were before. Several threads may use it at the same time. The
    log-determinant is that of the flow it was made from.

    Args:
        flow: on the CPU; ``can_be_compiled`` says whether it will do. Weights are copied.
        dtype: to compute in, float32 or float64; that of the weights by default.
    """

    def __init__(self, flow: InvertibleSequence, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.reference = flow
        self._dtype = _numpy_type(dtype or next(flow.parameters()).dtype)
        self._steps = [_STEPS[type(layer)](layer, place, self._dtype) for place, layer in enumerate(flow)]
        self._threads = threading.local()
        _compile(self._dtype)

    @staticmethod
    def can_be_compiled(flow: object) -> TypeGuard[InvertibleSequence]:
        """Whether all layers are FusionINN's own, with the two-convolution networks that the kernel knows."""
        return isinstance(flow, InvertibleSequence) and all(
            _is_known_coupling(layer) if isinstance(layer, AffineCoupling) else type(layer) in _STEPS for layer in flow
        )

    def forward(self, x: Tensor) -> Tensor:
        return self._run(x, backwards=False)

    def inverse(self, y: Tensor) -> Tensor:
        return self._run(y, backwards=True)

    def forward_and_log_determinant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.reference.forward_and_log_determinant(x)

    def _run(self, images: Tensor, backwards: bool) -> Tensor:
        if not hasattr(self._threads, "workspace"):
            self._threads.workspace = Workspace(self._dtype)
        results = [self._run_slice(image, self._threads.workspace, backwards) for image in images.numpy()]
        return torch.from_numpy(np.stack(results))

    def _run_slice(self, image: NDArray[Any], workspace: Workspace, backwards: bool) -> NDArray[Any]:
        planes = workspace.planes(-1, *image.shape)
        for channel, pixels in enumerate(image):
            planes.pixels(channel)[:] = pixels
        for step in reversed(self._steps) if backwards else self._steps:
            planes = step.apply(planes, workspace, backwards)
        return np.stack([planes.pixels(channel) for channel in range(len(planes.begins))])


class _Step(ABC):
    """A layer with its weights packed in a dtype; ``place`` is its number in the flow."""

    @abstractmethod
    def __init__(self, layer: Any, place: int, dtype: np.dtype[Any]) -> None: ...

    @abstractmethod
    def apply(self, planes: Planes, workspace: Workspace, backwards: bool) -> Planes:
        """Change planes in place, or give others."""


class _Scale(_Step):
    def __init__(self, layer: ActNorm, place: int, dtype: np.dtype[Any]) -> None:
        with torch.no_grad():
            log_scale = layer.log_scale.flatten().numpy().astype(dtype)
            self._gains, self._inverse_gains = np.exp(log_scale), np.exp(-log_scale)
            self._biases = layer.bias.flatten().numpy().astype(dtype)

    def apply(self, planes: Planes, workspace: Workspace, backwards: bool) -> Planes:
        for channel, bias in enumerate(self._biases):
            pixels = planes.pixels(channel)
            if backwards:
                pixels -= bias
                pixels *= self._inverse_gains[channel]
            else:
                pixels *= self._gains[channel]
                pixels += bias
        return planes


class _Reorder(_Step):
    def __init__(self, layer: Permutation, place: int, dtype: np.dtype[Any]) -> None:
        self._order, self._inverse_order = layer.order.numpy().copy(), layer.inverse_order.numpy().copy()

    def apply(self, planes: Planes, workspace: Workspace, backwards: bool) -> Planes:
        return replace(planes, begins=planes.begins[self._inverse_order if backwards else self._order])


class _Resample(_Step):
    """Squeeze or, made from an ``Unsqueeze``, its inverse."""

    def __init__(self, layer: Squeeze | Unsqueeze, place: int, dtype: np.dtype[Any]) -> None:
        self._place = place
        self._expands = isinstance(layer, Unsqueeze)

    def apply(self, planes: Planes, workspace: Workspace, backwards: bool) -> Planes:
        channels, rows, columns = len(planes.begins), planes.rows, planes.columns
        expands = self._expands != backwards
        if not expands and (rows % 2 or columns % 2):
            raise ValueError(
                f"A squeeze needs even numbers of rows and columns, not {rows}×{columns}; pad the slices first."
            )
        size = (channels // 4, 2 * rows, 2 * columns) if expands else (4 * channels, rows // 2, columns // 2)
        target = workspace.planes(self._place, *size)
        full, squeezed = (target, planes) if expands else (planes, target)
        move_squeezed(
            full.memory, full.first_pixels, full.stride,
            squeezed.memory, squeezed.first_pixels, squeezed.stride,
            squeezed.rows, squeezed.columns, expands,
        )  # fmt: skip
        return target


class _Couple(_Step):
    def __init__(self, layer: AffineCoupling, place: int, dtype: np.dtype[Any]) -> None:
        self._split, self._clamp = layer.split, float(layer.clamp)
        self._network1, self._network2 = (_PackedNetwork(n, dtype) for n in (layer.subnet1, layer.subnet2))

    def apply(self, planes: Planes, workspace: Workspace, backwards: bool) -> Planes:
        first, second = planes.begins[: self._split], planes.begins[self._split :]
        halves = [(second, first, self._network2), (first, second, self._network1)]
        for passive, active, network in reversed(halves) if backwards else halves:
            network.couple(planes, passive, active, self._clamp, backwards, workspace)
        return planes


class _PackedNetwork:
    """The weights of convolution, ReLU, convolution and perhaps ReLU, in the order in which the kernel reads them."""

    def __init__(self, network: Any, dtype: np.dtype[Any]) -> None:
        first, last = network[0], network[2]
        self.hidden, self.outputs = first.out_channels, last.out_channels
        self.final_relu = len(network) == 4
        self.first = _packed(first, HIDDEN_AT_ONCE, dtype)
        self.last = _packed(last, outputs_at_once(self.outputs), dtype)
        self.constants = constants(dtype)

    def couple(
        self,
        planes: Planes,
        passive: NDArray[np.intp],
        active: NDArray[np.intp],
        clamp: float,
        backwards: bool,
        workspace: Workspace,
    ) -> None:
        """Change the active channels of the planes."""
        stride, at_once = planes.stride, rows_at_once(self.outputs)
        slot = rounded_up(self.hidden, HIDDEN_AT_ONCE) * stride
        ring = workspace.flat(("ring", self.hidden, stride), (at_once + 2) * slot)
        sums = workspace.flat(("sums",), at_once * rounded_up(self.outputs, outputs_at_once(self.outputs)) * stride)
        coupling_step(
            planes.memory, planes.rows, planes.columns, passive, active, self.first, self.last, self.hidden,
            ring, np.arange(self.hidden, dtype=np.intp) * stride, sums,
            clamp, self.final_relu, backwards, self.constants,
        )  # fmt: skip


_STEPS: dict[type, type[_Step]] = {
    ActNorm: _Scale,
    AffineCoupling: _Couple,
    Permutation: _Reorder,
    Squeeze: _Resample,
    Unsqueeze: _Resample,
}


def _compile(dtype: np.dtype[Any]) -> None:
    """Compile the kernels for a dtype, or load them from the cache."""
    number, whole = numba.from_dtype(dtype), numba.intp
    flat, places = number[::1], whole[::1]
    numbers = numba.types.UniTuple(number, len(constants(dtype)))
    with telling_of_compilation(dtype.name):
        arrays_and_sizes = (flat, whole, whole, places, places, flat, flat, whole, flat, places, flat)
        coupling_step.compile((*arrays_and_sizes, numba.float64, numba.boolean, numba.boolean, numbers))
        move_squeezed.compile((flat, places, whole, flat, places, whole, whole, whole, numba.boolean))


def _packed(convolution: Any, group: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    weight, bias = (parameter.detach().numpy().astype(dtype) for parameter in (convolution.weight, convolution.bias))
    return packed(weight, bias, group)


def _is_known_coupling(layer: AffineCoupling) -> bool:
    return layer.clamp <= LARGEST_EXPONENT and all(is_two_convolutions(n) for n in (layer.subnet1, layer.subnet2))


def _numpy_type(dtype: torch.dtype) -> np.dtype[Any]:
    return np.dtype({torch.float32: np.float32, torch.float64: np.float64}[dtype])
