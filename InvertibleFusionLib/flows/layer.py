"""The contract that every invertible layer keeps."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class InvertibleLayer(nn.Module, ABC):
    """A bijection between tensors of shape (batch, channels, rows, columns).

    ``inverse(forward(x))`` is ``x`` up to the arithmetic of the dtype. The log-determinant is log |det ∂y/∂x| of the
    forward direction, summed over channels, rows and columns, one number per batch entry; that of the inverse is its
    negative. ``forward`` and ``inverse`` never compute it: it costs a pass over memory that only training needs.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map x (batch, channels, rows, columns) forwards."""

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """Map y backwards: the x with ``forward(x) == y``."""

    @abstractmethod
    def forward_and_log_determinant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``forward(x)`` and log |det ∂y/∂x|, shape (batch,)."""

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Set parameters that depend on data from a first batch; ``forward(x)`` afterwards."""
        return self.forward(x)


def no_volume_change(x: Tensor) -> Tensor:
    """The log-determinant of a layer that only moves values about: zeros, shape (batch,)."""
    return x.new_zeros(x.shape[0])
