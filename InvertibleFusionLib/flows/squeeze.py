"""Trading resolution for channels, and back."""

from torch import Tensor
from torch.nn import functional

from InvertibleFusionLib.flows.layer import InvertibleLayer, no_volume_change


class Squeeze(InvertibleLayer):
    """2×2 neighbours become four channels: (batch, c, 2h, 2w) → (batch, 4c, h, w).

    Bit-identical to FrEIA's IRevNetDownsampling, and to ``pixel_unshuffle``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return squeeze(x)

    def inverse(self, y: Tensor) -> Tensor:
        return functional.pixel_shuffle(y, 2)

    def forward_and_log_determinant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return squeeze(x), no_volume_change(x)


class Unsqueeze(InvertibleLayer):
    """The inverse of ``Squeeze``: (batch, 4c, h, w) → (batch, c, 2h, 2w)."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(x, 2)

    def inverse(self, y: Tensor) -> Tensor:
        return squeeze(y)

    def forward_and_log_determinant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.forward(x), no_volume_change(x)


def squeeze(x: Tensor) -> Tensor:
    """2×2 neighbours to channels.

    Raises:
        ValueError: for an odd number of rows or columns; pad the slices first (``volumes.slices``).
    """
    rows, columns = x.shape[2:]
    if rows % 2 or columns % 2:
        raise ValueError(
            f"A squeeze needs even numbers of rows and columns, not {rows}×{columns}; pad the slices first."
        )
    return functional.pixel_unshuffle(x, 2)
