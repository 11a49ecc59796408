"""The application itself behind the same few functions as its stand-in: the tests run in it unchanged."""

from pathlib import Path
from typing import Any

import slicer

NAME = "InvertibleFusion"
OTHER_MODULE = "Data"


def install() -> None:
    """Everything is there."""


def new_scene() -> Any:
    """An empty scene in the four-up layout."""
    slicer.mrmlScene.Clear(0)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    return slicer.mrmlScene


def close_scene(scene: Any) -> None:
    """Leave nothing to the next test."""
    slicer.util.selectModule(OTHER_MODULE)
    scene.Clear(0)


class Module:
    """The module with a panel that no test has touched before."""

    def __init__(self, _path: Path) -> None:
        slicer.util.selectModule(NAME)  # makes the panel where there is none yet
        slicer.util.selectModule(OTHER_MODULE)
        slicer.util.reloadScriptedModule(NAME)

    def widgetRepresentation(self) -> Any:
        return slicer.modules.invertiblefusion.widgetRepresentation()

    @property
    def widget(self) -> Any:
        return slicer.modules.InvertibleFusionWidget

    def enter(self) -> None:
        slicer.util.selectModule(NAME)

    def exit(self) -> None:
        slicer.util.selectModule(OTHER_MODULE)

    def close(self) -> None:
        """What the application does before the module goes."""
        self.widget.cleanup()
