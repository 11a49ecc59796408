"""What a fusion model is: a network that fulfils the contract, and its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from InvertibleFusionLib.models.card import ModelCard


class FusionNetwork(Protocol):
    """An invertible network that fuses slices, (batch, sources, rows, columns), into an image and a latent.

    Attributes:
        sources: how many sources it takes; also the components of its latent.
        multiple: rows and columns must be multiples of this.
    """

    sources: int
    multiple: int

    def __call__(self, sources: Tensor, /) -> Any:
        """Sources to the latent, same shape."""

    def inverse(self, latent: Tensor, /) -> Tensor:
        """Latent to the sources, exactly."""

    def image(self, latent: Tensor, /) -> Tensor:
        """Latent to the fused image, (batch, 1, rows, columns), in [0, 1]."""

    def decompose(
        self, image: Tensor, latent: Tensor | None = None, samples: int = 1, seeds: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Mean and spread of the sources, from the image alone or exactly from the latent."""

    def state_dict(self) -> Mapping[str, Any]:
        """The weights by name."""


@dataclass(frozen=True)
class Model:
    """A network ready to use.

    Attributes:
        network: in evaluation mode, on the CPU, float32.
        card: its description.
        sha256: of the model file; of the weights for a model that was never in a file.
    """

    network: FusionNetwork
    card: ModelCard
    sha256: str
