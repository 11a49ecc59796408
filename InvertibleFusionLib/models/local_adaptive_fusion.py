"""Local adaptive fusion (LAF): the pseudo-target, a weighted sum of the sources whose weights differ by region.

Feature-disentanglement GAN for multi-modal MRI synthesis (section II.A.2, figure 2): the slice is cut into a grid of
blocks, each with its own 1×1 convolution. The paper's blocks leave edges where two of them meet.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from InvertibleFusionLib.models.presence import presence_scale

FusionWeights = Literal["seamless", "blocks"]


class LocalAdaptiveFusion(nn.Module):
    """Sources (batch, sources, rows, columns) to the pseudo-target (batch, 1, rows, columns).

    One weight for each source and one bias in each block of the grid: (sources + 1)·grid² parameters. Block k of a
    side holds the rows r with ⌊r·grid / rows⌋ = k, so any size is covered; blocks of a slice smaller than the grid
    stay unused.

    Args:
        sources: number of sources.
        grid: blocks on each side.
        weights: "blocks" = constant within a block, as published; "seamless" = a block's weights hold at its centre
            and are interpolated bilinearly in between.
        start_as_mean: whether the pseudo-target starts as the mean of the sources; otherwise at random, each block as
            a 1×1 convolution would.
    """

    def __init__(self, sources: int, grid: int, weights: FusionWeights, start_as_mean: bool) -> None:
        super().__init__()
        self.grid = grid
        self.weights = weights
        self.weight = nn.Parameter(torch.full((sources, grid, grid), 1 / sources))
        self.bias = nn.Parameter(torch.zeros(grid, grid))
        if not start_as_mean:
            bound = sources**-0.5
            nn.init.uniform_(self.weight, -bound, bound)
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, sources: Tensor, present: Tensor | None = None) -> Tensor:
        """The pseudo-target; where a source is missing, the others' share is scaled up in its place.

        Args:
            sources: (batch, sources, rows, columns), zero where missing.
            present: (batch, sources) booleans, None when all are there.
        """
        rows, columns = sources.shape[-2:]
        weight = self.weight_of_pixels(rows, columns)  # (sources + 1, rows, columns)
        if present is not None:
            sources = sources * presence_scale(present).to(sources)[:, :, None, None]
        fused = (sources * weight[:-1]).sum(dim=1, keepdim=True)
        return fused + weight[-1]

    def weight_of_pixels(self, rows: int, columns: int) -> Tensor:
        """Weight of each source in each pixel, and the bias last: (sources + 1, rows, columns)."""
        of_blocks = torch.cat((self.weight, self.bias[None]))
        if self.weights == "seamless":
            return functional.interpolate(of_blocks[None], (rows, columns), mode="bilinear", align_corners=False)[0]
        block_row = torch.arange(rows, device=of_blocks.device) * self.grid // rows
        block_column = torch.arange(columns, device=of_blocks.device) * self.grid // columns
        return of_blocks[:, block_row[:, None], block_column]
