"""Discriminator of the disentangled GAN: do these sources and this target belong together?

Feature-disentanglement GAN for multi-modal MRI synthesis, section II.B: five convolution blocks, 64 channels after
the first and twice as many after each further one, batch normalisation, LeakyReLU 0.2, one number at the end.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.convolution_block import Normalization, convolution_block
from InvertibleFusionLib.models.presence import check_presence, without_missing
from InvertibleFusionLib.models.slice_padding import pad_by_reflection

Verdict = Literal["image", "patches"]


@dataclass(frozen=True)
class DiscriminatorConfiguration:
    """Everything that determines the discriminator but its weights.

    Attributes:
        sources: number of source contrasts; the target is one channel more.
        base_channels: channels after the first block.
        blocks: convolutions of stride 2, each doubling the channels. The paper's five can be read as five such blocks
            (11.2 M parameters) or as four and a last convolution to the verdict (2.8 M). The default takes the
            smaller: with a generator of 21 M and few patients the larger one soon knows every training slice.
        kernel: of the blocks. The paper does not say; 4, as in its encoders, leaves no pixel out at stride 2.
        normalization: "batch" as published, "instance" for batches of a slice or two, or "none".
        verdict: "image" = one number for a slice, the mean over all places, as in the paper's "binary classification";
            "patches" = one for each place, which tells the generator where it was found out (the default).
    """

    sources: int = 2
    base_channels: int = 64
    blocks: int = 4
    kernel: Literal[3, 4] = 4
    normalization: Normalization = "batch"
    verdict: Verdict = "patches"

    def __post_init__(self) -> None:
        if min(self.sources, self.base_channels, self.blocks) < 1:
            raise ConfigurationError("The discriminator needs at least one source, channel and block.")
        for name, value, known in (
            ("kernel", self.kernel, (3, 4)),
            ("normalization", self.normalization, get_args(Normalization)),
            ("verdict", self.verdict, get_args(Verdict)),
        ):
            if value not in known:
                raise ConfigurationError(f"There is no {name} {value!r}; use {', '.join(map(str, known))}.")

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready data."""
        return asdict(self)


DISCRIMINATOR_PRESETS = {
    "default": DiscriminatorConfiguration(),
    "paper": DiscriminatorConfiguration(blocks=5, verdict="image"),
    "small": DiscriminatorConfiguration(base_channels=24),
}


class Discriminator(nn.Module):
    """Sources and a target to a logit: positive for a true target, negative for a synthetic one.

    The paper's sigmoid is left to the loss, where it can be computed without overflow (cross-entropy with logits), and
    which may be another one: the paper's equation 4 has 1 − log D where the GAN it cites has log(1 − D). Slices of any
    size are mirrored at their end until two rows and two columns are left behind the last block.
    """

    def __init__(
        self, configuration: DiscriminatorConfiguration = DISCRIMINATOR_PRESETS["default"], seed: int = 0
    ) -> None:
        super().__init__()
        self.configuration = configuration
        channels = [configuration.base_channels * 2**block for block in range(configuration.blocks)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                *(
                    convolution_block(
                        channels_in,
                        channels_out,
                        configuration.kernel,
                        2,
                        activation="leaky_relu",
                        # The first block sees the slices themselves, whose grey scale is part of the question.
                        normalization="none" if block == 0 else configuration.normalization,
                    )
                    for block, (channels_in, channels_out) in enumerate(
                        zip([configuration.sources + 1, *channels], channels, strict=False)
                    )
                ),
                nn.Conv2d(channels[-1], 1, 1),
            )

    def forward(self, sources: Tensor, target: Tensor, present: Tensor | None = None) -> Tensor:
        """Judge.

        Args:
            sources: (batch, sources, rows, columns), about [0, 1].
            target: true or synthetic, (batch, 1, rows, columns).
            present: (batch, sources) booleans, false where a source is missing, whose content is then not read.

        Returns:
            Logits, (batch, 1, rows′, columns′), one for each patch; (batch, 1, 1, 1) with ``verdict="image"``.

        Raises:
            InferenceError: for another number of sources, or a slice of which none is present.
        """
        check_presence(sources, self.configuration.sources, present)
        seen = torch.cat((without_missing(sources, present), target), dim=1)
        halvings = 2**self.configuration.blocks
        logits: Tensor = self.layers(pad_by_reflection(seen, halvings, 2 * halvings))
        return logits.mean(dim=(-2, -1), keepdim=True) if self.configuration.verdict == "image" else logits
