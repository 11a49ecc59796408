"""What a training loop needs to know of a model: its turns, and the losses of each."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

Batch = dict[str, Tensor]
"""Of ``training.data.loader``: "images", (batch, contrasts, rows, columns), and "seed", (batch,)."""


class Objective(nn.Module, ABC):
    """A network together with its losses, as one module, so that several processes can share its gradients.

    One optimization step goes through the turns in their order: most models have one, a generator and its
    discriminator have two. Each turn has its own parameters and optimizer.

    All randomness of a loss comes from the samples' seeds: a sample means the same whichever process gets it.
    """

    turns: tuple[str, ...] = ("network",)

    @property
    @abstractmethod
    def trained(self) -> nn.Module:
        """The network that the model file will hold."""

    @abstractmethod
    def parameters_of(self, turn: str) -> Iterable[nn.Parameter]:
        """What the turn's optimizer changes."""

    @abstractmethod
    def initialize(self, images: Tensor) -> None:
        """Set what depends on data, from a first batch (batch, contrasts, rows, columns)."""

    @abstractmethod
    def forward(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        """The losses of a turn by name, means over the batch; "total" is what the turn minimizes."""


def channels_last(module: nn.Module) -> nn.Module:
    """The module with its convolutions laid out pixel by pixel: faster on CPUs for few channels."""
    moved: Any = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved  # type: ignore[no-any-return]
