"""Fusion networks of others, taught as the authors of FusionINN teach them."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.baselines.fusion_baseline import FusionBaseline
from InvertibleFusionLib.training.losses import dissimilarity
from InvertibleFusionLib.training.objective import Batch, Objective


@dataclass(frozen=True)
class FusionBaselineLoss:
    """FusionINN's fusion loss alone (its equation 3), with which its paper trains the networks it compares with.

    Attributes:
        structure_share: λ, the share of 1 − SSIM beside the mean squared error.
    """

    structure_share: float = 0.8

    def __post_init__(self) -> None:
        if not 0 <= self.structure_share <= 1:
            raise ConfigurationError(f"The structure share lies in [0, 1], not at {self.structure_share}.")


class FusionBaselineObjective(Objective):
    """Fused image like both sources.

    Args:
        network: to train.
        loss: how.
    """

    def __init__(self, network: FusionBaseline, loss: FusionBaselineLoss) -> None:
        super().__init__()
        self.network = network
        self.loss = loss

    @property
    def trained(self) -> FusionBaseline:
        """The network."""
        return self.network

    def parameters_of(self, turn: str) -> Iterable[nn.Parameter]:
        """All of them."""
        return self.network.parameters()

    def initialize(self, images: Tensor) -> None:
        """Nothing here depends on data."""

    def forward(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        """Scalars "total" and "fusion", which is the total (FusionINN, equation 3)."""
        sources = batch["images"]
        fusion = dissimilarity(self.network(sources).expand_as(sources), sources, self.loss.structure_share)
        return {"total": fusion, "fusion": fusion}
