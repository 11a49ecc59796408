"""Hi-Net: two contrasts to a third, by encoders of their own and a fusion at every scale.

Zhou et al., "Hi-Net: Hybrid-fusion Network for Multi-modal MR Image Synthesis" (IEEE TMI 2020); layers as in the
authors' code (taozh2017/HiNet, model/syn_model.py).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from InvertibleFusionLib.models.convolution_block import Activation, convolution_block
from InvertibleFusionLib.models.slice_padding import pad_by_reflection


class MixedFusion(nn.Module):
    """Features of both contrasts, as their sum, product and maximum, joined with what was fused before."""

    def __init__(self, channels: int, before: int, channels_out: int, activation: Activation) -> None:
        super().__init__()
        self.mix = _layer(3 * channels, channels, activation)
        self.join = _layer(channels + before, channels_out, activation)

    def forward(self, first: Tensor, second: Tensor, before: Tensor | None = None) -> Tensor:
        """Features of the same shape (batch, channels, rows, columns) each to (batch, channels out, ...)."""
        mixed = self.mix(torch.cat((first + second, first * second, torch.maximum(first, second)), dim=1))
        out: Tensor = self.join(mixed if before is None else torch.cat((mixed, before), dim=1))
        return out


class HiNet(nn.Module):
    """Two sources (batch, 2, rows, columns) to a third contrast (batch, 1, rows, columns) in [0, 1].

    Slices are mirrored at their end up to a multiple of 8, at least 16, and cropped back.
    """

    published_width = 32
    reduced_width = 8

    def __init__(self, width: int = published_width, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoders = nn.ModuleList(
                nn.ModuleList(_two_layers(*pair) for pair in ((1, width), (width, 2 * width), (2 * width, 4 * width)))
                for _ in range(2)
            )
            self.fusions = nn.ModuleList(
                (
                    MixedFusion(width, 0, 2 * width, "leaky_relu"),
                    MixedFusion(2 * width, 2 * width, 4 * width, "leaky_relu"),
                    MixedFusion(4 * width, 4 * width, 4 * width, "leaky_relu"),
                )
            )
            self.deepest = nn.Sequential(
                _layer(4 * width, 8 * width, "leaky_relu"), _layer(8 * width, 4 * width, "relu")
            )
            self.decoder = nn.ModuleList(
                (
                    MixedFusion(4 * width, 4 * width, 2 * width, "relu"),
                    MixedFusion(2 * width, 2 * width, width, "relu"),
                    MixedFusion(width, width, width, "relu"),
                )
            )
            self.ending = nn.Sequential(_layer(width, width, "relu"), nn.Conv2d(width, 1, 3, padding=1))
            self.reconstructions = nn.ModuleList(_reconstruction(width) for _ in range(2))

    def forward(self, sources: Tensor) -> Tensor:
        """The third contrast alone."""
        rows, columns = sources.shape[-2:]
        return self._synthesis(*self._encoded(sources))[..., :rows, :columns]

    def with_reconstructions(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """The third contrast and both sources as their encoders kept them, (batch, 2, rows, columns), for the loss."""
        rows, columns = sources.shape[-2:]
        encoded = self._encoded(sources)
        pairs = zip(self.reconstructions, encoded, strict=True)
        again = torch.cat([reconstruction(levels[-1]) for reconstruction, levels in pairs], dim=1)
        return self._synthesis(*encoded)[..., :rows, :columns], torch.sigmoid(again)[..., :rows, :columns]

    def _encoded(self, sources: Tensor) -> list[list[Tensor]]:
        """Of both contrasts, the halved features of the three scales."""
        encoded = []
        for features, encoder in zip(pad_by_reflection(sources, 8, 16).chunk(2, dim=1), self.encoders, strict=True):
            levels = []
            for level in encoder:  # type: ignore[attr-defined]
                features = functional.max_pool2d(level(features), 2)
                levels.append(features)
            encoded.append(levels)
        return encoded

    def _synthesis(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        fused = self.fusions[0](first[0], second[0])
        for level in (1, 2):
            fused = self.fusions[level](first[level], second[level], functional.max_pool2d(fused, 2))
        decoded = self.deepest(fused)
        for level, fusion in zip((2, 1, 0), self.decoder, strict=True):
            decoded = functional.interpolate(fusion(first[level], second[level], decoded), scale_factor=2)
        return torch.sigmoid(self.ending(decoded))


def _layer(channels_in: int, channels_out: int, activation: Activation) -> nn.Sequential:
    return convolution_block(channels_in, channels_out, 3, 1, activation=activation, normalization="batch")


def _two_layers(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        _layer(channels_in, channels_out, "leaky_relu"), _layer(channels_out, channels_out, "leaky_relu")
    )


def _reconstruction(width: int) -> nn.Sequential:
    """From the deepest features of one contrast back to it."""
    return nn.Sequential(
        _layer(4 * width, 4 * width, "relu"),
        nn.Upsample(scale_factor=2),
        _layer(4 * width, 4 * width, "relu"),
        _layer(4 * width, 2 * width, "relu"),
        nn.Upsample(scale_factor=2),
        _layer(2 * width, 2 * width, "relu"),
        _layer(2 * width, width, "relu"),
        nn.Upsample(scale_factor=2),
        _layer(width, width, "relu"),
        nn.Conv2d(width, 1, 3, padding=1),
    )
