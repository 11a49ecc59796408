"""The models that fit the task, those trained on the chosen contrasts first."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from InvertibleFusionLib.errors import RecordMismatchError
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.card_file import read_card
from InvertibleFusionLib.models.card_in_words import fits_contrasts
from InvertibleFusionLib.models.shipped import DEFAULT_FUSION_MODEL, shipped_cards
from InvertibleFusionLib.mrml.provenance import record_of
from InvertibleFusionPanel.parameters import Task


@dataclass(frozen=True)
class OfferedModel:
    """A model to choose.

    Attributes:
        key: a shipped name, or the path of a file.
        card: its description.
        fits: whether it was trained on the chosen contrasts.
    """

    key: str
    card: ModelCard
    fits: bool

    def label(self) -> str:
        """For the combo box."""
        contrasts = " + ".join(self.card.inputs)
        made = "" if self.card.task == "fusion" else f" → {' + '.join(self.card.outputs)}"
        return f"{self.card.name} ({contrasts}{made})"


class OfferedModels:
    """Shipped models, and model files that the user opened; cards are read once."""

    def __init__(self) -> None:
        self._shipped = {card.name: card for card in shipped_cards()}
        self._opened: dict[str, ModelCard] = {}

    def open(self, path: str) -> ModelCard:
        """The card of a model file.

        Raises:
            ModelFileError: when it is none.
        """
        if path not in self._opened:
            self._opened[path] = read_card(Path(path))
        return self._opened[path]

    def forTask(self, task: Task, names: list[str], result: Any, chosen: str) -> list[OfferedModel]:
        """What to offer.

        Args:
            task: to be done.
            names: of the chosen sources.
            result: node that is to be taken apart, or None.
            chosen: the model chosen so far; a file stays in the list.
        """
        cards = {**self._shipped, **self._opened}
        if chosen and chosen not in cards and Path(chosen).is_file():
            cards[chosen] = self.open(chosen)
        if task is Task.DECOMPOSE:
            maker = makerOf(result)
            return [OfferedModel(key, card, True) for key, card in cards.items() if card.name == maker]
        wanted = "fusion" if task is Task.FUSE else "synthesis"
        offered = [
            OfferedModel(key, card, fits_contrasts(card, names[: len(card.inputs)]))
            for key, card in cards.items()
            if card.task == wanted
        ]
        return sorted(offered, key=lambda model: (not model.fits, model.key != DEFAULT_FUSION_MODEL, model.key))


def makerOf(result: Any) -> str:
    """The name of the model that made a result; empty where that is not known."""
    if result is None:
        return ""
    try:
        return str((record_of(result) or {}).get("model", {}).get("name", ""))
    except RecordMismatchError:
        return ""


def whyNone(task: Task, result: Any) -> str:
    """A sentence for an empty list."""
    if task is Task.SYNTHESIZE:
        return _("No synthesis model is there. Open a model file.")
    if task is Task.FUSE:
        return _("No fusion model is there. Open a model file.")
    if result is None:
        return _("Choose the fused or synthetic image that is to be taken apart.")
    maker = makerOf(result)
    if not maker:
        return _("{name} carries no record of the model that made it. Choose an image made here.").format(
            name=result.GetName()
        )
    return _("{name} was made by the model {maker}, which is not shipped. Open its file.").format(
        name=result.GetName(), maker=maker
    )
