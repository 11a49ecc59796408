"""The losses of FusionINN."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.metrics.structural_similarity import structural_similarity

LatentLoss = Literal["likelihood", "multiscale-mmd"]
BANDWIDTHS = (0.05, 0.2, 0.9)
"""Of the official code's kernels."""


@dataclass(frozen=True)
class LossWeights:
    """How the terms are weighted.

    Attributes:
        similarity: λ, the share of 1 − SSIM beside the mean squared error (FusionINN, equations 3 and 4).
        fusion: α, the share of the fusion loss beside the decomposition loss (equation 5). The smaller it is, the more
            of the sources the fused image may hide in a visible chessboard.
        latent: weight of the latent loss. Of the likelihood it is small, because a nat weighs more than an SSIM. The
            official code adds its MMD to the fusion loss, so there it is α.
        latent_loss: "likelihood", the exact one, or "multiscale-mmd", that of the official code, which teaches nothing
            (see ``multiscale_mmd``).
        image_bits: the decomposition must survive a fused image rounded to this many bits, as an export to DICOM does;
            0 trains on unrounded images.
        mirrored: compare the sources with the mean of a draw of z and its mirror image, as ``FusionINN.decompose``
            takes it, instead of with one draw. How the sources vary with z is then for the latent loss alone to teach,
            and the spread over draws can mean something; one draw by itself is less alike.
        second_source: share of the second source in the decomposition loss; ½ as published. More where it is the
            harder one to take out.
    """

    similarity: float = 0.8
    fusion: float = 0.4
    latent: float = 0.001
    latent_loss: LatentLoss = "likelihood"
    image_bits: int = 11
    mirrored: bool = True
    second_source: float = 0.5

    def __post_init__(self) -> None:
        shares = (self.similarity, self.fusion, self.second_source)
        if not (all(0 <= share <= 1 for share in shares) and 0 <= self.latent < math.inf):
            raise ConfigurationError(
                "The loss weights similarity, fusion and second_source are shares in [0, 1] and latent is finite and "
                f"at least 0, not {self.similarity}, {self.fusion}, {self.second_source} and {self.latent}."
            )
        if self.latent_loss not in get_args(LatentLoss):
            raise ConfigurationError(f"There is no latent loss {self.latent_loss!r}; use likelihood or multiscale-mmd.")
        if not 0 <= self.image_bits <= 24:
            raise ConfigurationError(f"Images are rounded to 1 to 24 bits, or 0 for not, not to {self.image_bits}.")


def dissimilarity(images: Tensor, sources: Tensor, similarity: float) -> Tensor:
    """λ · mean(1 − SSIM) + (1 − λ) · mean squared error, averaged over both sources (official code, inn_train.py).

    Args:
        images: (batch, channels, rows, columns).
        sources: same shape.
        similarity: λ.
    """
    structure = 1 - structural_similarity(images, sources).mean()
    return similarity * structure + (1 - similarity) * torch.mean((images - sources) ** 2)


def negative_log_likelihood(z: Tensor, log_determinant: Tensor) -> Tensor:
    """Negative log-likelihood of z under N(0, 1) with the change of volume, in nats per pixel of z.

    ½ z² + ½ log 2π − log |det J| / pixels. Unlike the official multiscale MMD it tells N(5, 1) from N(0, 1).

    Args:
        z: (batch, 1, rows, columns).
        log_determinant: (batch,).
    """
    pixels = z[0].numel()
    return (0.5 * z.square()).mean() + 0.5 * math.log(2 * math.pi) - log_determinant.mean() / pixels


def multiscale_mmd(z: Tensor, target: Tensor) -> Tensor:
    """Maximum mean discrepancy of whole slices with inverse multiquadric kernels, as the official code computes it.

    mean over pairs of Σ_a a²/(a² + ‖x − x′‖²) + the same for y − 2 × the same for x and y, a = .05, .2, .9. Distances
    in as many dimensions as a slice has pixels are so large that only each slice's distance to itself, zero, counts:
    the value is 6 / batch whatever z is. Kept for comparison with the published model.

    Args:
        z: (batch, 1, rows, columns).
        target: draws from the prior, same shape.
    """
    x, y = z.flatten(1), target.flatten(1)
    of_x, of_y, between = x @ x.T, y @ y.T, x @ y.T
    # Squares from the same products: else a slice's distance to itself is a rounding error, which the kernels,
    # narrower than that, would blow up.
    squares_x, squares_y = of_x.diagonal(), of_y.diagonal()

    def kernels(squares_a: Tensor, squares_b: Tensor, products: Tensor) -> Tensor:
        distances = squares_a[:, None] + squares_b[None] - 2 * products
        return sum((width**2 / (width**2 + distances) for width in BANDWIDTHS), torch.zeros_like(distances))

    same = kernels(squares_x, squares_x, of_x) + kernels(squares_y, squares_y, of_y)
    return (same - 2 * kernels(squares_x, squares_y, between)).mean()
