"""What a model is: a network that fulfils one of the contracts, and its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.card import ModelCard


@runtime_checkable
class FusionNetwork(Protocol):
    """A network that fuses slices, (batch, sources, rows, columns), into an image.

    Attributes:
        sources: how many sources it takes.
        multiple: rows and columns must be multiples of this.
    """

    sources: int
    multiple: int

    def __call__(self, sources: Tensor, /) -> Any:
        """Sources to the full output, same rows and columns."""

    def image(self, output: Tensor, /) -> Tensor:
        """Full output to the fused image, (batch, 1, rows, columns), in [0, 1]."""

    def state_dict(self) -> Mapping[str, Any]:
        """The weights by name."""


@runtime_checkable
class InvertibleFusionNetwork(FusionNetwork, Protocol):
    """A fusion network that also runs backwards. Its full output, the latent, has as many channels as sources."""

    def inverse(self, latent: Tensor, /) -> Tensor:
        """Latent to the sources, exactly."""

    def decompose(
        self, image: Tensor, latent: Tensor | None = None, samples: int = 1, seeds: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Mean and spread of the sources, from the image alone or exactly from the latent."""


@runtime_checkable
class SynthesisNetwork(Protocol):
    """A network that makes target slices from source slices.

    Images of one channel are grey, of three RGB; those of several sources or targets follow each other in the channels
    of a tensor.

    Attributes:
        inputs: channels of each source.
        outputs: channels of each target.
        multiple: rows and columns must be multiples of this.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    multiple: int

    def synthesize(self, sources: Tensor, /) -> Tensor:
        """Sources (batch, sum of inputs, rows, columns) to targets (batch, sum of outputs, rows, columns) in [0, 1]."""

    def state_dict(self) -> Mapping[str, Any]:
        """The weights by name."""


@runtime_checkable
class InvertibleSynthesisNetwork(SynthesisNetwork, Protocol):
    """A synthesis network that also runs backwards.

    Attributes:
        channels: of its full output, the latent, from which it goes back exactly.
    """

    channels: int

    def __call__(self, sources: Tensor, /) -> Any:
        """Sources to the latent (batch, channels, rows, columns)."""

    def images(self, latent: Tensor, /) -> Tensor:
        """Latent to targets; ``images(network(sources))`` is ``synthesize(sources)``."""

    def inverse(self, latent: Tensor, /) -> Tensor:
        """Latent to the sources, exactly: the round trip."""

    def sources_from_images(self, images: Tensor, /) -> Tensor:
        """Sources as the targets alone tell them."""


@runtime_checkable
class SubsetSynthesisNetwork(SynthesisNetwork, Protocol):
    """A synthesis network of grey images that does without some of its sources, and shows on what grounds."""

    def inspect(self, sources: Tensor, present: Tensor | None = None) -> Any:
        """Sources, and booleans (batch, sources) that say which are there, to the image with all that led to it.

        Returns:
            An object with image and pseudo_target, (batch, 1, rows, columns), mean and standard_deviation, (batch,
            layers, channels).
        """


@dataclass(frozen=True)
class Model:
    """A network ready to use.

    Attributes:
        network: in evaluation mode, on the CPU, float32.
        card: its description.
        sha256: of the model file; of the weights for a model that was never in a file.
    """

    network: FusionNetwork | SynthesisNetwork
    card: ModelCard
    sha256: str

    @property
    def source_channels(self) -> tuple[int, ...]:
        """Channels of each source: 1 for grey, 3 for RGB."""
        network = self.network
        return network.inputs if isinstance(network, SynthesisNetwork) else (1,) * network.sources

    @property
    def fusion_network(self) -> FusionNetwork:
        """The network of a fusion model.

        Raises:
            ConfigurationError: when the model does something else.
        """
        if not isinstance(self.network, FusionNetwork):
            raise ConfigurationError(f"{self._description}; it does not fuse. Use it with synthesize.")
        return self.network

    @property
    def invertible_fusion_network(self) -> InvertibleFusionNetwork:
        """The network of a fusion model that takes its images apart, too.

        Raises:
            ConfigurationError: when the model does not.
        """
        network = self.fusion_network
        if not isinstance(network, InvertibleFusionNetwork):
            raise ConfigurationError(
                f"{self._description}; its network cannot be run backwards, so that nothing it has fused can be taken "
                "apart. Take a FusionINN model where the way back matters."
            )
        return network

    @property
    def synthesis_network(self) -> SynthesisNetwork:
        """The network of a synthesis model.

        Raises:
            ConfigurationError: when the model does something else.
        """
        if not isinstance(self.network, SynthesisNetwork):
            raise ConfigurationError(f"{self._description}; it does not synthesize. Use it with fuse.")
        return self.network

    @property
    def invertible_synthesis_network(self) -> InvertibleSynthesisNetwork:
        """The network of a synthesis model that goes backwards, too.

        Raises:
            ConfigurationError: when the model does not.
        """
        network = self.synthesis_network
        if not isinstance(network, InvertibleSynthesisNetwork):
            raise ConfigurationError(
                f"{self._description}; its network cannot be run backwards. Take an iVAN model where the way back "
                "matters."
            )
        return network

    @property
    def subset_synthesis_network(self) -> SubsetSynthesisNetwork:
        """The network of a synthesis model that can do without some of its sources.

        Raises:
            ConfigurationError: when the model cannot.
        """
        network = self.synthesis_network
        if not isinstance(network, SubsetSynthesisNetwork):
            raise ConfigurationError(
                f"{self._description}; it needs all of them, and has no pseudo-target to show. Take a "
                "feature-disentanglement GAN for either."
            )
        return network

    @property
    def _description(self) -> str:
        card = self.card
        return f"The model {card.name} makes {' + '.join(card.outputs)} from {' + '.join(card.inputs)}"
