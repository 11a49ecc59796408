"""Mixing channels: a fixed random order, or a learned 1×1 convolution."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from InvertibleFusionLib.flows.layer import InvertibleLayer, no_volume_change


class Permutation(InvertibleLayer):
    """A fixed order of the channels, y[:, c] = x[:, order[c]], stored with the weights.

    Args:
        order: a permutation of 0 … channels − 1.
    """

    order: Tensor
    inverse_order: Tensor

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        if sorted(order) != list(range(len(order))):
            raise ValueError(f"{list(order)} is not a permutation of {len(order)} channels.")
        self.register_buffer("order", torch.tensor(order, dtype=torch.long))
        self.register_buffer("inverse_order", torch.argsort(self.order), persistent=False)

    @classmethod
    def random(cls, channels: int, generator: torch.Generator) -> "Permutation":
        """A random order that is not the identity, which for two channels is half of all draws and mixes nothing."""
        while channels > 1:
            order = torch.randperm(channels, generator=generator).tolist()
            if order != sorted(order):
                return cls(order)
        return cls([0])

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.order]

    def inverse(self, y: Tensor) -> Tensor:
        return y[:, self.inverse_order]

    def forward_and_log_determinant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.forward(x), no_volume_change(x)

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        if sorted(self.order.tolist()) != list(range(len(self.order))):
            raise ValueError(f"{self.order.tolist()} is not a permutation of {len(self.order)} channels.")
        # Not stored a second time: it follows from the order that was just loaded.
        self.inverse_order = torch.argsort(self.order)


class InvertibleConvolution(InvertibleLayer):
    """A learned 1×1 convolution, W = P L (U + diag(±exp log_diagonal)) (Kingma and Dhariwal 2018, Glow, section 3.2).

    P and the signs stay fixed; L is unit lower, U strictly upper triangular. The inverse is solved in float64, since a
    nearly singular W loses digits in float32.

    Args:
        channels: of the input.
        generator: of the random rotation that W starts as; None starts as the identity.
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int, generator: torch.Generator | None) -> None:
        super().__init__()
        rotation = torch.eye(channels, dtype=torch.float64)
        if generator is not None:
            rotation = torch.linalg.qr(torch.randn(channels, channels, generator=generator, dtype=torch.float64))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.register_buffer("permutation", permutation.float())
        self.register_buffer("sign", diagonal.sign().float())
        self.lower = nn.Parameter(lower.tril(-1).float())
        self.upper = nn.Parameter(upper.triu(1).float())
        self.log_diagonal = nn.Parameter(diagonal.abs().log().float())

    @property
    def matrix(self) -> Tensor:
        """W, shape (channels, channels)."""
        identity = torch.eye(len(self.sign), dtype=self.lower.dtype, device=self.lower.device)
        lower = self.lower.tril(-1) + identity
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        return self.permutation @ lower @ upper

    def forward(self, x: Tensor) -> Tensor:
        return _mix(x, self.matrix)

    def inverse(self, y: Tensor) -> Tensor:
        # On the CPU, because not every accelerator has float64.
        return _mix(y, torch.linalg.inv(self.matrix.cpu().double()).to(y))

    def forward_and_log_determinant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pixels = x.shape[2] * x.shape[3]
        return self.forward(x), (self.log_diagonal.sum() * pixels).expand(x.shape[0])

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        places, identity = self.permutation.argmax(dim=1), torch.eye(len(self.sign)).to(self.permutation)
        if len(set(places.tolist())) < len(places) or not torch.equal(self.permutation, identity[places]):
            raise ValueError(f"{self.permutation.tolist()} is not a permutation of {len(places)} channels.")
        if not bool((self.sign.abs() == 1).all()):
            raise ValueError(f"{self.sign.tolist()} are not signs.")


def _mix(x: Tensor, matrix: Tensor) -> Tensor:
    return functional.conv2d(x, matrix[:, :, None, None])
