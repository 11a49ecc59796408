"""Which widgets a task needs."""

from typing import Any

from slicer.i18n import tr as _

from InvertibleFusionPanel.choices import certifiable, draws, goesBackFromSynthetic, showsGrounds
from InvertibleFusionPanel.parameters import Task, Way

SOURCE_LABELS = (
    ("firstSourceLabel", _("First source")),
    ("secondSourceLabel", _("Second source")),
    ("thirdSourceLabel", _("Third source")),
    ("fourthSourceLabel", _("Fourth source")),
)
SOURCE_WIDGETS = (
    ("thirdSourceLabel", "thirdSourceSelector"),
    ("fourthSourceLabel", "fourthSourceSelector"),
)

WAYS_BACK = _(
    "Exactly: the network run backwards on the latent. From the image alone: what the fused image shows, with a spread "
    "over several draws."
)
WAYS_BACK_FROM_SYNTHETIC = _(
    "Round trip: the network's own full output, the latent, run backwards. It shows that the arithmetic lost nothing, "
    "not that the synthetic image is right. From the target alone: what the synthetic image tells of its sources; one "
    "estimate, no draws, no spread."
)


def say(label: Any, sentence: str) -> None:
    """Show a sentence in a label; an empty one takes no room."""
    label.text = sentence
    label.visible = bool(sentence)


def arrange(ui: Any, parameters: Any, card: Any) -> None:
    """Show what the chosen task needs, and hide the rest.

    Args:
        ui: the panel's widgets.
        parameters: the user's choices.
        card: of the chosen model, or None.
    """
    task = parameters.task
    sources = 2 if card is None else len(card.inputs)
    ui.inputsCollapsibleButton.visible = task is not Task.DECOMPOSE
    for number, names in enumerate(SOURCE_WIDGETS, 3):
        for name in names:
            getattr(ui, name).visible = number <= sources
    for name in ("secondSourceLabel", "secondSourceSelector"):
        getattr(ui, name).visible = sources > 1
    back = task is not Task.SYNTHESIZE
    inputs = () if back or card is None else card.inputs
    for number, (name, text) in enumerate(SOURCE_LABELS):
        getattr(ui, name).text = f"{text}, {inputs[number]}:" if number < len(inputs) else f"{text}:"
    for name in ("wayLabel", "wayComboBox", "decomposedCheckBox", "differenceCheckBox", "spreadCheckBox"):
        getattr(ui, name).visible = back
    ui.spreadCheckBox.enabled = draws(parameters)
    ui.latentCheckBox.visible = task is not Task.DECOMPOSE
    ui.groundsCheckBox.visible = task is Task.SYNTHESIZE and showsGrounds(card)
    ui.livePreviewCheckBox.visible = task is Task.FUSE
    for name in ("samplesLabel", "samplesSpinBox", "seedLabel", "seedSpinBox"):
        getattr(ui, name).enabled = back and draws(parameters)
    ui.certifyCheckBox.enabled = back and certifiable(parameters)
    _nameWaysBack(ui.wayComboBox, goesBackFromSynthetic(parameters))


def _nameWaysBack(box: Any, synthetic: bool) -> None:
    for number, way in enumerate(Way):
        box.setItemText(number, way.label(synthetic))
    box.toolTip = WAYS_BACK_FROM_SYNTHETIC if synthetic else WAYS_BACK
