"""What fusing and synthesizing share: filling images and a latent slice by slice, and whether these go back exactly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.errors import InferenceError
from InvertibleFusionLib.inference.slice_engine import Outputs
from InvertibleFusionLib.inference.sources import PreparedSources
from InvertibleFusionLib.models.model import InvertibleFusionNetwork, InvertibleSynthesisNetwork
from InvertibleFusionLib.volumes.slices import split_channels

EXACT_SHARE = 1e-5
"""What "exact" promises: the largest error as a share of the source's range."""


def image_and_latent(
    network: InvertibleFusionNetwork | InvertibleSynthesisNetwork,
    image: Callable[[Tensor], Tensor],
    inputs: Tensor,
    go_back: bool,
) -> Outputs:
    """Image and latent of slices, and the sources again where asked for.

    Args:
        network: invertible.
        image: its method that makes the image from the latent.
        inputs: sources, (batch, channels, rows, columns).
        go_back: to see at once whether the sources come back.
    """
    # The latent is kept in float32: the image is that of the kept latent, and so is the way back.
    latent: Tensor = network(inputs).float().to(inputs.dtype)
    if go_back:
        return image(latent), latent, network.inverse(latent)
    return image(latent), latent


def far_out(inputs: Tensor, beyond: float) -> bool:
    """Whether scaled values, which are about 0 to 1, lie so far beyond that the way back may not be exact."""
    return float(inputs.abs().max()) > beyond


@dataclass
class ForwardResults:
    """Results while they are being filled.

    Attributes:
        prepared: the sources.
        images: one for each result, (k, j, i) or (k, j, i, 3).
        latent: (k, j, i, components), padded; None where the network has none.
        refused_from: the share of a source's range by which it may come back wrong at most.
        inexact: by number of each source that comes back wrong by more than ``EXACT_SHARE``, the worst: (error, slice).
    """

    prepared: PreparedSources
    images: list[NDArray[np.float32]]
    latent: NDArray[np.float32] | None
    refused_from: float = EXACT_SHARE
    inexact: dict[int, tuple[float, int]] = field(default_factory=dict)

    @classmethod
    def empty(
        cls,
        prepared: PreparedSources,
        components: Sequence[int],
        latent_components: int | None,
        refused_from: float = EXACT_SHARE,
    ) -> "ForwardResults":
        """Arrays of zeros for images of so many components each."""
        shape = tuple(reversed(prepared.stack.grid.size))
        images = [np.zeros(shape if count == 1 else (*shape, count), np.float32) for count in components]
        if latent_components is None:
            return cls(prepared, images, None, refused_from)
        padded = tuple(reversed(prepared.stack.padded_grid.size))
        return cls(prepared, images, np.zeros((*padded, latent_components), np.float32), refused_from)

    def store(self, index: int, outputs: list[NDArray[Any]]) -> None:
        """Put a slice's images, latent and recovered sources, as far as there are any, where they belong.

        Raises:
            InferenceError: when the recovered sources are not those that went in.
        """
        stack = self.prepared.stack
        components = [1 if image.ndim == 3 else image.shape[3] for image in self.images]
        for array, image in zip(self.images, split_channels(stack.crop(outputs[0]), components), strict=True):
            stack.slices(array)[index] = image
        if self.latent is not None:
            stack.slices(self.latent)[index] = np.moveaxis(outputs[1], 0, -1)
        if len(outputs) == 3:
            self._require_exact(index, outputs[2])

    def _require_exact(self, index: int, recovered: NDArray[Any]) -> None:
        """Refuse values so far out that the arithmetic loses the others on the way back."""
        volumes = self.prepared.volumes
        for number, back in enumerate(self.prepared.in_own_numbers(recovered, index)):
            volume = volumes[number]
            original = self.prepared.stack.slices(volume.array)[index].astype(np.float64)
            error = float(np.abs(back - original).max())
            extent = float(volume.array.max()) - float(volume.array.min())
            if error > EXACT_SHARE * extent:
                self.inexact[number] = max(self.inexact.get(number, (0.0, 0)), (error, index + 1))
            if error > self.refused_from * extent:
                extremes = {v.name: float(np.abs(v.array).max()) for v in volumes}
                raise InferenceError(
                    f"On slice {index + 1} {volume.name} would come back wrong by up to {error:.3g}: values lie so far "
                    f"outside what the model knows that the arithmetic drowns the others. The largest values are "
                    f"{', '.join(f'{value:.4g} in {name}' for name, value in extremes.items())}. Correct the outliers "
                    "in the source first."
                )
