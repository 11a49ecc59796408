"""iVAN's dense blocks, as convolutions of torch or, on a CPU, on compiled kernels."""

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from InvertibleFusionLib.kernels.compilation import numba_works

CONVOLUTIONS = 5
"""In every dense block, as the kernels have it; those cannot be imported without Numba."""
NEGATIVE_SLOPE = 0.2
"""Of the LeakyReLU between them."""


class DenseBlock(nn.Module):
    """Five 3×3 convolutions, each of all maps before it (iVAN, figure 4); the last one is linear.

    Args:
        channels_in: of the image.
        channels_out: of the result, same rows and columns.
        growth: maps that each of the first four adds.

    While it learns on a CPU, in float32 or float64, it is computed by compiled kernels where Numba is installed, with
    other last bits than torch's convolutions. Those have gradients, but no second ones, and cannot be traced.

    Attributes:
        compiled: whether compiled kernels compute it at all times.
        checkpointed: whether, while it learns, its input alone is kept for the gradient and the maps are computed again
            (gradient checkpointing; Chen et al. 2016, arXiv 1604.06174). The gradients are the same.
    """

    def __init__(self, channels_in: int, channels_out: int, growth: int) -> None:
        super().__init__()
        widths = [channels_in + number * growth for number in range(CONVOLUTIONS)]
        self.grow = nn.ModuleList(nn.Conv2d(width, growth, 3, padding=1) for width in widths[:-1])
        self.last = nn.Conv2d(widths[-1], channels_out, 3, padding=1)
        self.compiled = False
        self.checkpointed = False

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels in, rows, columns) to (batch, channels out, rows, columns)."""
        if self.checkpointed and self.training and torch.is_grad_enabled():
            result: Tensor = checkpoint(self._compute, x, use_reentrant=False, preserve_rng_state=False)
            return result
        return self._compute(x)

    def _compute(self, x: Tensor) -> Tensor:
        if self._is_compiled(x):
            from InvertibleFusionLib.kernels.dense_block_function import compiled_dense_block  # brings Numba with it

            return compiled_dense_block(x, [*cast("list[nn.Conv2d]", self.grow), self.last])
        for convolution in self.grow:
            x = torch.cat((x, functional.leaky_relu_(convolution(x), NEGATIVE_SLOPE)), dim=1)
        result: Tensor = self.last(x)
        return result

    def _is_compiled(self, x: Tensor) -> bool:
        learning = self.training and torch.is_grad_enabled()
        possible = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and len(x) > 0
        wanted = (self.compiled or learning) and not torch.is_autocast_enabled("cpu")
        return possible and wanted and numba_works()


def checkpoint_dense_blocks(network: nn.Module) -> None:
    """Let all dense blocks of a network compute their maps again rather than keep them while they learn."""
    for module in network.modules():
        if isinstance(module, DenseBlock):
            module.checkpointed = True


def with_compiled_dense_blocks(flow: nn.Module, dtype: torch.dtype) -> nn.Module | None:
    """A copy of a flow in a dtype whose dense blocks run on compiled kernels; None if it has no dense blocks."""
    if not any(isinstance(module, DenseBlock) for module in flow.modules()):
        return None
    changed = copy.deepcopy(flow).to(dtype)
    for module in changed.modules():
        if isinstance(module, DenseBlock):
            module.compiled = True
    return changed
