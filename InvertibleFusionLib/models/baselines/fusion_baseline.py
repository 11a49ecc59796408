"""The fusion networks of others as a model: two sources to a fused image, one way."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.baselines.deepfuse import DeepFuse
from InvertibleFusionLib.models.baselines.funfusean import FunFuseAn
from InvertibleFusionLib.models.baselines.half_unet import HalfUNet
from InvertibleFusionLib.models.baselines.monai_networks import NestedUNet, UNet

FusionBy = Literal["deepfuse", "funfusean", "half-unet", "unet", "unet++"]
NETWORKS: dict[str, Any] = {
    "deepfuse": DeepFuse,
    "funfusean": FunFuseAn,
    "half-unet": HalfUNet,
    "unet": UNet,
    "unet++": NestedUNet,
}


@dataclass(frozen=True)
class FusionBaselineConfiguration:
    """Everything that determines the network but its weights.

    Attributes:
        fuse_by: which network.
        width: of its layers; 0, and what it becomes then, is the network's ``reduced_width``.
    """

    fuse_by: FusionBy
    width: int = 0

    def __post_init__(self) -> None:
        if self.fuse_by not in get_args(FusionBy):
            raise ConfigurationError(
                f"There is no fusion network {self.fuse_by!r}; use {', '.join(get_args(FusionBy))}."
            )
        if self.width < 0 or self.width % 2:
            raise ConfigurationError(f"The width is even, or 0 for the reduced one, not {self.width}.")
        object.__setattr__(self, "width", self.width or NETWORKS[self.fuse_by].reduced_width)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready data, for the model's card."""
        return asdict(self)


class FusionBaseline(nn.Module):
    """Sources (batch, 2, rows, columns), about [0, 1], of any size, to the fused image (batch, 1, rows, columns)."""

    sources = 2
    multiple = 1

    def __init__(self, configuration: FusionBaselineConfiguration, seed: int = 0) -> None:
        super().__init__()
        self.configuration = configuration
        make: Callable[..., nn.Module] = NETWORKS[configuration.fuse_by]
        self.network = make(width=configuration.width, seed=seed)

    def forward(self, sources: Tensor) -> Tensor:
        """The full output of these networks is the fused image itself, (batch, 1, rows, columns), in [0, 1]."""
        fused: Tensor = self.network(sources)
        return fused

    def image(self, output: Tensor) -> Tensor:
        """The fused image."""
        return output
