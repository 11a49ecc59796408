"""iVAN and its losses."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.ivan import Ivan
from InvertibleFusionLib.training.objective import Batch, Objective

Reverse = Literal["target", "prediction"]
Distance = Literal["squared", "absolute"]


@dataclass(frozen=True)
class IvanLoss:
    """How iVAN is taught to go both ways.

    Attributes:
        reverse: "target", the paper's equation 10: every channel of the output like its target, and the sources from
            the tiled targets; "prediction", the official code: the mean of the copies like the target, and the sources
            from the network's own output, clamped to [0, 1]. With the second the sources may travel in the differences
            of the copies, which a real target does not have.
        weight: λ, of the reverse loss.
        distance: "squared" as published, or "absolute" (the paper's table VI: 42.05 instead of 43.32 dB).
    """

    reverse: Reverse = "target"
    weight: float = 1.0
    distance: Distance = "squared"

    def __post_init__(self) -> None:
        if self.reverse not in get_args(Reverse):
            raise ConfigurationError(f"There is no reverse loss {self.reverse!r}; use target or prediction.")
        if self.distance not in get_args(Distance):
            raise ConfigurationError(f"There is no distance {self.distance!r}; use squared or absolute.")
        if not 0 <= self.weight < math.inf:
            raise ConfigurationError(f"The weight of the reverse loss is finite and at least 0, not {self.weight}.")


class IvanObjective(Objective):
    """Targets like the real ones, and sources back from them.

    The images of a batch are the sources' channels, then the targets'.

    Args:
        network: to train.
        loss: how.
    """

    def __init__(self, network: Ivan, loss: IvanLoss) -> None:
        super().__init__()
        self.network = network
        self.loss = loss

    @property
    def trained(self) -> Ivan:
        """The iVAN."""
        return self.network

    def parameters_of(self, turn: str) -> Iterable[nn.Parameter]:
        """All of them."""
        return self.network.parameters()

    def initialize(self, images: Tensor) -> None:
        """Nothing here depends on data."""

    def forward(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        """Scalars "total", "synthesis" and "reverse" (iVAN, equation 10)."""
        network, far = self.network, mse_loss if self.loss.distance == "squared" else l1_loss
        x, y = torch.split(batch["images"], [sum(network.inputs), sum(network.outputs)], dim=1)
        latent = network(x)
        if self.loss.reverse == "target":
            synthesis = far(latent, network.tile(y))
            back = network.flow.inverse(network.tile(y))
        else:
            synthesis = far(network.mean_of_copies(latent), y)
            back = network.flow.inverse(latent.clamp(0, 1))
        reverse = far(back, network.tile(x))
        return {"total": synthesis + self.loss.weight * reverse, "synthesis": synthesis, "reverse": reverse}
