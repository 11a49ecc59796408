"""Half-UNet: an encoder whose levels all have the same channels, enlarged and added up. Made for segmentation.

Lu et al., "Half-UNet: A Simplified U-Net Architecture for Medical Image Segmentation" (Frontiers in Neuroinformatics
2022): two ghost modules on each of five levels, bilinear enlargement, addition, two more ghost modules, 1×1
convolution. The network of that name in nish03/FusionINN differs (concatenation, no ghost features).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from InvertibleFusionLib.models.slice_padding import pad_by_reflection

LEVELS = 5


class GhostModule(nn.Module):
    """Half of the channels by a 3×3 convolution, the other half from those by a 3×3 convolution each."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        half = channels_out // 2
        self.convolution = nn.Conv2d(channels_in, half, 3, padding=1)
        self.ghosts = nn.Conv2d(half, half, 3, padding=1, groups=half)
        self.ending = nn.Sequential(nn.BatchNorm2d(channels_out), nn.ReLU())

    def forward(self, features: Tensor) -> Tensor:
        """(batch, channels in, rows, columns) to (batch, channels out, rows, columns)."""
        intrinsic = self.convolution(features)
        out: Tensor = self.ending(torch.cat((intrinsic, self.ghosts(intrinsic)), dim=1))
        return out


class HalfUNet(nn.Module):
    """Two sources (batch, 2, rows, columns) to an image (batch, 1, rows, columns) in [0, 1].

    ``width`` is even. Slices are mirrored at their end up to a multiple of 16, at least 32, and cropped back.
    """

    published_width = 64
    reduced_width = 32

    def __init__(self, width: int = published_width, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.levels = nn.ModuleList(
                nn.Sequential(GhostModule(2 if level == 0 else width, width), GhostModule(width, width))
                for level in range(LEVELS)
            )
            self.decoder = nn.Sequential(GhostModule(width, width), GhostModule(width, width), nn.Conv2d(width, 1, 1))

    def forward(self, sources: Tensor) -> Tensor:
        """One image from both sources."""
        rows, columns = sources.shape[-2:]
        smallest = 2**LEVELS
        features = self.levels[0](pad_by_reflection(sources, smallest // 2, smallest))
        summed = features
        for level in self.levels[1:]:
            features = level(functional.max_pool2d(features, 2))
            summed = summed + functional.interpolate(features, summed.shape[-2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(self.decoder(summed)[..., :rows, :columns])
