"""Shared information of the sources: an encoder for each (SRE), and the convolution that joins them (Cat-Conv).

Feature-disentanglement GAN for multi-modal MRI synthesis, sections II.A.1 and II.A.3.
"""

import torch
from torch import Tensor, nn

from InvertibleFusionLib.models.convolution_block import Activation, Padding, activation_layer, convolution_block
from InvertibleFusionLib.models.presence import presence_scale


class ResidualBlock(nn.Module):
    """x + normalised convolution(activation(normalised convolution(x))), 3×3.

    The paper names the order "padding, convolution, normalisation, ReLU"; its parameter count says two convolutions a
    block. No activation follows the second, so that the sum can also lower a feature.
    """

    def __init__(self, channels: int, activation: Activation, padding: Padding) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding),
            nn.InstanceNorm2d(channels),
            activation_layer(activation),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(batch, channels, rows, columns) to the same shape."""
        change: Tensor = self.layers(features)
        return features + change


class SharedEncoder(nn.Module):
    """SRE: one source (batch, 1, rows, columns) to its shared features (batch, 4·base, rows / 4, columns / 4)."""

    def __init__(self, base_channels: int, residual_blocks: int, activation: Activation, padding: Padding) -> None:
        super().__init__()
        channels = 4 * base_channels

        def block(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Module:
            return convolution_block(
                channels_in,
                channels_out,
                kernel,
                stride,
                activation=activation,
                padding=padding,
                normalization="instance",
            )

        self.layers = nn.Sequential(
            block(1, base_channels, 7, 1),
            block(base_channels, 2 * base_channels, 4, 2),
            block(2 * base_channels, channels, 4, 2),
            *(ResidualBlock(channels, activation, padding) for _ in range(residual_blocks)),
        )

    def forward(self, source: Tensor) -> Tensor:
        """Rows and columns are multiples of 4 and at least 8."""
        features: Tensor = self.layers(source)
        return features


class CatConv(nn.Module):
    """Cat-Conv: shared features of all sources, concatenated, to joint ones by one 3×3 convolution.

    Nothing else: "all channels are weighted and summed in the convolutional layer". A missing source's features are
    zeroed and those of the others scaled by sources / present.
    """

    def __init__(self, sources: int, channels: int, padding: Padding) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(sources * channels, channels, 3, padding=1, padding_mode=padding)

    def forward(self, features: list[Tensor], present: Tensor | None = None) -> Tensor:
        """Features of each source, (batch, channels, rows, columns) each, to one such tensor.

        Args:
            features: of the sources in their order.
            present: (batch, sources) booleans, None when all are there.
        """
        stacked = torch.stack(features, dim=1)
        if present is not None:
            stacked = stacked * presence_scale(present).to(stacked)[:, :, None, None, None]
        joint: Tensor = self.convolution(stacked.flatten(1, 2))
        return joint
