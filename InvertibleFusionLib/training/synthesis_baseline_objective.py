"""Synthesis networks of others: absolute differences, and for pix2pix and Hi-Net a discriminator beside them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.baselines.monai_networks import PatchDiscriminator
from InvertibleFusionLib.models.baselines.synthesis_baseline import SynthesisBaseline
from InvertibleFusionLib.training.objective import Batch, Objective


@dataclass(frozen=True)
class SynthesisBaselineLoss:
    """How a U-Net or Hi-Net is taught. The mean absolute difference to the target has the weight 1.

    Attributes:
        deceive: weight of deceiving a patch discriminator; 0 trains without one. pix2pix and Hi-Net have 1 beside a
            difference of weight 100: 0.01.
        reconstruct: weight of the mean absolute difference between the sources and what Hi-Net's encoders kept of them.
            Its code has 20 for each of two sources beside 100 (taozh2017/HiNet, HiNet_SynthModel.py). Other networks
            have no such part.
        discriminator_width: channels of its first layer; 64 as published.
    """

    deceive: float = 0.0
    reconstruct: float = 0.4
    discriminator_width: int = 16

    def __post_init__(self) -> None:
        if not (0 <= self.deceive < math.inf and 0 <= self.reconstruct < math.inf):
            raise ConfigurationError(
                "The weights deceive and reconstruct are finite and at least 0, "
                f"not {self.deceive} and {self.reconstruct}."
            )
        if self.discriminator_width < 1:
            raise ConfigurationError(f"The discriminator needs at least one channel, not {self.discriminator_width}.")


class PairedObjective(Objective):
    """Targets like the real ones. The images of a batch are the sources' channels, then the targets'.

    Args:
        network: to train.
        loss: how.
    """

    def __init__(self, network: SynthesisBaseline, loss: SynthesisBaselineLoss) -> None:
        super().__init__()
        self.network = network
        self.loss = loss

    @property
    def trained(self) -> SynthesisBaseline:
        """The network that makes targets."""
        return self.network

    def parameters_of(self, turn: str) -> Iterable[nn.Parameter]:
        """All of them."""
        return self.network.parameters()

    def initialize(self, images: Tensor) -> None:
        """Nothing here depends on data."""

    def forward(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        """Scalars "total" and "target", and of Hi-Net "reconstruction"."""
        sources, targets = self.split(batch)
        return self.differences(sources, targets)[1]

    def split(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sources and targets of a batch."""
        sources, targets = torch.split(batch["images"], [sum(self.network.inputs), sum(self.network.outputs)], dim=1)
        return sources, targets

    def differences(self, sources: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What the network makes, and its mean absolute differences by name."""
        made, again = self.network.with_reconstructions(sources)
        losses = {"target": l1_loss(made, targets)}
        total = losses["target"]
        if again is not None:
            losses["reconstruction"] = l1_loss(again, sources)
            total = total + self.loss.reconstruct * losses["reconstruction"]
        return made, {"total": total, **losses}


class PixToPixObjective(PairedObjective):
    """pix2pix: first a discriminator learns to tell real targets from made ones, then the network to deceive it.

    Isola et al., CVPR 2017. The noise is left out, as the paper found that the generator learns to ignore it.

    Args:
        network: to train.
        discriminator: to train beside it; it stays in the training states and is not part of the model file.
        loss: how.
    """

    turns = ("discriminator", "generator")

    def __init__(
        self, network: SynthesisBaseline, discriminator: PatchDiscriminator, loss: SynthesisBaselineLoss
    ) -> None:
        super().__init__(network, loss)
        self.discriminator = discriminator

    def parameters_of(self, turn: str) -> Iterable[nn.Parameter]:
        """Of the network whose turn it is."""
        network: nn.Module = self.discriminator if turn == "discriminator" else self.network
        return network.parameters()

    def forward(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        """Scalars; of the discriminator "total", "real" and "made", of the generator "deception" and differences."""
        sources, targets = self.split(batch)
        if turn == "discriminator":
            with torch.no_grad():
                made = self.network(sources)
            real_loss = _verdict(self.discriminator(sources, targets), real=True)
            made_loss = _verdict(self.discriminator(sources, made), real=False)
            return {"total": (real_loss + made_loss) / 2, "real": real_loss, "made": made_loss}
        made, losses = self.differences(sources, targets)
        deception = _verdict(self.discriminator(sources, made), real=True)
        return {**losses, "total": losses["total"] + self.loss.deceive * deception, "deception": deception}


def _verdict(logits: Tensor, real: bool) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))
