"""Activation normalization: a learned scale and bias per channel, set from the first batch."""

import torch
from torch import Tensor, nn

from InvertibleFusionLib.flows.layer import InvertibleLayer


class ActNorm(InvertibleLayer):
    """y = x · exp(log_scale) + bias, per channel (Kingma and Dhariwal 2018, Glow, section 3.1).

    Parametrized as in FrEIA 0.2. Starts as the identity; ``initialize`` makes a batch come out with mean 0 and
    standard deviation 1 in every channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.log_scale.exp() + self.bias

    def inverse(self, y: Tensor) -> Tensor:
        return (y - self.bias) * (-self.log_scale).exp()

    def forward_and_log_determinant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pixels = x.shape[2] * x.shape[3]
        return self.forward(x), (self.log_scale.sum() * pixels).expand(x.shape[0])

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Set scale and bias from a batch x (batch, channels, rows, columns).

        Raises:
            ValueError: when a channel is constant or the batch has fewer than two values per channel.
        """
        deviation = x.std(dim=(0, 2, 3), keepdim=True, correction=int(x[:, 0].numel() > 1))
        if not bool((deviation > 0).all()):
            raise ValueError("ActNorm cannot be initialized from a batch with a constant channel.")
        self.log_scale.copy_(-deviation.log())
        self.bias.copy_(-(x * self.log_scale.exp()).mean(dim=(0, 2, 3), keepdim=True))
        return self.forward(x)
