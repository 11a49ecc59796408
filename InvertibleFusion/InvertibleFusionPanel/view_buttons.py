"""Showing sources and results in place, by a click or a shortcut."""

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from InvertibleFusionLib.errors import InvertibleFusionError
from InvertibleFusionLib.mrml.layout import LAYOUT_ID, compare, fill, ordinary_composites
from InvertibleFusionLib.mrml.scene import nodes_of_class
from InvertibleFusionLib.mrml.shown_slice import visible_slice_nodes
from InvertibleFusionLib.mrml.views import (
    HOW_TO_GET,
    Family,
    View,
    label_of,
    layers_if_there,
    layers_of,
    panes_of,
    show,
)

BUTTONS = (
    ("source1Button", View.SOURCE, 1, "Alt+1"),
    ("source2Button", View.SOURCE, 2, "Alt+2"),
    ("fusedButton", View.FUSED, 1, "Alt+3"),
    ("decomposed1Button", View.DECOMPOSED, 1, "Alt+4"),
    ("decomposed2Button", View.DECOMPOSED, 2, "Alt+5"),
    ("difference1Button", View.DIFFERENCE, 1, "Alt+6"),
    ("difference2Button", View.DIFFERENCE, 2, "Alt+7"),
    ("spread1Button", View.SPREAD, 1, "Alt+8"),
    ("spread2Button", View.SPREAD, 2, "Alt+9"),
)
"""Widget, what it shows, of which source, and its shortcut."""
COMPARE_SHORTCUT = "Alt+0"


class ViewButtons:
    """The buttons of the section View and their shortcuts, which act only while the module is open.

    Args:
        ui: the panel's widgets by name.
        family: gives what there is to show.
        say: takes a sentence.
    """

    def __init__(self, ui: Any, family: Callable[[], Family], say: Callable[[str], None]) -> None:
        self._ui, self._family, self._say = ui, family, say
        self._layoutBefore: int | None = None
        self._shortcuts: list[Any] = []
        for name, view, number, _keys in BUTTONS:
            getattr(ui, name).connect("clicked(bool)", self._act(view, number))
        ui.compareButton.connect("clicked(bool)", self.toggleCompare)

    def enter(self, window: Any) -> None:
        """Let the shortcuts act in all of the window: who scrolls in a slice view has left the panel.

        Args:
            window: that the shortcuts belong to.
        """
        self.leave()
        for _name, view, number, keys in BUTTONS:
            self._addShortcut(window, keys, self._act(view, number))
        self._addShortcut(window, COMPARE_SHORTCUT, lambda: self._ui.compareButton.click())

    def leave(self) -> None:
        """Take the shortcuts away: they are not for other modules, and would outlive a reload."""
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []

    def update(self, spreadStatement: str) -> None:
        """Enable what can be shown; tooltips say how to get the rest.

        Args:
            spreadStatement: what the model's card says of the spread.
        """
        family = self._family()
        for name, view, number, keys in BUTTONS:
            button = getattr(self._ui, name)
            present = layers_if_there(family, view, number) is not None
            button.text, button.enabled = label_of(family, view, number), present
            how = _("Show in place. Shortcut: {keys}.").format(keys=keys) if present else HOW_TO_GET[view]
            button.toolTip = f"{how} {spreadStatement}".strip() if view is View.SPREAD else how
        self._ui.compareButton.enabled = family.fused is not None or len(family.sources) > 1
        self._ui.compareButton.toolTip = _("All of them side by side, linked. Shortcut: {keys}.").format(
            keys=COMPARE_SHORTCUT
        )
        layout = next(nodes_of_class(slicer.mrmlScene, "vtkMRMLLayoutNode"), None)
        self._ui.compareButton.checked = layout is not None and layout.GetViewArrangement() == LAYOUT_ID

    def show(self, view: View, number: int = 1) -> None:
        """Show something in all slice views but those of the compare layout; slice and zoom stay."""
        try:
            show(ordinary_composites(slicer.mrmlScene), layers_of(self._family(), view, number))
        except InvertibleFusionError as error:
            self._say(str(error))

    def toggleCompare(self, _checked: bool = False) -> None:
        """Switch to the compare layout, or back to the layout before."""
        layout = next(nodes_of_class(slicer.mrmlScene, "vtkMRMLLayoutNode"), None)
        views = visible_slice_nodes(slicer.mrmlScene)
        if layout is None or not views:
            self._say(_("There are no slice views to compare in."))
        elif layout.GetViewArrangement() == LAYOUT_ID:
            layout.SetViewArrangement(self._layoutBefore or slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        else:
            self._layoutBefore = compare(slicer.mrmlScene, panes_of(self._family()), views[0])
            # New views get their sizes and sliders once the events at hand are dealt with: only then a place holds.
            qt.QTimer.singleShot(0, lambda: self._fillAgain(views[0]))

    def _fillAgain(self, like: Any) -> None:
        layout = next(nodes_of_class(slicer.mrmlScene, "vtkMRMLLayoutNode"), None)
        if layout is not None and layout.GetViewArrangement() == LAYOUT_ID:
            fill(slicer.mrmlScene, panes_of(self._family()), like)

    def _act(self, view: View, number: int) -> Callable[..., None]:
        return lambda *_: self.show(view, number)

    def _addShortcut(self, window: Any, keys: str, act: Callable[..., None]) -> None:
        shortcut = qt.QShortcut(qt.QKeySequence(keys), window)
        shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
        shortcut.connect("activated()", act)
        self._shortcuts.append(shortcut)
