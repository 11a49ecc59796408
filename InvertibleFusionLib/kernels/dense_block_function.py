"""Dense blocks on compiled kernels as a function of torch, with its gradients."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, cast

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from InvertibleFusionLib.kernels.compilation import telling_of_compilation
from InvertibleFusionLib.kernels.convolution import REGISTER_BYTES, stride_of
from InvertibleFusionLib.kernels.dense_block import (
    AT_ONCE,
    CONVOLUTIONS,
    FEW_ROWS,
    dense_block,
    dense_block_gradients,
    outputs_at_once,
    weight_gradients,
)
from InvertibleFusionLib.kernels.packing import packed, rounded_up


def compiled_dense_block(x: Tensor, convolutions: Sequence[nn.Conv2d]) -> Tensor:
    """Dense blocks of a batch; every image is computed by one thread, so that the number of threads changes no bit.

    Args:
        x: (batch, channels, rows, columns) on the CPU, float32 or float64.
        convolutions: five of 3×3 with biases, all but the last one of as many outputs; in the dtype of x.

    Returns:
        (batch, outputs of the last convolution, rows, columns). It has gradients, but those have none.

    Raises:
        ValueError: for another number of convolutions or of channels.
    """
    if len(convolutions) != CONVOLUTIONS:
        raise ValueError(f"The compiled dense block has {CONVOLUTIONS} convolutions, not {len(convolutions)}.")
    if x.dim() != 4 or x.shape[1] != convolutions[0].in_channels:
        wanted = convolutions[0].in_channels
        raise ValueError(f"A dense block wants (batch, {wanted} channels, rows, columns), not {tuple(x.shape)}.")
    parameters = [p for convolution in convolutions for p in (convolution.weight, cast(Tensor, convolution.bias))]
    y: Tensor = _DenseBlock.apply(x, *parameters)  # type: ignore[no-untyped-call]
    return y


class _DenseBlock(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        weights, biases = _arrays(parameters[0::2]), _arrays(parameters[1::2])
        _compile(weights[0].dtype.name)
        at_once = [AT_ONCE] * (len(weights) - 1) + [outputs_at_once(len(weights[-1]))]
        stacked, begins = _stacked([packed(w, b, n) for w, b, n in zip(weights, biases, at_once, strict=True)])
        inputs, growth, outputs = x.shape[1], len(weights[0]), len(weights[-1])

        def of_image(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
            rows, columns = image.shape[1:]
            maps = _with_room(image, _room(inputs, growth, len(weights)))
            result = _result(rows, columns, outputs, maps.dtype)
            dense_block(maps, rows, columns, inputs, growth, outputs, stacked, begins, result)
            return maps, _pixels(result, outputs, rows, columns)

        [images] = _arrays([x])
        both = _of_all(of_image, list(images))
        # As saved tensors, not as an attribute: checkpointing lets go of those, and they go as soon as they were used.
        maps = [torch.from_numpy(maps) for maps, _ in both] if any(context.needs_input_grad) else []
        context.save_for_backward(*parameters, *maps)
        context.size = x.shape
        return torch.from_numpy(np.stack([result for _, result in both]))

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved = context.saved_tensors
        weights, maps_of_all = _arrays(saved[: 2 * CONVOLUTIONS : 2]), _arrays(saved[2 * CONVOLUTIONS :])
        _compile_gradients(weights[0].dtype.name)
        inputs, growth, outputs = context.size[1], len(weights[0]), len(weights[-1])
        turned = _turned(weights, inputs, growth)
        at_once = [AT_ONCE] * (len(turned) - 1) + [outputs_at_once(inputs)]
        none = [np.zeros(len(w), w.dtype) for w in turned]
        stacked, begins = _stacked([packed(w, b, n) for w, b, n in zip(turned, none, at_once, strict=True)])

        def of_image(image: tuple[NDArray[Any], NDArray[Any]]) -> tuple[NDArray[Any], list[NDArray[Any]]]:
            of_y, maps = image
            rows, columns = of_y.shape[1:]
            chain = _with_room(of_y, _room(outputs, growth, len(weights)))
            result = _result(rows, columns, inputs, maps.dtype)
            dense_block_gradients(chain, maps, rows, columns, inputs, growth, outputs, stacked, begins, result)
            of_parameters = []
            for number, weight in enumerate(weights):
                of_weight, of_bias = np.empty_like(weight), np.empty(len(weight), weight.dtype)
                last = number == len(weights) - 1
                first = 0 if last else outputs + (len(weights) - 2 - number) * growth
                weight_gradients(maps, weight.shape[1], chain, first, rows, columns, of_weight, of_bias)
                of_parameters += [of_weight, of_bias]
            return _pixels(result, inputs, rows, columns), of_parameters

        [of_y] = _arrays([gradients[0]])
        each = _of_all(of_image, list(zip(of_y, maps_of_all, strict=True)))
        of_x = torch.from_numpy(np.stack([image for image, _ in each]))
        of_all = [torch.from_numpy(np.sum(same, axis=0)) for same in zip(*(p for _, p in each), strict=True)]
        return of_x, *of_all


@cache
def _compile(dtype: str) -> None:
    """Compile for a dtype what goes forwards, or load it from the cache."""
    flat, whole = numba.from_dtype(np.dtype(dtype))[::1], numba.intp
    with telling_of_compilation(f"{dtype} dense block"):
        dense_block.compile((flat, *[whole] * 5, flat, whole[::1], flat))


@cache
def _compile_gradients(dtype: str) -> None:
    """Compile for a dtype what learning takes, or load it from the cache."""
    number, whole = numba.from_dtype(np.dtype(dtype)), numba.intp
    flat = number[::1]
    with telling_of_compilation(f"{dtype} dense block gradient"):
        dense_block_gradients.compile((flat, flat, *[whole] * 5, flat, whole[::1], flat))
        weight_gradients.compile((flat, whole, flat, whole, whole, whole, number[:, :, :, ::1], flat))


def _turned(weights: Sequence[NDArray[Any]], inputs: int, growth: int) -> list[NDArray[Any]]:
    """The filters by which gradients go back: of the last group first, of the input last.

    Inputs of each are the result's channels, then the groups' from the last to the one after its own.
    """
    groups = len(weights) - 1
    readers = [weights[-1], *weights[-2::-1]]  # in the order of the gradients' planes
    turned = []
    for group in range(groups - 1, -1, -1):
        read = slice(inputs + group * growth, inputs + (group + 1) * growth)
        turned.append([w[:, read] for w in readers[: groups - group]])
    turned.append([w[:, :inputs] for w in readers])
    return [np.concatenate(filters)[:, :, ::-1, ::-1].swapaxes(0, 1) for filters in turned]


def _of_all(work: Any, images: list[Any]) -> list[Any]:
    """``work`` of every image, on as many threads as torch has here."""
    threads = min(torch.get_num_threads(), len(images))
    if threads == 1:
        return [work(image) for image in images]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, images))


def _room(given: int, growth: int, convolutions: int) -> int:
    """Planes of the given channels and of all groups."""
    return given + (convolutions - 2) * growth + rounded_up(growth, AT_ONCE)


def _with_room(image: NDArray[Any], planes: int) -> NDArray[Any]:
    """Flat memory of so many planes with the image in the first ones, in a border of zeros."""
    channels, rows, columns = image.shape
    stride, left = stride_of(columns, image.itemsize), REGISTER_BYTES // image.itemsize
    size = (rows + 2) * stride
    memory = np.empty(planes * size + (FEW_ROWS + 1) * stride, image.dtype)
    filled = memory[: channels * size].reshape(channels, rows + 2, stride)
    filled[:] = 0
    filled[:, 1:-1, left : left + columns] = image
    return memory


def _result(rows: int, columns: int, outputs: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Flat memory for what the last convolution gives."""
    registers = rounded_up(columns, REGISTER_BYTES // dtype.itemsize)
    return np.empty(rounded_up(outputs, outputs_at_once(outputs)) * rounded_up(rows, FEW_ROWS) * registers, dtype)


def _pixels(result: NDArray[Any], outputs: int, rows: int, columns: int) -> NDArray[Any]:
    """(outputs, rows, columns), a view."""
    registers = rounded_up(columns, REGISTER_BYTES // result.itemsize)
    return result.reshape(-1, rounded_up(rows, FEW_ROWS), registers)[:outputs, :rows, :columns]


def _stacked(parts: list[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """All weights in one flat array, and where each convolution's begin."""
    begins = np.cumsum([0, *(len(part) for part in parts[:-1])], dtype=np.intp)
    return np.concatenate(parts), begins


def _arrays(tensors: Sequence[Tensor]) -> list[NDArray[Any]]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]
