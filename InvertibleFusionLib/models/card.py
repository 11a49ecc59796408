"""What stands in a model file beside the weights: what the model is, learnt from, measured on and meant for."""

from dataclasses import asdict, dataclass, field
from typing import Any

from InvertibleFusionLib.errors import ModelFileError

FORMAT_VERSION = 1


@dataclass(frozen=True)
class ModelCard:
    """A model's description, JSON in the header of its file.

    Attributes:
        name: by which it is asked for.
        architecture: such as "fusioninn".
        configuration: of the network, as JSON.
        task: "fusion" or "synthesis".
        inputs: contrasts in the order of the input channels.
        outputs: what comes out.
        intensity: the intensity scale it was trained with, as JSON.
        training: data with licences and attribution, steps, seed, versions.
        metrics: measured figures, each with the data it was measured on.
        intended_use: what it is for and what not.
        format_version: of this description.
    """

    name: str
    architecture: str
    configuration: dict[str, Any]
    task: str
    inputs: list[str]
    outputs: list[str]
    intensity: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    intended_use: str = "Research use only. Not certified for diagnosis."
    format_version: int = FORMAT_VERSION

    def to_json(self) -> dict[str, Any]:
        """The card as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> "ModelCard":
        """The card whose ``to_json`` gave ``data``.

        Raises:
            ModelFileError: when it is from a newer version or lacks a field.
        """
        if not isinstance(data, dict) or data.get("format_version") != FORMAT_VERSION:
            version = data.get("format_version") if isinstance(data, dict) else None
            raise ModelFileError(
                f"The model file has format version {version}, this library reads {FORMAT_VERSION}. Update the library."
            )
        try:
            return cls(**data)
        except TypeError as error:
            raise ModelFileError(f"The model's description is damaged: {error}.") from error
