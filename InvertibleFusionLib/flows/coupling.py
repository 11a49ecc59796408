"""Coupling layers: one part of the channels is changed by an amount computed from the other part."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from InvertibleFusionLib.flows.layer import InvertibleLayer

Subnetwork = Callable[[int, int], nn.Module]
"""Makes a network from (input channels, output channels) that keeps rows and columns."""


def check_split(channels: int, split: int) -> None:
    """Both parts of a split need a channel.

    Raises:
        ValueError: when one has none.
    """
    if not 0 < split < channels:
        raise ValueError(f"A coupling of {channels} channels cannot be split into {split} and {channels - split}.")


class AffineCoupling(InvertibleLayer):
    """The affine coupling of Glow with a soft clamp, as in FrEIA's GLOWCouplingBlock (FusionINN, equation 1).

    v1 = u1 ⊙ exp s2(u2) + t2(u2), then v2 = u2 ⊙ exp s1(v1) + t1(v1). One subnetwork yields [s, t]; its s is softly
    clamped to clamp · 0.636 · atan(s), so that |s| < clamp whatever the input.

    Args:
        channels: of the input.
        subnetwork: makes the two networks.
        clamp: bound of the log-scale.
        split: channels of u1; half of them by default.
    """

    def __init__(self, channels: int, subnetwork: Subnetwork, clamp: float = 2.0, split: int | None = None) -> None:
        super().__init__()
        self.split = channels // 2 if split is None else split
        check_split(channels, self.split)
        rest = channels - self.split
        self.clamp = clamp
        self.subnet1 = subnetwork(self.split, 2 * rest)
        self.subnet2 = subnetwork(rest, 2 * self.split)

    def forward(self, x: Tensor) -> Tensor:
        return self._couple(x)[0]

    def inverse(self, y: Tensor) -> Tensor:
        v1, v2 = y[:, : self.split], y[:, self.split :]
        s1, t1 = self._scale_and_shift(self.subnet1, v1)
        u2 = (v2 - t1) * (-s1).exp()
        s2, t2 = self._scale_and_shift(self.subnet2, u2)
        return torch.cat(((v1 - t2) * (-s2).exp(), u2), dim=1)

    def forward_and_log_determinant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, s1, s2 = self._couple(x)
        return y, s1.sum(dim=(1, 2, 3)) + s2.sum(dim=(1, 2, 3))

    def _couple(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The output and the two log-scales."""
        u1, u2 = x[:, : self.split], x[:, self.split :]
        s2, t2 = self._scale_and_shift(self.subnet2, u2)
        v1 = torch.addcmul(t2, u1, s2.exp())
        s1, t1 = self._scale_and_shift(self.subnet1, v1)
        return torch.cat((v1, torch.addcmul(t1, u2, s1.exp())), dim=1), s1, s2

    def _scale_and_shift(self, network: nn.Module, passive: Tensor) -> tuple[Tensor, Tensor]:
        both = network(passive)
        half = both.shape[1] // 2
        return self.clamp * 0.636 * torch.atan(both[:, :half]), both[:, half:]


class EnhancedCoupling(InvertibleLayer):
    """iVAN's coupling, an additive half-step before the affine one (iVAN, equations 4 and 5).

    n1 = m1 + r(m2), then n2 = m2 ⊙ exp s(n1) + t(n1), with s = clamp · (2σ(·) − 1) as in the official code.

    Args:
        channels: of the input.
        subnetwork: makes r, s and t.
        clamp: bound of the log-scale; the official code has 0.8.
        split: channels of m1; half of them by default, 1 in the official code.
    """

    def __init__(self, channels: int, subnetwork: Subnetwork, clamp: float = 0.8, split: int | None = None) -> None:
        super().__init__()
        self.split = channels // 2 if split is None else split
        check_split(channels, self.split)
        rest = channels - self.split
        self.clamp = clamp
        self.r = subnetwork(rest, self.split)
        self.s = subnetwork(self.split, rest)
        self.t = subnetwork(self.split, rest)

    def forward(self, x: Tensor) -> Tensor:
        return self._couple(x)[0]

    def inverse(self, y: Tensor) -> Tensor:
        n1, n2 = y[:, : self.split], y[:, self.split :]
        m2 = (n2 - self.t(n1)) * (-self._log_scale(n1)).exp()
        return torch.cat((n1 - self.r(m2), m2), dim=1)

    def forward_and_log_determinant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, scale = self._couple(x)
        return y, scale.sum(dim=(1, 2, 3))

    def _couple(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output and the log-scale."""
        m1, m2 = x[:, : self.split], x[:, self.split :]
        n1 = m1 + self.r(m2)
        scale = self._log_scale(n1)
        return torch.cat((n1, torch.addcmul(self.t(n1), m2, scale.exp())), dim=1), scale

    def _log_scale(self, n1: Tensor) -> Tensor:
        return self.clamp * (2 * torch.sigmoid(self.s(n1)) - 1)
