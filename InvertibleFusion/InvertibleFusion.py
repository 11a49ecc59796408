"""The module InvertibleFusion of 3D Slicer: the shell around the panel in ``InvertibleFusionPanel``."""

import sys
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

OURS = ("InvertibleFusionLib", "InvertibleFusionPanel")


def forgetLoadedPackages() -> None:
    """Slicer reloads this file alone; a developer means the packages, too."""
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]


def findPackages() -> None:
    """In a source tree the library lies beside the module's folder, where Slicer does not look."""
    here = Path(__file__).resolve().parent
    for folder, package in ((here, OURS[1]), (here.parent, OURS[0])):
        if (folder / package).is_dir() and str(folder) not in sys.path:
            sys.path.append(str(folder))


if slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool):
    forgetLoadedPackages()
findPackages()

from InvertibleFusionPanel.logic import PanelLogic  # noqa: E402
from InvertibleFusionPanel.panel import Panel  # noqa: E402
from InvertibleFusionPanel.parameters import InvertibleFusionParameterNode  # noqa: E402


class InvertibleFusion(ScriptedLoadableModule):
    """What Slicer knows of the module before it is opened."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Invertible Fusion")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        parent.dependencies = []
        parent.contributors = ["The InvertibleFusion authors"]
        parent.helpText = _(
            "Fuse co-registered brain volumes into one image, take that image apart again, and synthesize missing "
            "contrasts. Research use only. Not certified for diagnosis."
        )
        parent.acknowledgementText = _("The networks are FusionINN, iVAN and a disentangled GAN; see the README.")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer the phantom patient in Sample Data."""
    from InvertibleFusionPanel.sample_data import register_sample_data

    register_sample_data()


class InvertibleFusionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The life of the panel in the application."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: Any = None
        self.panel: Any = None

    def setup(self) -> None:
        """Called when the user opens the module the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/InvertibleFusion.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = InvertibleFusionLogic()
        self.panel = Panel(uiWidget, self.ui, self.logic)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.onNodeRemoved)
        self.initializeParameterNode()
        if self.parent.isEntered:  # reloaded while it is open
            self.panel.enter()

    def cleanup(self) -> None:
        """Called when the application closes, and before the module is reloaded."""
        self.removeObservers()
        if self.panel is not None:
            self.panel.cleanup()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()
        self.panel.enter()

    def exit(self) -> None:
        """Called each time the user opens a different module; a run goes on, the preview stops."""
        self.panel.leave()

    def onSceneStartClose(self, _caller: Any, _event: Any) -> None:
        """The nodes go: so must whatever holds on to them."""
        self.panel.closeScene()

    def onSceneEndClose(self, _caller: Any, _event: Any) -> None:
        """A new parameter node, if the panel is being looked at."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, _caller: Any, _event: Any) -> None:
        """A reopened scene brings its own choices."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onNodeRemoved(self, _caller: Any, _event: Any) -> None:
        """What was chosen or shown may be gone."""
        self.panel.sceneChanged()

    def initializeParameterNode(self) -> None:
        """Bind the panel to the scene's choices; take the first volumes where nothing is chosen yet."""
        if slicer.mrmlScene.IsClosing():
            return
        parameters = self.logic.getParameterNode()
        self.logic.chooseSources(parameters)
        self.panel.setParameters(parameters)


class InvertibleFusionLogic(ScriptedLoadableModuleLogic, PanelLogic):
    """Runs, also without the panel: see ``PanelLogic``."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        PanelLogic.__init__(self)

    def getParameterNode(self) -> Any:
        """The user's choices, kept in the scene."""
        wrapper: Any = InvertibleFusionParameterNode  # its constructor is made by Slicer
        return wrapper(super().getParameterNode())


class InvertibleFusionTest(ScriptedLoadableModuleTest):
    """The self test that runs in the application."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all of it."""
        from InvertibleFusionPanel.self_test import run_self_test

        self.setUp()
        run_self_test(self)
