"""Convolution, normalisation, activation: the block that the disentangled GAN's networks are made of."""

from collections.abc import Iterable
from typing import Literal

from torch import nn

Activation = Literal["relu", "leaky_relu"]
Padding = Literal["zeros", "reflect"]
Normalization = Literal["none", "instance", "batch"]

NEGATIVE_SLOPE = 0.2
"""Of the LeakyReLU (the paper's section II.D)."""


def activation_layer(activation: Activation) -> nn.Module:
    """ReLU, or LeakyReLU with the paper's slope."""
    return nn.ReLU() if activation == "relu" else nn.LeakyReLU(NEGATIVE_SLOPE)


def convolution_block(
    channels_in: int,
    channels_out: int,
    kernel: int,
    stride: int,
    *,
    activation: Activation,
    padding: Padding = "zeros",
    normalization: Normalization = "none",
) -> nn.Sequential:
    """Convolution, normalisation where wanted, activation; rows and columns are divided by the stride.

    Instance normalisation has no parameters of its own: the parameter counts of the paper's layers leave no room.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, channels_out, kernel, stride, (kernel - 1) // 2, padding_mode=padding)
    ]
    if normalization == "instance":
        layers.append(nn.InstanceNorm2d(channels_out))
    elif normalization == "batch":
        layers.append(nn.BatchNorm2d(channels_out))
    return nn.Sequential(*layers, activation_layer(activation))


def multiply_adds_per_pixel(layers: Iterable[nn.Module], scale: int = 1) -> float:
    """Multiply-adds of convolutions that follow one another, for one pixel of the slice at full resolution.

    Args:
        layers: in the order in which the data passes them; those that are no convolutions are skipped.
        scale: how many rows of the slice one row of the first layer's input stands for.
    """
    total, pixels = 0.0, scale**2
    for layer in layers:
        if isinstance(layer, nn.ConvTranspose2d):
            total += layer.weight.numel() / pixels  # each input pixel is spread over the kernel
            pixels //= layer.stride[0] ** 2
        elif isinstance(layer, nn.Conv2d):
            pixels *= layer.stride[0] ** 2
            total += layer.weight.numel() / pixels
    return total
