"""The feature-disentanglement GAN and its losses."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.discriminator import Discriminator, DiscriminatorConfiguration
from InvertibleFusionLib.models.disentangled_gan import DisentangledGenerator
from InvertibleFusionLib.models.presence import random_presence
from InvertibleFusionLib.training.objective import Batch, Objective

Adversarial = Literal["cross-entropy", "least-squares"]


@dataclass(frozen=True)
class GANLoss:
    """How generator and discriminator are taught.

    Attributes:
        target: λ1, of the mean absolute difference between image and target. The paper's .1 leaves nearly everything
            to the discriminator; the default is pix2pix's 100.
        pseudo_target: λ2, of the same between the local adaptive fusion and the target; the paper's is .1 too.
        adversarial: "cross-entropy", the usual reading of the paper's equation 4, whose log(1 − D) is misprinted; the
            generator maximizes log D (non-saturating). Or "least-squares", steadier with few patients.
        input_dropout: probability with which each source is hidden from a sample, so that the model learns to do
            without; 0 as in the paper.
        discriminator: the network; its number of sources follows the generator's.
    """

    target: float = 100.0
    pseudo_target: float = 100.0
    adversarial: Adversarial = "cross-entropy"
    input_dropout: float = 0.0
    discriminator: DiscriminatorConfiguration = field(default_factory=DiscriminatorConfiguration)

    def __post_init__(self) -> None:
        if not (0 <= self.target < math.inf and 0 <= self.pseudo_target < math.inf):
            raise ConfigurationError(
                "The weights target and pseudo_target are finite and at least 0, "
                f"not {self.target} and {self.pseudo_target}."
            )
        if self.adversarial not in get_args(Adversarial):
            known = " or ".join(get_args(Adversarial))
            raise ConfigurationError(f"There is no adversarial loss {self.adversarial!r}; use {known}.")
        if not 0 <= self.input_dropout <= 1:
            raise ConfigurationError(f"The input dropout is a probability, not {self.input_dropout}.")


class GANObjective(Objective):
    """First the discriminator learns to tell real targets from made ones, then the generator to deceive it.

    The images of a batch are the sources, then the target. A source that is NaN is missing.

    Args:
        generator: to train.
        discriminator: to train beside it; it stays in the training states and is not part of the model file.
        loss: how.
    """

    turns = ("discriminator", "generator")

    def __init__(self, generator: DisentangledGenerator, discriminator: Discriminator, loss: GANLoss) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.loss = loss

    @property
    def trained(self) -> DisentangledGenerator:
        """The generator."""
        return self.generator

    def parameters_of(self, turn: str) -> Iterable[nn.Parameter]:
        """Of the network whose turn it is."""
        network: nn.Module = self.discriminator if turn == "discriminator" else self.generator
        return network.parameters()

    def initialize(self, images: Tensor) -> None:
        """Nothing here depends on data."""

    def forward(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        """Scalars; of the discriminator "total", "real" and "made", of the generator "total", "deception" and L1s."""
        count = self.generator.configuration.sources
        sources, target = torch.split(batch["images"], [count, 1], dim=1)
        present = self._presence(sources, batch["seed"])
        if turn == "discriminator":
            with torch.no_grad():
                image = self.generator.whole(sources, present).image
            real = self._verdict(self.discriminator(sources, target, present), real=True)
            made = self._verdict(self.discriminator(sources, image, present), real=False)
            return {"total": real + made, "real": real, "made": made}
        result = self.generator.whole(sources, present)
        deception = self._verdict(self.discriminator(sources, result.image, present), real=True)
        image_error = l1_loss(result.image, target)
        pseudo_error = l1_loss(result.pseudo_target, target)
        total = deception + self.loss.target * image_error + self.loss.pseudo_target * pseudo_error
        return {"total": total, "deception": deception, "target": image_error, "pseudo-target": pseudo_error}

    def _presence(self, sources: Tensor, seeds: Tensor) -> Tensor:
        """Which sources each sample keeps; from its own seed, so the same in both turns and in any process."""
        there = ~sources.isnan().any(dim=(-2, -1)).cpu()
        kept = [
            random_presence(each[None], self.loss.input_dropout, torch.Generator().manual_seed(seed))
            for each, seed in zip(there, seeds.tolist(), strict=True)
        ]
        return torch.cat(kept).to(sources.device)

    def _verdict(self, logits: Tensor, real: bool) -> Tensor:
        wanted = torch.full_like(logits, float(real))
        if self.loss.adversarial == "least-squares":
            return (logits - wanted).square().mean()
        return binary_cross_entropy_with_logits(logits, wanted)
