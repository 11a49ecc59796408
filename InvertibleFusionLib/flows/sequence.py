"""Invertible layers one after the other."""

from collections.abc import Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from InvertibleFusionLib.flows.layer import InvertibleLayer, no_volume_change


class InvertibleSequence(InvertibleLayer):
    """The composition of layers; backwards in the opposite order. Log-determinants add up."""

    def __init__(self, layers: Iterable[InvertibleLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def __iter__(self) -> Iterator[InvertibleLayer]:
        return iter(cast(Iterable[InvertibleLayer], self.layers))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = layer(x)
        return x

    def inverse(self, y: Tensor) -> Tensor:
        for layer in reversed(list(self)):
            y = layer.inverse(y)
        return y

    def forward_and_log_determinant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = no_volume_change(x)
        for layer in self:
            x, log_determinant = layer.forward_and_log_determinant(x)
            total = total + log_determinant
        return x, total

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Initialize every layer from a batch as it arrives there."""
        for layer in self:
            x = layer.initialize(x)
        return x
