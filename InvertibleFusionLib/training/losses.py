"""The losses of FusionINN."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from InvertibleFusionLib.metrics.structural_similarity import structural_similarity
from InvertibleFusionLib.models.fusioninn import FusionINN


@dataclass(frozen=True)
class LossWeights:
    """How the terms are weighted.

    Attributes:
        similarity: λ, the share of 1 − SSIM beside the mean squared error (FusionINN, equations 3 and 4).
        fusion: α, the share of the fusion loss beside the decomposition loss (equation 5). The smaller it is, the more
            of the sources the fused image may hide in a visible chessboard.
        latent: of the negative log-likelihood, nats per pixel. Small, because a nat weighs more than an SSIM.
        image_bits: the decomposition must survive a fused image rounded to this many bits, as an export to DICOM does;
            0 trains on unrounded images.
    """

    similarity: float = 0.8
    fusion: float = 0.5
    latent: float = 0.0003
    image_bits: int = 12


def fusioninn_losses(
    network: FusionINN, sources: Tensor, z: Tensor, rounding: Tensor, weights: LossWeights
) -> dict[str, Tensor]:
    """All terms for a batch; "total" is what is minimized.

    Args:
        network: the network to train.
        sources: (batch, 2, rows, columns), in the numbers of the intensity scale.
        z: (batch, 1, rows, columns), a fresh draw from the prior for the decomposition from the image alone.
        rounding: same shape, uniform in [0, 1): stands for what rounding to ``image_bits`` does, with a gradient.
        weights: of the terms.

    Returns:
        Scalars "total", "fusion", "decomposition" and "latent".
    """
    latent, log_determinant = network.flow.forward_and_log_determinant(sources)
    image = network.image(latent)
    fusion = dissimilarity(image.expand_as(sources), sources, weights.similarity)
    rounded = image + (rounding - 0.5) / 2**weights.image_bits if weights.image_bits else image
    decomposition = dissimilarity(network.sources_from_image(rounded, z), sources, weights.similarity)
    likelihood = latent_loss(latent[:, 1:], log_determinant)
    total = weights.fusion * fusion + (1 - weights.fusion) * decomposition + weights.latent * likelihood
    return {"total": total, "fusion": fusion, "decomposition": decomposition, "latent": likelihood}


def dissimilarity(images: Tensor, sources: Tensor, similarity: float) -> Tensor:
    """λ · mean(1 − SSIM) + (1 − λ) · mean squared error, averaged over both sources (official code, inn_train.py)."""
    structure = 1 - structural_similarity(images, sources).mean()
    return similarity * structure + (1 - similarity) * torch.mean((images - sources) ** 2)


def latent_loss(z: Tensor, log_determinant: Tensor) -> Tensor:
    """Negative log-likelihood of z under N(0, 1) with the change of volume, in nats per pixel of z.

    ½ z² + ½ log 2π − log |det J| / pixels. Unlike the official multiscale MMD, which is constant in as many dimensions
    as a slice has pixels, it tells N(5, 1) from N(0, 1).

    Args:
        z: (batch, 1, rows, columns).
        log_determinant: (batch,).
    """
    pixels = z[0].numel()
    return (0.5 * z.square()).mean() + 0.5 * math.log(2 * math.pi) - log_determinant.mean() / pixels
