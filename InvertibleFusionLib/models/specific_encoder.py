"""Specific information of the target contrast (SPE): from the pseudo-target to the statistics of the AdaIN layers.

Feature-disentanglement GAN for multi-modal MRI synthesis, section II.A.1.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from InvertibleFusionLib.models.convolution_block import Activation, Padding, activation_layer, convolution_block

Deviation = Literal["positive", "unbounded"]

STARTS_AT_ONE = math.log(math.e - 1)
"""softplus of this is 1."""


class SpecificEncoder(nn.Module):
    """SPE: the pseudo-target (batch, 1, rows, columns) to a mean and a standard deviation for each AdaIN layer.

    Convolutions without normalisation, which would take away the very statistics sought; the mean over the slice; a
    1×1 convolution to a few numbers; three linear layers.

    Args:
        channels: of the convolutions; the first keeps the resolution, each further one halves it.
        features: numbers that the 1×1 convolution leaves.
        linear_features: width of the hidden linear layers.
        layers: number of AdaIN layers to feed.
        layer_channels: channels of each.
        deviation: "unbounded" = as the last linear layer gives it, of either sign; "positive" = through a softplus
            that makes it 1 where the linear layer gives 0.
        activation: after convolutions and hidden linear layers.
        padding: of the convolutions.
    """

    def __init__(
        self,
        channels: Sequence[int],
        features: int,
        linear_features: int,
        layers: int,
        layer_channels: int,
        deviation: Deviation,
        activation: Activation,
        padding: Padding,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.deviation = deviation
        self.convolutions = nn.Sequential(
            convolution_block(1, channels[0], 7, 1, activation=activation, padding=padding),
            *(
                convolution_block(wide, wider, 4, 2, activation=activation, padding=padding)
                for wide, wider in itertools.pairwise(channels)
            ),
        )
        self.compression = nn.Conv2d(channels[-1], features, 1)
        self.linear = nn.Sequential(
            nn.Linear(features, linear_features),
            activation_layer(activation),
            nn.Linear(linear_features, linear_features),
            activation_layer(activation),
            nn.Linear(linear_features, 2 * layers * layer_channels),
        )

    def forward(self, pseudo_target: Tensor) -> tuple[Tensor, Tensor]:
        """Mean Ξ′ and standard deviation Δ′, each (batch, layers, channels).

        Rows and columns are at least 2 to the number of halvings.
        """
        pooled = self.convolutions(pseudo_target).mean(dim=(-2, -1), keepdim=True)
        statistics = self.linear(self.compression(pooled).flatten(1))
        mean, deviation = statistics.unflatten(1, (2, self.layers, -1)).unbind(dim=1)
        if self.deviation == "positive":
            deviation = functional.softplus(deviation + STARTS_AT_ONE)
        return mean, deviation
