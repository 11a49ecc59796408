"""FusionINN's subnetworks: two 3×3 convolutions with a ReLU between them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class TwoConvolutions(nn.Sequential):
    """A 3×3 convolution, ReLU, a 3×3 convolution: (batch, channels, rows, columns) to (batch, outputs, rows, columns).

    While it learns on a CPU, values and gradients are computed as matrix products: libraries compute convolutions in
    blocks of 16 channels, and 1 → 32 → 2 fill few of them.

    Args:
        channels: of the input.
        hidden: channels between the convolutions.
        outputs: channels of the output.
        final_relu: whether a ReLU follows, as in the official code.
    """

    def __init__(self, channels: int, hidden: int, outputs: int, final_relu: bool) -> None:
        # Made last first, as ever: the same seed shall go on to give the same network.
        last = nn.Conv2d(hidden, outputs, 3, padding=1)
        ending = [nn.ReLU()] if final_relu else []
        super().__init__(nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(), last, *ending)

    def start_at_zero(self) -> None:
        """Let the last convolution give 0 for everything."""
        for parameter in self[2].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """The convolutions, in whichever way is faster here."""
        learning = self.training and torch.is_grad_enabled()
        if not learning or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            convolved: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return convolved
        first, last = self[0], self[2]
        weights = (first.weight, first.bias, last.weight, last.bias)
        y: Tensor = _MatrixProducts.apply(x, *weights)  # type: ignore[no-untyped-call]
        return torch.relu(y) if len(self) == 4 else y


class _MatrixProducts(torch.autograd.Function):
    """Both convolutions and their gradients; pixels of the whole batch are the columns of every matrix."""

    @staticmethod
    def forward(
        context: Any, x: Tensor, weight: Tensor, bias: Tensor, last_weight: Tensor, last_bias: Tensor
    ) -> Tensor:
        inputs = _neighbours(x)
        between = torch.addmm(bias[:, None], _by_pixel(weight), inputs).relu_()
        products = _by_neighbour(last_weight) @ between
        context.save_for_backward(inputs, between, weight, last_weight)
        context.size = (len(x), *x.shape[2:])
        return _summed(products, context.size) + last_bias[:, None, None]

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, between, weight, last_weight = context.saved_tensors
        [of_y] = gradients
        # Gradients go the other way: to the neighbour above what came from the one below, so filters turn around.
        of_products = _neighbours(of_y)
        turned = _by_neighbour(last_weight.flip(2, 3))
        of_last = (of_products @ between.T).view(3, 3, len(last_weight), -1).permute(2, 3, 0, 1).flip(2, 3)
        of_between = torch.ops.aten.threshold_backward(turned.T @ of_products, between, 0)
        of_weight = (of_between @ inputs.T).view(len(weight), 3, 3, -1).permute(0, 3, 1, 2)
        of_x = None
        if context.needs_input_grad[0]:
            of_x = _summed(_by_pixel(weight.flip(2, 3)).T @ of_between, context.size)
        return of_x, of_weight, of_between.sum(1), of_last, of_y.sum((0, 2, 3))


def _by_pixel(weight: Tensor) -> Tensor:
    """Filters (outputs, channels, 3, 3) as a matrix (outputs, 9 · channels) for columns of ``_neighbours``."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def _by_neighbour(weight: Tensor) -> Tensor:
    """Filters as a matrix (9 · outputs, channels): what each pixel gives to ``_summed``."""
    return weight.permute(2, 3, 0, 1).reshape(-1, weight.shape[1])


def _neighbours(x: Tensor) -> Tensor:
    """Each pixel's 3×3 neighbours, 0 outside: (batch, channels, rows, columns) to (9 · channels, all pixels)."""
    batch, channels, rows, columns = x.shape
    padded = nn.functional.pad(x.transpose(0, 1), (1, 1, 1, 1))
    gathered = x.new_empty(3, 3, channels, batch, rows, columns)
    for row in range(3):
        for column in range(3):
            gathered[row, column] = padded[..., row : row + rows, column : column + columns]
    return gathered.view(9 * channels, -1)


def _summed(products: Tensor, size: tuple[int, int, int]) -> Tensor:
    """To each pixel the share of each neighbour: (9 · channels, all pixels) to (batch, channels, rows, columns)."""
    batch, rows, columns = size
    shares = products.view(3, 3, -1, batch, rows, columns)
    total = products.new_zeros(shares.shape[2], batch, rows + 2, columns + 2)
    for row in range(3):
        for column in range(3):
            total[..., 2 - row : 2 - row + rows, 2 - column : 2 - column + columns] += shares[row, column]
    return total[..., 1:-1, 1:-1].transpose(0, 1)
