"""The synthesis networks of others as a model: sources to targets, one way."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.baselines.hi_net import HiNet
from InvertibleFusionLib.models.baselines.monai_networks import UNet

SynthesizeBy = Literal["unet", "hi-net"]
NETWORKS: dict[str, Any] = {"unet": UNet, "hi-net": HiNet}


@dataclass(frozen=True)
class SynthesisBaselineConfiguration:
    """Everything that determines the network but its weights. pix2pix is a U-Net with an adversarial loss.

    Attributes:
        synthesize_by: which network. Hi-Net takes two grey sources and makes one grey target.
        inputs: channels of each source image: 1 for grey, 3 for RGB.
        outputs: channels of each target image.
        width: of its layers; 0, and what it becomes then, is the network's ``reduced_width``.
    """

    synthesize_by: SynthesizeBy
    inputs: tuple[int, ...] = (1, 1)
    outputs: tuple[int, ...] = (1,)
    width: int = 0

    def __post_init__(self) -> None:
        if self.synthesize_by not in get_args(SynthesizeBy):
            known = ", ".join(get_args(SynthesizeBy))
            raise ConfigurationError(f"There is no synthesis network {self.synthesize_by!r}; use {known}.")
        for name in ("inputs", "outputs"):
            images = tuple(getattr(self, name))  # JSON has lists
            if not images or not set(images) <= {1, 3}:
                raise ConfigurationError(f"The {name} are images of 1 channel (grey) or 3 (RGB), not {images}.")
            object.__setattr__(self, name, images)
        if self.synthesize_by == "hi-net" and (self.inputs, self.outputs) != ((1, 1), (1,)):
            raise ConfigurationError(
                f"Hi-Net makes one grey target from two grey sources, not {self.outputs} from {self.inputs}. Use unet."
            )
        if self.width < 0:
            raise ConfigurationError(f"The width is at least 1, or 0 for the reduced one, not {self.width}.")
        object.__setattr__(self, "width", self.width or NETWORKS[self.synthesize_by].reduced_width)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready data, for the model's card."""
        return {**asdict(self), "inputs": list(self.inputs), "outputs": list(self.outputs)}


class SynthesisBaseline(nn.Module):
    """Sources (batch, sum of inputs, rows, columns), about [0, 1], of any size, to targets in [0, 1]."""

    multiple = 1

    def __init__(self, configuration: SynthesisBaselineConfiguration, seed: int = 0) -> None:
        super().__init__()
        self.configuration = configuration
        self.inputs = configuration.inputs
        self.outputs = configuration.outputs
        make: Callable[..., nn.Module] = NETWORKS[configuration.synthesize_by]
        channels = {} if make is HiNet else {"sources": sum(self.inputs), "images": sum(self.outputs)}
        self.network = make(**channels, width=configuration.width, seed=seed)

    def forward(self, sources: Tensor) -> Tensor:
        """Sources to targets (batch, sum of outputs, rows, columns)."""
        made: Tensor = self.network(sources)
        return made

    def synthesize(self, sources: Tensor) -> Tensor:
        """Sources to targets (batch, sum of outputs, rows, columns) in [0, 1]."""
        made: Tensor = self(sources)
        return made

    def with_reconstructions(self, sources: Tensor) -> tuple[Tensor, Tensor | None]:
        """Targets, and the sources as Hi-Net's encoders kept them, for its loss; None for other networks."""
        if isinstance(self.network, HiNet):
            return self.network.with_reconstructions(sources)
        return self(sources), None
