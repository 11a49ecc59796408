"""FusionINN: two source slices to a fused slice and a latent slice, by one invertible network.

Kumar et al., "FusionINN: Invertible Image Fusion for Brain Tumor Monitoring"; official code nish03/FusionINN,
``inn_train.py``. Where paper and code disagree the preset ``paper`` follows the code. The preset ``default`` drops the
ReLU at the end of each subnetwork (with it every block can only expand), starts as an interlacing of both sources
instead of a random mixture, and goes backwards from logit(image) instead of from the image itself.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.flows import (
    ActNorm,
    AffineCoupling,
    InvertibleLayer,
    InvertibleSequence,
    Permutation,
    Squeeze,
    Unsqueeze,
)
from InvertibleFusionLib.models.two_convolutions import TwoConvolutions

Prior = Literal["normal", "uniform", "zero", "one"]

INTERLACED = [0, 5, 6, 3, 4, 1, 2, 7]
"""Squeezed channels are (source, row parity, column parity): sources change places where the parities differ."""

LOGIT_MARGIN = 1e-6
"""The image alone is read as if it lay in [margin, 1 − margin]; sigmoid saturates beyond in float32."""


@dataclass(frozen=True)
class FusionINNConfiguration:
    """Everything that determines the network but its weights.

    Attributes:
        blocks: coupling blocks, k of the paper; every second one works on 2×2 squeezed channels.
        hidden: hidden channels of the subnetworks at full resolution.
        hidden_squeezed: hidden channels at half resolution.
        clamp: bound of the log-scale in the couplings.
        final_relu: whether the subnetworks end in a ReLU, as in the official code.
        start_as_identity: whether the last convolutions start at zero.
        backwards_from: what the reverse pass gets for the fused image when there is no latent: its "logit" (the value
            the forward pass gave), or the "image" itself, followed by a sigmoid on the decomposed slices (the code).
        prior: distribution of z for the decomposition from the image alone.
        permutation: between the blocks. "random" is a seeded random order, as published. "interlaced" swaps two
            channels, and of eight squeezed ones those of every second pixel, so that the fused image starts as a
            chessboard of both sources whose contrast training then lowers. Random orders start as uneven mixtures.
        permutation_seed: of the random orders.
    """

    blocks: int = 3
    hidden: int = 32
    hidden_squeezed: int = 64
    clamp: float = 2.0
    final_relu: bool = False
    start_as_identity: bool = True
    backwards_from: Literal["logit", "image"] = "logit"
    prior: Prior = "normal"
    permutation: Literal["interlaced", "random"] = "interlaced"
    permutation_seed: int = 0

    def __post_init__(self) -> None:
        if min(self.blocks, self.hidden, self.hidden_squeezed) < 1:
            raise ConfigurationError("FusionINN needs at least one block and one hidden channel.")
        if self.clamp <= 0:
            raise ConfigurationError(f"The clamp must be positive, not {self.clamp}.")
        for name, value, known in (
            ("prior", self.prior, get_args(Prior)),
            ("backwards_from", self.backwards_from, ("logit", "image")),
            ("permutation", self.permutation, ("interlaced", "random")),
        ):
            if value not in known:
                raise ConfigurationError(f"There is no {name} {value!r}; use {' or '.join(known)}.")

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready data, for the model's card."""
        return asdict(self)


PRESETS = {
    "default": FusionINNConfiguration(),
    "paper": FusionINNConfiguration(
        final_relu=True, start_as_identity=False, backwards_from="image", permutation="random"
    ),
}


class FusionINN(nn.Module):
    """The network f with [y, z] = f(x1, x2); the fused image is sigmoid(y), the latent is (y, z).

    Slices are (batch, 2, rows, columns) with even rows and columns, in the numbers of the model's intensity scale.
    """

    sources = 2
    multiple = 2

    def __init__(self, configuration: FusionINNConfiguration = PRESETS["default"], seed: int = 0) -> None:
        super().__init__()
        self.configuration = configuration
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.flow = InvertibleSequence(_layers(configuration))

    def forward(self, sources: Tensor) -> Tensor:
        """Sources (x1, x2) to the latent (y, z), both (batch, 2, rows, columns)."""
        latent: Tensor = self.flow(sources)
        return latent

    def inverse(self, latent: Tensor) -> Tensor:
        """The latent (y, z) to the sources (x1, x2): the true inverse, exact up to arithmetic."""
        return self.flow.inverse(latent)

    def image(self, latent: Tensor) -> Tensor:
        """The fused image sigmoid(y) in [0, 1], shape (batch, 1, rows, columns)."""
        return torch.sigmoid(latent[:, :1])

    def sources_from_image(self, image: Tensor, z: Tensor) -> Tensor:
        """Sources as the fused image alone tells them, with a z from the prior in place of the lost one.

        Args:
            image: (batch, 1, rows, columns) in [0, 1].
            z: same shape.

        Returns:
            (batch, 2, rows, columns).
        """
        if self.configuration.backwards_from == "image":
            return torch.sigmoid(self.flow.inverse(torch.cat((image, z), dim=1)))
        logit = torch.logit(image, eps=LOGIT_MARGIN)
        return self.flow.inverse(torch.cat((logit, z), dim=1))

    def decompose(
        self, image: Tensor, latent: Tensor | None = None, samples: int = 1, seeds: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Take fused images apart.

        With a latent: the true inverse of (y, z); the image is not read. Without: mean and standard deviation of the
        sources over ``samples`` draws of z, from the image alone. Every second draw mirrors the one before (antithetic
        variates, Hammersley and Morton 1956): what depends on z linearly, nearly everything here, leaves the mean.

        Args:
            image: (batch, 1, rows, columns) in [0, 1].
            latent: (batch, 2, rows, columns) or None.
            samples: draws of z, at least 1.
            seeds: one for each image of the batch, so that a result does not depend on how slices are batched;
                0, 1, 2 … by default.

        Returns:
            The sources, (batch, 2, rows, columns), and their spread, None on the exact way or for a single draw.
        """
        if latent is not None:
            return self.inverse(latent), None
        prior = self.configuration.prior
        generators = [torch.Generator().manual_seed(seed) for seed in (seeds or range(len(image)))]
        mean = squares = torch.zeros_like(image).repeat(1, 2, 1, 1)
        z = torch.empty(0)
        for sample in range(1, samples + 1):
            if sample % 2:
                draws = [sample_prior(prior, tuple(image.shape[1:]), generator) for generator in generators]
                z = torch.stack(draws).to(image)
            else:
                z = mirrored(prior, z)
            drawn = self.sources_from_image(image, z)
            # Welford's running moments: no cancellation, and memory does not grow with the samples.
            change = drawn - mean
            mean = mean + change / sample
            squares = squares + change * (drawn - mean)
        # The mean of mirrored pairs is no estimate from the same draws: it costs the spread no degree of freedom.
        degrees = samples - samples % 2
        return mean, (squares / degrees).sqrt() if samples > 1 else None


def sample_prior(prior: Prior, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A draw of z on the CPU, the same for the same generator whatever the device that uses it."""
    if prior == "normal":
        return torch.randn(shape, generator=generator)
    if prior == "uniform":
        return torch.rand(shape, generator=generator)
    return torch.full(shape, 1.0 if prior == "one" else 0.0)


def mirrored(prior: Prior, z: Tensor) -> Tensor:
    """The draw on the other side of the prior's centre, as likely as z."""
    if prior == "normal":
        return -z
    return 1 - z if prior == "uniform" else z


def _layers(configuration: FusionINNConfiguration) -> list[InvertibleLayer]:
    """ActNorm, then blocks at full and half resolution in turn with a permutation between them; none after the last."""
    generator = torch.Generator().manual_seed(configuration.permutation_seed)
    layers: list[InvertibleLayer] = [ActNorm(2)]
    for block in range(configuration.blocks):
        squeezed = block % 2 == 1
        channels = 8 if squeezed else 2
        hidden = configuration.hidden_squeezed if squeezed else configuration.hidden
        layers += [Squeeze()] if squeezed else []
        layers += [AffineCoupling(channels, _Subnetworks(configuration, hidden), configuration.clamp)]
        layers += [_permutation(configuration, channels, generator)] if block < configuration.blocks - 1 else []
        layers += [Unsqueeze()] if squeezed else []
    return layers


def _permutation(configuration: FusionINNConfiguration, channels: int, generator: torch.Generator) -> Permutation:
    if configuration.permutation == "random":
        return Permutation.random(channels, generator)
    return Permutation([1, 0] if channels == 2 else INTERLACED)


@dataclass(frozen=True)
class _Subnetworks:
    """Makes the two-convolution networks of one block."""

    configuration: FusionINNConfiguration
    hidden: int

    def __call__(self, channels_in: int, channels_out: int) -> nn.Sequential:
        network = TwoConvolutions(channels_in, self.hidden, channels_out, self.configuration.final_relu)
        if self.configuration.start_as_identity:
            network.start_at_zero()
        return network
