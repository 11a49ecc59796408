"""Synthesis of a missing contrast by a GAN with disentangled features: any subset of the sources to the target.

Feature-disentanglement GAN for multi-modal MRI synthesis (sections II.A to II.D of its paper; no code was published).
Each source has an encoder for the information that all contrasts share; LAF mixes the sources to a pseudo-target, from
which a second encoder takes the target's own mean and standard deviation; the decoder joins both by AdaIN.

Where the paper is silent or contradicts itself a setting of the configuration says what is done. Three readings are
fixed by its figures: instance normalisation without parameters, two convolutions in a residual block, and linear
layers that end in a mean and a deviation for *each* AdaIN layer (8 → 4·base → 4·base → 2·layers·4·base). With the
latter the generator has the 21.2 M parameters that go with the paper's layers; one pair for all layers gives 20.3 M.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.adaptive_decoder import AdaptiveDecoder
from InvertibleFusionLib.models.content_box import content_box
from InvertibleFusionLib.models.convolution_block import Activation, Padding, multiply_adds_per_pixel
from InvertibleFusionLib.models.local_adaptive_fusion import FusionWeights, LocalAdaptiveFusion
from InvertibleFusionLib.models.presence import check_presence, without_missing
from InvertibleFusionLib.models.shared_encoder import CatConv, SharedEncoder
from InvertibleFusionLib.models.slice_padding import pad_by_reflection
from InvertibleFusionLib.models.specific_encoder import Deviation, SpecificEncoder

IntensityRange = Literal["zero_to_one", "minus_one_to_one"]

GRIDS = (1, 2, 4, 8, 16)
"""The paper's numbers of blocks on a side."""
MARGIN = 24
"""Of air around the content that the network sees with ``crop_to_content``: of 8, 16, 24 and 32 rows and columns this
gave the best PSNR and SSIM of the shipped model on three of its training patients taken together. On one of them alone
8 and 16 were better."""
SMALLEST = 64
"""Rows and columns that it sees at least. Below that images flickered where a head ends: on that patient they changed
twice as much from slice to slice as the scan there, with 64 less than it."""


@dataclass(frozen=True)
class DisentangledGANConfiguration:
    """Everything that determines the generator but its weights.

    Attributes:
        sources: number of source contrasts, M of the paper.
        base_channels: channels after the first convolution; the encoders end with four times as many.
        residual_blocks: in each shared encoder, and in the decoder.
        grid: blocks of LAF on each side, 1, 2, 4, 8 or 16. Two, the paper's best, for slices of any size.
        fusion_weights: of LAF, "blocks" as published, or "seamless", which leaves no edges between the blocks.
        start_as_mean: whether the pseudo-target starts as the mean of the sources. The paper does not say; from random
            weights, which may be negative, it starts as an image of no contrast at all.
        specific_channels: of the specific encoder's convolutions, in multiples of base_channels. The paper gives five
            modules without their widths; these stop growing where the shared encoder does.
        specific_features: numbers that describe the target's look (the paper's 8).
        deviation: of the specific encoder. The paper calls the linear layers' output a standard deviation, though
            nothing keeps it above zero: "unbounded". "positive" makes it one, and starts it at 1.
        activation: section II.A of the paper says ReLU, section II.D LeakyReLU with slope 0.2 "in each layer". The
            latter is the default: it is the more definite of the two, and no unit of it can die.
        padding: of the convolutions. The paper has a padding step but not its kind. Zeros, the default, are what lies
            around a head; transposed convolutions pad with zeros in any case.
        intensity_range: in which the encoders see the slices and the decoder ends; outside it is always [0, 1].
            "zero_to_one" ends in a sigmoid, "minus_one_to_one" in a tanh. The paper says neither; preset ``paper`` has
            the latter, usual for GANs of its time. In the former a background of 0 meets the padding without an edge.
        crop_to_content: whether a model in use gets of each slice the content with a margin of air, and leaves 0
            around it. The instance normalizations see all that the network gets: otherwise the same head becomes
            darker in a larger field of view. Off in ``paper``, whose slices were all alike, and where a model's card
            does not know this setting.
    """

    sources: int = 2
    base_channels: int = 64
    residual_blocks: int = 4
    grid: int = 2
    fusion_weights: FusionWeights = "seamless"
    start_as_mean: bool = True
    specific_channels: Sequence[int] = (1, 2, 4, 4, 4)
    specific_features: int = 8
    deviation: Deviation = "positive"
    activation: Activation = "leaky_relu"
    padding: Padding = "zeros"
    intensity_range: IntensityRange = "zero_to_one"
    crop_to_content: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "specific_channels", tuple(self.specific_channels))  # JSON knows lists only
        if min(self.sources, self.base_channels, self.residual_blocks, self.specific_features) < 1:
            raise ConfigurationError("The GAN needs at least one source, channel, residual block and feature.")
        if not self.specific_channels or min(self.specific_channels) < 1:
            raise ConfigurationError(
                f"The specific encoder needs channels in each of its layers, not {self.specific_channels}."
            )
        for name, value, known in (
            ("grid", self.grid, GRIDS),
            ("fusion_weights", self.fusion_weights, get_args(FusionWeights)),
            ("deviation", self.deviation, get_args(Deviation)),
            ("activation", self.activation, get_args(Activation)),
            ("padding", self.padding, get_args(Padding)),
            ("intensity_range", self.intensity_range, get_args(IntensityRange)),
        ):
            if value not in known:
                raise ConfigurationError(f"There is no {name} {value!r}; use {', '.join(map(str, known))}.")

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready data, for the model's card."""
        return {**asdict(self), "specific_channels": list(self.specific_channels)}


PRESETS = {
    "default": DisentangledGANConfiguration(crop_to_content=True),
    "paper": DisentangledGANConfiguration(
        fusion_weights="blocks", start_as_mean=False, deviation="unbounded", intensity_range="minus_one_to_one"
    ),
    "small": DisentangledGANConfiguration(base_channels=24, crop_to_content=True),
}
"""``small`` is for shipping: up to three sources it fits into 8 MB in half precision."""


@dataclass(frozen=True)
class Synthesis:
    """What the generator made, and on what grounds.

    Attributes:
        image: the synthetic slice, (batch, 1, rows, columns), in [0, 1].
        pseudo_target: LAF's mixture of the sources, same shape, unbounded.
        mean: Ξ′ of each AdaIN layer, (batch, layers, channels).
        standard_deviation: Δ′, same shape.
    """

    image: Tensor
    pseudo_target: Tensor
    mean: Tensor
    standard_deviation: Tensor


class DisentangledGenerator(nn.Module):
    """The generator: sources (batch, sources, rows, columns), about [0, 1], to the target (batch, 1, rows, columns).

    Any number of rows and columns: slices are mirrored at their end up to a multiple of 4, at least 16, and cropped
    back. Any subset of the sources: content of a missing source never enters, its share in LAF and its features in
    Cat-Conv are zero, and those of the others are scaled by sources / present.

    With ``crop_to_content`` a slice's sources are cut to one box around what any of them shows, so that zeros around
    the head change nothing; the grid of LAF then divides the head, not the field of view. Only ``whole`` leaves slices
    as they are: what learns from crops needs it.
    """

    multiple = 1

    def __init__(self, configuration: DisentangledGANConfiguration = PRESETS["default"], seed: int = 0) -> None:
        super().__init__()
        self.configuration = configuration
        self.sources = configuration.sources
        self.inputs: tuple[int, ...] = (1,) * configuration.sources
        self.outputs: tuple[int, ...] = (1,)
        base, blocks = configuration.base_channels, configuration.residual_blocks
        look = (configuration.activation, configuration.padding)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.local_adaptive_fusion = LocalAdaptiveFusion(
                configuration.sources, configuration.grid, configuration.fusion_weights, configuration.start_as_mean
            )
            self.shared_encoders = nn.ModuleList(
                SharedEncoder(base, blocks, *look) for _ in range(configuration.sources)
            )
            self.cat_conv = CatConv(configuration.sources, 4 * base, configuration.padding)
            self.specific_encoder = SpecificEncoder(
                [base * factor for factor in configuration.specific_channels],
                configuration.specific_features,
                4 * base,
                2 * blocks,
                4 * base,
                configuration.deviation,
                *look,
            )
            self.decoder = AdaptiveDecoder(base, blocks, *look)

    def synthesize(self, sources: Tensor) -> Tensor:
        """All sources (batch, M, rows, columns) to the image (batch, 1, rows, columns) in [0, 1]."""
        image: Tensor = self(sources)
        return image

    def forward(self, sources: Tensor, present: Tensor | None = None) -> Tensor:
        """The synthetic slice alone; arguments and errors as for ``inspect``.

        Returns:
            (batch, 1, rows, columns) in [0, 1].
        """
        return self.inspect(sources, present).image

    def inspect(self, sources: Tensor, present: Tensor | None = None) -> Synthesis:
        """The synthetic slice with all that led to it.

        Args:
            sources: (batch, sources, rows, columns) in the numbers of the model's intensity scale, about [0, 1].
            present: (batch, sources) booleans, false where a source is missing; None when all are there.

        Returns:
            With ``crop_to_content`` image and pseudo-target are 0, which is air, outside the box around a slice's
            content; a slice without any content is taken whole.

        Raises:
            InferenceError: for another number of sources, or a slice of which none is present.
        """
        check_presence(sources, self.sources, present)
        if not self.configuration.crop_to_content:
            return self.whole(sources, present)
        one_by_one = [  # boxes differ in size
            self._of_content(sources[[number]], None if present is None else present[[number]])
            for number in range(len(sources))
        ]
        parts = ([getattr(one, part.name) for one in one_by_one] for part in fields(Synthesis))
        return Synthesis(*(torch.cat(part) for part in parts))

    def whole(self, sources: Tensor, present: Tensor | None = None) -> Synthesis:
        """``inspect`` of the slices as they are. Gradients flow through every part: LAF's loss needs them."""
        check_presence(sources, self.sources, present)
        sources = without_missing(sources, present)
        pseudo_target = self.local_adaptive_fusion(sources, present)
        mean, deviation = self.specific_encoder(self._as_seen(pseudo_target))
        seen = self._as_seen(sources)
        shared = [self._shared_features(seen, number, present) for number in range(self.sources)]
        decoded = self.decoder(self.cat_conv(shared, present), mean, deviation)
        rows, columns = sources.shape[-2:]
        return Synthesis(self._as_image(decoded[..., :rows, :columns]), pseudo_target, mean, deviation)

    def multiply_adds_per_pixel(self) -> int:
        """Multiply-adds of all convolutions for one pixel of a slice with all its sources.

        The linear layers and the 1×1 convolution behind the global mean run once a slice and are left out.
        """
        encoder = multiply_adds_per_pixel(self.shared_encoders[0].modules())
        once = (
            multiply_adds_per_pixel(self.cat_conv.modules(), scale=4)
            + multiply_adds_per_pixel(self.specific_encoder.convolutions.modules())
            + multiply_adds_per_pixel(self.decoder.modules(), scale=4)
        )
        return round(self.sources * (encoder + 1) + once)  # LAF: one for each source

    def _of_content(self, sources: Tensor, present: Tensor | None) -> Synthesis:
        """Of one slice, (1, sources, rows, columns): the network on the box around its content, put back."""
        box = content_box(without_missing(sources, present)[0], MARGIN, SMALLEST)
        if box is None:
            return self.whole(sources, present)
        made, size = self.whole(box.cut(sources), present), sources.shape[-2:]
        return replace(
            made, image=box.put_back(made.image, *size), pseudo_target=box.put_back(made.pseudo_target, *size)
        )

    def _shared_features(self, seen: Tensor, number: int, present: Tensor | None) -> Tensor:
        """Of one source, zero for slices that lack it: there its encoder need not run, which is much of the work."""
        encoder, source = self.shared_encoders[number], seen[:, [number]]
        if present is None:
            features: Tensor = encoder(source)
            return features
        there = present[:, number]
        rows, columns = source.shape[-2:]
        features = source.new_zeros(len(source), 4 * self.configuration.base_channels, rows // 4, columns // 4)
        if bool(there.any()):
            features[there] = encoder(source[there]).to(features)
        return features

    def _as_seen(self, slices: Tensor) -> Tensor:
        """Slices in the network's own range and of a size it can take."""
        if self.configuration.intensity_range == "minus_one_to_one":
            slices = 2 * slices - 1
        smallest = max(2 ** (len(self.configuration.specific_channels) - 1), 8)
        return pad_by_reflection(slices, 4, smallest)

    def _as_image(self, decoded: Tensor) -> Tensor:
        if self.configuration.intensity_range == "minus_one_to_one":
            return (torch.tanh(decoded) + 1) / 2
        return torch.sigmoid(decoded)
