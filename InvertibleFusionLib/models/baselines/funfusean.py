"""FunFuseAn: coarse and fine features of an anatomical and a functional image, fused by a rule each.

Kumar et al., "Structural Similarity based Anatomical and Functional Brain Imaging Fusion" (MBIA at MICCAI 2019);
layers as in the authors' code (nish03/FunFuseAn, FunFuseAn/network.py).
"""

import itertools

import torch
from torch import Tensor, nn

from InvertibleFusionLib.models.convolution_block import convolution_block

SMALLEST_SUM = 1e-2
"""Below this the sum that the fine features are divided by is kept at it; the original divides by sums through 0."""


class FunFuseAn(nn.Module):
    """Two sources (batch, 2, rows, columns), the anatomical first, to the fused image in [0, 1], (batch, 1, ...)."""

    published_width = 16
    reduced_width = 8

    def __init__(self, width: int = published_width, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.coarse_first = _layers([1, width], [9])
            self.coarse_second = _layers([1, width], [7])
            self.fine_first = _layers([1, width, 2 * width, 4 * width], [3, 3, 3])
            self.fine_second = _layers([1, width, 2 * width, 4 * width], [5, 5, 3])
            self.fine_reconstruction = _layers([4 * width, 2 * width, width], [5, 5])
            self.reconstruction = nn.Conv2d(width, 1, 5, padding=2)

    def forward(self, sources: Tensor) -> Tensor:
        """Fuse: fine features by maximum / sum, coarse ones by their mean with what the fine ones give."""
        first, second = sources.chunk(2, dim=1)
        fine = _share_of_the_larger(self.fine_first(first), self.fine_second(second))
        coarse = self.coarse_first(first) + self.coarse_second(second) + self.fine_reconstruction(fine)
        return torch.sigmoid(self.reconstruction(coarse / 3))


def _share_of_the_larger(first: Tensor, second: Tensor) -> Tensor:
    total = first + second
    smallest = torch.full_like(total, SMALLEST_SUM).copysign(total)
    return torch.maximum(first, second) / torch.where(total.abs() < SMALLEST_SUM, smallest, total)


def _layers(channels: list[int], kernels: list[int]) -> nn.Sequential:
    return nn.Sequential(
        *(
            convolution_block(*pair, kernel, 1, activation="leaky_relu", normalization="batch")
            for pair, kernel in zip(itertools.pairwise(channels), kernels, strict=True)
        )
    )
