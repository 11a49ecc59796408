"""FusionINN and its losses."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.fusioninn import FusionINN, mirrored, sample_prior
from InvertibleFusionLib.training.losses import (
    LossWeights,
    dissimilarity,
    multiscale_mmd,
    negative_log_likelihood,
)
from InvertibleFusionLib.training.objective import Batch, Objective


class FusionINNObjective(Objective):
    """Fused image like both sources, sources back from the fused image alone, latent like its prior.

    Args:
        network: to train.
        weights: of the losses.
    """

    def __init__(self, network: FusionINN, weights: LossWeights) -> None:
        super().__init__()
        self.network = network
        self.weights = weights

    @property
    def trained(self) -> FusionINN:
        """The FusionINN."""
        return self.network

    def parameters_of(self, turn: str) -> Iterable[nn.Parameter]:
        """All of them."""
        return self.network.parameters()

    def initialize(self, images: Tensor) -> None:
        """Set the activation normalization so that the first batch has mean 0 and deviation 1.

        Raises:
            ConfigurationError: when a contrast is the same everywhere.
        """
        try:
            self.network.flow.initialize(images)
        except ValueError as error:
            raise ConfigurationError(
                f"The first {len(images)} crops show nothing in one contrast, so the network cannot be initialized. "
                "Take a larger crop or batch_size, or select slices with more content."
            ) from error

    def forward(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        """Scalars "total", "fusion", "decomposition" and "latent" (FusionINN, equations 1 to 5)."""
        sources, weights = batch["images"], self.weights
        z, phase, target = self._noise(batch)
        latent, log_determinant = self.network.flow.forward_and_log_determinant(sources)
        image = self.network.image(latent)
        fusion = dissimilarity(image.expand_as(sources), sources, weights.similarity)
        decomposition = self._decomposition(self._rounded(image, phase), z, sources)
        if weights.latent_loss == "likelihood":
            latent_term = negative_log_likelihood(latent[:, 1:], log_determinant)
        else:
            latent_term = multiscale_mmd(latent[:, 1:], target)
        total = weights.fusion * fusion + (1 - weights.fusion) * decomposition + weights.latent * latent_term
        return {"total": total, "fusion": fusion, "decomposition": decomposition, "latent": latent_term}

    def _decomposition(self, image: Tensor, z: Tensor, sources: Tensor) -> Tensor:
        """How unlike the sources the image alone gives them back, with one draw of z or a mirrored pair."""
        decomposed = self.network.sources_from_image(image, z)
        if self.weights.mirrored:
            other = self.network.sources_from_image(image, mirrored(self.network.configuration.prior, z))
            decomposed = (decomposed + other) / 2
        shares = (1 - self.weights.second_source, self.weights.second_source)
        of_each = (
            share * dissimilarity(decomposed[:, [source]], sources[:, [source]], self.weights.similarity)
            for source, share in enumerate(shares)
        )
        return sum(of_each, sources.new_zeros(()))

    def _noise(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """For each sample a draw of z, where the levels of the rounding lie, and a draw for the MMD to compare with."""
        images = batch["images"]
        shape = (1, *images.shape[2:])
        drawn = []
        for seed in batch["seed"].tolist():
            generator = torch.Generator().manual_seed(seed)
            z = sample_prior(self.network.configuration.prior, shape, generator)
            phase = torch.rand((1, 1, 1), generator=generator)
            drawn.append((z, phase, torch.randn(shape, generator=generator)))
        z, phase, target = (torch.stack(parts).to(images) for parts in zip(*drawn, strict=True))
        return z, phase, target

    def _rounded(self, image: Tensor, phase: Tensor) -> Tensor:
        """The image rounded to the bits of an export, with the gradient of one that is not.

        Levels are shifted by a phase of each sample. Air has one value in a whole slice, so rounding moves all of it
        one way; noise, which differs from pixel to pixel, would average out there and teach nothing.
        """
        if not self.weights.image_bits:
            return image
        levels: int = 2**self.weights.image_bits - 1
        rounded = (torch.floor(image * levels + phase) + 0.5 - phase) / levels
        return image + (rounded - image).detach()
