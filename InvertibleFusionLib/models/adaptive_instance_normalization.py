"""Adaptive instance normalisation (AdaIN): features take on a mean and a standard deviation that come from elsewhere.

Feature-disentanglement GAN for multi-modal MRI synthesis, equation 2, after Huang and Belongie, "Arbitrary Style
Transfer in Real-Time with Adaptive Instance Normalization".
"""

from torch import Tensor, nn
from torch.nn import functional

from InvertibleFusionLib.models.convolution_block import Activation, Padding, activation_layer


def adaptive_instance_normalization(features: Tensor, mean: Tensor, standard_deviation: Tensor) -> Tensor:
    """Δ′·(x − μ(x))/σ(x) + Ξ′, with μ and σ of each channel of each slice.

    Where the features are constant the result is the mean alone.

    Args:
        features: x, (batch, channels, rows, columns).
        mean: Ξ′, (batch, channels).
        standard_deviation: Δ′, (batch, channels).
    """
    return functional.instance_norm(features) * standard_deviation[:, :, None, None] + mean[:, :, None, None]


class AdaptiveResidualBlock(nn.Module):
    """x + AdaIN(convolution(activation(AdaIN(convolution(x))))), 3×3, with a mean and deviation for each AdaIN."""

    def __init__(self, channels: int, activation: Activation, padding: Padding) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding)
        self.activation = activation_layer(activation)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding)

    def forward(self, features: Tensor, mean: Tensor, standard_deviation: Tensor) -> Tensor:
        """Features to features of the same shape.

        Args:
            features: (batch, channels, rows, columns).
            mean: (batch, 2, channels), of the first and the second AdaIN.
            standard_deviation: same shape.
        """
        inner = adaptive_instance_normalization(self.first(features), mean[:, 0], standard_deviation[:, 0])
        inner = self.second(self.activation(inner))
        return features + adaptive_instance_normalization(inner, mean[:, 1], standard_deviation[:, 1])
