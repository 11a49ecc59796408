"""Decoder of the disentangled GAN: joint features, restyled by AdaIN, back to a slice at full resolution.

Feature-disentanglement GAN for multi-modal MRI synthesis, section II.A.4.
"""

from torch import Tensor, nn

from InvertibleFusionLib.models.adaptive_instance_normalization import AdaptiveResidualBlock
from InvertibleFusionLib.models.convolution_block import Activation, Padding, activation_layer


class AdaptiveDecoder(nn.Module):
    """Joint features (batch, 4·base, rows / 4, columns / 4) to an unbounded slice (batch, 1, rows, columns).

    The transposed convolutions are not normalised: instance normalisation would undo what AdaIN has just set. The last
    one, 7×7 with stride 1, mirrors the encoder's first.
    """

    def __init__(self, base_channels: int, residual_blocks: int, activation: Activation, padding: Padding) -> None:
        super().__init__()
        channels = 4 * base_channels
        self.blocks = nn.ModuleList(
            AdaptiveResidualBlock(channels, activation, padding) for _ in range(residual_blocks)
        )
        self.upsampling = nn.Sequential(
            nn.ConvTranspose2d(channels, 2 * base_channels, 4, 2, 1),
            activation_layer(activation),
            nn.ConvTranspose2d(2 * base_channels, base_channels, 4, 2, 1),
            activation_layer(activation),
            nn.ConvTranspose2d(base_channels, 1, 7, 1, 3),
        )

    def forward(self, features: Tensor, mean: Tensor, standard_deviation: Tensor) -> Tensor:
        """Decode.

        Args:
            features: (batch, 4·base, rows / 4, columns / 4).
            mean: Ξ′, (batch, 2·blocks, 4·base), two for each residual block.
            standard_deviation: Δ′, same shape.
        """
        for number, block in enumerate(self.blocks):
            two = slice(2 * number, 2 * number + 2)
            features = block(features, mean[:, two], standard_deviation[:, two])
        decoded: Tensor = self.upsampling(features)
        return decoded
