"""FusionINN's subnetworks as matrix products in plain torch, where kernels cannot be compiled.

A convolution of 1 → 32 → 2 channels is slow as a convolution, since libraries compute blocks of 16 channels; as two
matrix products of 32×9 and 18×32 it takes less than half the time.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from InvertibleFusionLib.flows import AffineCoupling, InvertibleSequence
from InvertibleFusionLib.kernels.two_convolutions import is_two_convolutions

HIDDEN_BYTES = 1 << 21
"""Of the hidden maps, how much is computed at a time: they should stay in the cache."""


class MatrixProducts(nn.Module):
    """Two convolutions with a ReLU between them, strip by strip, for inference on a CPU.

    Args:
        network: for which ``is_two_convolutions`` holds. Its weights are copied.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        first, last = network[0], network[2]
        self.final_relu = len(network) == 4
        self.hidden, self.outputs = first.out_channels, last.out_channels
        bias = first.bias.detach()[:, None]
        # The bias is one more weight, of an input that is always 1.
        self.first = torch.cat((first.weight.detach().reshape(self.hidden, -1), bias), dim=1)
        self.last = last.weight.detach().permute(2, 3, 0, 1).reshape(9 * self.outputs, self.hidden).contiguous()
        self.last_bias = last.bias.detach()[:, None, None].clone()

    def forward(self, x: Tensor) -> Tensor:
        """As the network: (batch, channels, rows, columns) to (batch, outputs, rows, columns)."""
        rows, columns = x.shape[2:]
        y = x.new_empty(len(x), self.outputs, rows, columns)
        at_once = max(1, HIDDEN_BYTES // (self.hidden * columns * x.element_size()) - 2)
        for image, result in zip(x, y, strict=True):
            padded = nn.functional.pad(image, (1, 1, 2, 2))
            for start in range(0, rows, at_once):
                stop = min(start + at_once, rows)
                self._strip(padded[:, start : stop + 4], start == 0, stop == rows, result[:, start:stop])
        return y

    def _strip(self, padded: Tensor, is_first: bool, is_last: bool, result: Tensor) -> None:
        """Rows of the result from the same rows of the image, two more above and below, and a column beside."""
        channels, rows, columns = padded.shape[0], padded.shape[1] - 2, padded.shape[2] - 2
        inputs = padded.new_empty(9 * channels + 1, rows, columns)
        inputs[:-1].view(channels, 9, rows, columns).copy_(
            padded.unfold(1, rows, 1).unfold(2, columns, 1).reshape(channels, 9, rows, columns)
        )
        inputs[-1] = 1
        hidden = torch.mm(self.first, inputs.view(9 * channels + 1, -1)).relu_()
        if is_first:
            hidden.view(self.hidden, rows, columns)[:, 0] = 0
        if is_last:
            hidden.view(self.hidden, rows, columns)[:, -1] = 0
        products = torch.mm(self.last, hidden).view(3, 3, self.outputs, rows, columns)
        for row in range(3):
            part = products[row, :, :, row : row + rows - 2]
            result.copy_(part[1] + self.last_bias) if row == 0 else result.add_(part[1])
            result[..., 1:] += part[0][..., :-1]
            result[..., :-1] += part[2][..., 1:]
        if self.final_relu:
            result.relu_()


def with_matrix_products(flow: object, dtype: torch.dtype) -> InvertibleSequence | None:
    """A copy of a flow in a dtype for inference on a CPU, with all couplings' networks replaced; None if unknown."""
    if not isinstance(flow, InvertibleSequence):
        return None
    couplings = [layer for layer in flow if isinstance(layer, AffineCoupling)]
    if not couplings or not all(is_two_convolutions(n) for c in couplings for n in (c.subnet1, c.subnet2)):
        return None
    changed = copy.deepcopy(flow).to(dtype)
    for layer in changed:
        if isinstance(layer, AffineCoupling):
            layer.subnet1, layer.subnet2 = MatrixProducts(layer.subnet1), MatrixProducts(layer.subnet2)
    return changed
