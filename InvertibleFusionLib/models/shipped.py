"""The models that come with the library, and loading a model by name or path."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from InvertibleFusionLib.errors import ModelFileError
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.card_file import read_card

if TYPE_CHECKING:
    from InvertibleFusionLib.models.model import Model

WEIGHTS = Path(__file__).parent.parent / "weights"
DEFAULT_FUSION_MODEL = "fusioninn-t1gd-flair"


def load_model(name_or_path: str | Path) -> "Model":
    """Load a shipped model by its name, or any model file by its path.

    Raises:
        ModelFileError: unknown name (with the known ones), or a file that is not a sound model.
    """
    from InvertibleFusionLib.models.model_file import read_model  # brings torch with it

    return read_model(model_path(name_or_path))


def model_path(name_or_path: str | Path) -> Path:
    """The file of a shipped model, or the given path.

    Raises:
        ModelFileError: for a name that is neither.
    """
    text = str(name_or_path)
    if text in shipped_models():
        return WEIGHTS / f"{text}.safetensors"
    if text.endswith(".safetensors") or Path(text).exists():
        return Path(text)
    known = ", ".join(shipped_models()) or "none"
    raise ModelFileError(
        f"There is no model {text!r}. Shipped models: {known}. Or give the path of a .safetensors file."
    )


def shipped_models() -> list[str]:
    """Names of the shipped models, sorted."""
    return sorted(file.stem for file in WEIGHTS.glob("*.safetensors"))


def shipped_cards() -> list[ModelCard]:
    """Cards of the shipped models, in the order of ``shipped_models``."""
    return [read_card(WEIGHTS / f"{name}.safetensors") for name in shipped_models()]


def fusion_model_for(contrasts: Sequence[str]) -> str:
    """The shipped fusion model trained on these contrasts, in this order; the default one if in doubt."""
    wanted = [contrast.casefold() for contrast in contrasts]
    trained = [
        card.name
        for card in shipped_cards()
        if card.task == "fusion" and [name.casefold() for name in card.inputs] == wanted
    ]
    return trained[0] if trained and DEFAULT_FUSION_MODEL not in trained else DEFAULT_FUSION_MODEL
