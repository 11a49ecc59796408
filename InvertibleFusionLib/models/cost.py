"""What running a network costs."""

from torch import nn

from InvertibleFusionLib.flows import InvertibleConvolution, Squeeze, Unsqueeze


def multiply_adds_per_pixel(network: nn.Module) -> int:
    """Multiply-adds of all convolutions for one pixel of a slice in one direction.

    Convolutions on squeezed channels run at a quarter of the pixels. They are told by their position in the flow.
    """
    total, divisor = 0, 1
    for module in network.modules():
        if isinstance(module, Squeeze):
            divisor = 4
        elif isinstance(module, Unsqueeze):
            divisor = 1
        elif isinstance(module, nn.Conv2d):
            total += module.weight.numel() // divisor
        elif isinstance(module, InvertibleConvolution):
            total += module.permutation.numel() // divisor
    return total
