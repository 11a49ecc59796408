"""DeepFuse: tied convolutions on both sources, their features added, and a reconstruction.

Prabhakar et al., "DeepFuse: A Deep Unsupervised Approach for Exposure Fusion with Extreme Exposure Image Pairs"
(ICCV 2017), in the form in which the authors of FusionINN compare with it (nish03/FusionINN,
FusionModels/DeepFuse): batch normalisation after every convolution.
"""

import torch
from torch import Tensor, nn

from InvertibleFusionLib.models.convolution_block import NEGATIVE_SLOPE


class DeepFuse(nn.Module):
    """Two sources (batch, 2, rows, columns) to the fused image (batch, 1, rows, columns) in [0, 1].

    The slope of the LeakyReLU is 0.2 here as everywhere in this library; the comparison code has 0.01.
    """

    published_width = 16
    reduced_width = 8

    def __init__(self, width: int = published_width, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.features = nn.Sequential(
                _layer(1, width, 5, nn.LeakyReLU(NEGATIVE_SLOPE)), _layer(width, 2 * width, 7, nn.ReLU())
            )
            self.reconstruction = nn.Sequential(
                _layer(2 * width, 2 * width, 7, nn.LeakyReLU(NEGATIVE_SLOPE)),
                _layer(2 * width, width, 5, nn.LeakyReLU(NEGATIVE_SLOPE)),
                _layer(width, 1, 5, nn.Sigmoid()),
            )

    def forward(self, sources: Tensor) -> Tensor:
        """Fuse; the order of the sources does not matter."""
        first, second = sources.chunk(2, dim=1)
        fused: Tensor = self.reconstruction(self.features(first) + self.features(second))
        return fused


def _layer(channels_in: int, channels_out: int, kernel: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2), nn.BatchNorm2d(channels_out), activation
    )
