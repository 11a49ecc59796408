"""iVAN: source slices to target slices by one invertible network, whatever their numbers, by variable augmentation.

Wang et al., "Variable Augmented Network for Invertible Modality Synthesis-Fusion"; official code yqx7150/iVAN. Images
are copied until both sides have the same number of channels, and the copies that come out are averaged. Where paper
and code disagree the preset ``paper`` follows the code, and the paper where the code has nothing: more than two
channels. The preset ``default`` splits the channels into halves and starts as the identity; ``small`` is the same with
half the blocks and narrow networks, 1/28 of the work, for a laptop's CPU. More ``copies`` than needed are ours.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.flows import EnhancedCoupling, InvertibleConvolution, InvertibleLayer, InvertibleSequence
from InvertibleFusionLib.models.dense_block import DenseBlock

Split = Literal["halves", "one"]


@dataclass(frozen=True)
class IvanConfiguration:
    """Everything that determines the network but its weights.

    Attributes:
        inputs: channels of each source image: 1 for grey, 3 for RGB.
        outputs: channels of each target image.
        copies: how many times the least number of channels is taken, 1 as published. Between the networks of a coupling
            a voxel is a number for each channel of a half: of two channels one, of which everything has to be found
            anew. (In the paper's table VI PET is better from six channels than from three, but T2 is added there, too.)
        blocks: each is a 1×1 convolution and a coupling.
        growth: feature maps that each convolution of a dense block adds.
        clamp: bound of the log-scale in the couplings.
        split: of the channels in the couplings: in "halves" as the paper draws it, or "one" and the others as in the
            official code.
        start_as_identity: whether the last convolution of each dense block starts at zero and the 1×1 convolutions as
            the identity, so that targets start as the mean of sources. Otherwise Xavier's normal distribution for
            all, as in the official code, and random rotations.
    """

    inputs: tuple[int, ...] = (1, 1)
    outputs: tuple[int, ...] = (1,)
    copies: int = 1
    blocks: int = 8
    growth: int = 32
    clamp: float = 0.8
    split: Split = "halves"
    start_as_identity: bool = True

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            images = tuple(getattr(self, name))  # JSON has lists
            if not images or not set(images) <= {1, 3}:
                raise ConfigurationError(f"iVAN's {name} are images of 1 channel (grey) or 3 (RGB), not {images}.")
            object.__setattr__(self, name, images)
        if min(self.copies, self.blocks, self.growth) < 1:
            raise ConfigurationError("iVAN needs at least one block, a growth of one and one copy of its channels.")
        if self.clamp <= 0:
            raise ConfigurationError(f"The clamp must be positive, not {self.clamp}.")
        if self.split not in get_args(Split):
            raise ConfigurationError(f"There is no split {self.split!r}; use {' or '.join(get_args(Split))}.")

    @property
    def channels(self) -> int:
        """Of the flow: ``copies`` times the least number, at least 2, that both sides can be tiled to."""
        least = math.lcm(sum(self.inputs), sum(self.outputs))
        return self.copies * max(least, 2)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready data, for the model's card."""
        return {**asdict(self), "inputs": list(self.inputs), "outputs": list(self.outputs)}


PRESETS = {
    "default": IvanConfiguration(),
    "paper": IvanConfiguration(split="one", start_as_identity=False),
    "small": IvanConfiguration(blocks=4, growth=8),
}
"""For two grey sources and one grey target; ``dataclasses.replace(preset, inputs=…, outputs=…)`` for others."""


class Ivan(nn.Module):
    """The network f with Y = f(X); X are the tiled sources, Y is the full output, the latent.

    Channel c of X is channel c mod n of the sources and channel c of Y a copy of channel c mod m of the targets, as
    in the paper: X = (T1, T2, T1, T2, T1, T2) and Y = (R, G, B, R, G, B) for T1 + T2 → PET in colour. The copies in Y
    are equal only as far as training made them so; what tells the sources apart travels in their differences.

    Slices are (batch, channels, rows, columns) of any size, in the numbers of the model's intensity scale.

    Attributes:
        inputs: channels of each source.
        outputs: channels of each target.
        channels: of X and of the latent.
    """

    multiple = 1

    def __init__(self, configuration: IvanConfiguration = PRESETS["default"], seed: int = 0) -> None:
        super().__init__()
        self.configuration = configuration
        self.inputs = configuration.inputs
        self.outputs = configuration.outputs
        self.channels = configuration.channels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.flow = InvertibleSequence(_layers(configuration, torch.Generator().manual_seed(seed)))

    def forward(self, sources: Tensor) -> Tensor:
        """Sources (batch, n, rows, columns) to the latent (batch, channels, rows, columns)."""
        latent: Tensor = self.flow(self.tile(sources))
        return latent

    def images(self, latent: Tensor) -> Tensor:
        """Targets (batch, m, rows, columns) in [0, 1]: the mean over the copies of each, clamped."""
        return self.mean_of_copies(latent).clamp(0, 1)

    def mean_of_copies(self, latent: Tensor) -> Tensor:
        """``images`` before they are clamped, (batch, m, rows, columns): what training needs a gradient of."""
        return _mean_of_copies(latent, sum(self.outputs))

    def synthesize(self, sources: Tensor) -> Tensor:
        """Sources (batch, n, rows, columns) to targets (batch, m, rows, columns) in [0, 1]."""
        return self.images(self(sources))

    def inverse(self, latent: Tensor) -> Tensor:
        """The round trip: the network's own full output to the sources, exact up to arithmetic.

        Args:
            latent: (batch, channels, rows, columns), as ``forward`` gave it.

        Returns:
            The mean over the copies of each source, (batch, n, rows, columns).
        """
        return _mean_of_copies(self.flow.inverse(latent), sum(self.inputs))

    def sources_from_images(self, images: Tensor) -> Tensor:
        """Sources as the targets alone tell them: f⁻¹ of the tiled targets, whose copies do not differ.

        Args:
            images: targets (batch, m, rows, columns), synthetic or real.

        Returns:
            The mean over the copies of each source, (batch, n, rows, columns).
        """
        return self.inverse(self.tile(images))

    def tile(self, images: Tensor) -> Tensor:
        """Variable augmentation: sources or targets, all again and again, to (batch, channels, rows, columns)."""
        return images.repeat(1, self.channels // images.shape[1], 1, 1)


def _mean_of_copies(tiled: Tensor, images: int) -> Tensor:
    """The mean of channels c, c + images, c + 2·images … for every c < images."""
    copies = tiled.shape[1] // images
    return tiled.reshape(tiled.shape[0], copies, images, *tiled.shape[2:]).mean(1)


def _layers(configuration: IvanConfiguration, generator: torch.Generator) -> Sequence[InvertibleLayer]:
    """Blocks of a 1×1 convolution and then a coupling, in the order of the official code."""
    channels, first = configuration.channels, 1 if configuration.split == "one" else configuration.channels // 2
    layers: list[InvertibleLayer] = []
    for _ in range(configuration.blocks):
        layers += [
            InvertibleConvolution(channels, None if configuration.start_as_identity else generator),
            EnhancedCoupling(channels, _DenseBlocks(configuration), configuration.clamp, split=first),
        ]
    return layers


@dataclass(frozen=True)
class _DenseBlocks:
    """Makes the networks r, s and t of one coupling."""

    configuration: IvanConfiguration

    def __call__(self, channels_in: int, channels_out: int) -> "DenseBlock":
        block = DenseBlock(channels_in, channels_out, self.configuration.growth)
        if self.configuration.start_as_identity:
            last = block.last
            nn.init.zeros_(last.weight)
            nn.init.zeros_(cast(Tensor, last.bias))
            return block
        for convolution in (*block.grow, block.last):
            nn.init.xavier_normal_(convolution.weight)
            nn.init.zeros_(convolution.bias)
        return block
