"""Stand-in for the application: its scene with views, its modules and their widgets."""

import importlib.util
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import slicer

from host.python_qt import qt
from host.widgets import QMRML, ctk

SOURCE = "SLICER_SOURCE"


class Signals:
    """Connecting by a signal's signature, as PythonQt does on Slicer's own objects."""

    def __init__(self, *signatures: str) -> None:
        self._slots: dict[str, list[Callable[..., None]]] = {signature: [] for signature in signatures}

    def connect(self, signature: str, slot: Callable[..., None]) -> bool:
        self._slots[signature].append(slot)  # a KeyError for a signal that there is not
        return True

    def disconnect(self, signature: str, slot: Callable[..., None]) -> bool:
        self._slots[signature].remove(slot)
        return True

    def emit(self, signature: str, *values: Any) -> None:
        for slot in list(self._slots[signature]):
            slot(*values)


class Application(Signals):
    """``slicer.app``."""

    def __init__(self) -> None:
        super().__init__("startupCompleted()")
        self._modules = Signals("moduleAboutToBeUnloaded(QString)")
        self._window = qt.QMainWindow()
        self._window.setObjectName("qSlicerMainWindow")

    def moduleManager(self) -> Signals:
        return self._modules

    def topLevelWidgets(self) -> list[Any]:
        return [self._window]

    def clipboard(self) -> Any:
        return qt.QApplication.clipboard()

    def testingEnabled(self) -> bool:
        return True

    def translate(self, _context: str, text: str) -> str:
        return text

    def setOverrideCursor(self, _cursor: Any) -> None:
        """Offscreen there is none."""

    def restoreOverrideCursor(self) -> None:
        """Offscreen there is none."""

    def processEvents(self) -> None:
        qt.QApplication.processEvents()


class Module:
    """``slicer.modules.name``: a scripted module with its widget."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = str(path), path.stem
        self._representation: Any = None
        self.load()
        setattr(slicer.modules, self.name.lower(), self)

    def load(self) -> Any:
        spec = importlib.util.spec_from_file_location(self.name, self.path)
        assert spec is not None
        assert spec.loader is not None
        python = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = python
        spec.loader.exec_module(python)
        getattr(python, self.name)(types.SimpleNamespace(path=self.path))
        return python

    def widgetRepresentation(self) -> Any:
        """The module's panel, made when it is first asked for."""
        if self._representation is None:
            self._representation = QMRML["qSlicerScriptedLoadableModuleWidget"]()
            self._representation._reload = self._make
            self._make()
        return self._representation

    @property
    def widget(self) -> Any:
        return getattr(slicer.modules, f"{self.name}Widget")

    def enter(self) -> None:
        self.widgetRepresentation()._entered = True
        self.widget.enter()

    def exit(self) -> None:
        self.widgetRepresentation()._entered = False
        self.widget.exit()

    def close(self) -> None:
        """The application ends."""
        slicer.app.moduleManager().emit("moduleAboutToBeUnloaded(QString)", self.name)

    def _make(self) -> None:
        widget = getattr(sys.modules[self.name], f"{self.name}Widget")(self._representation)
        setattr(slicer.modules, f"{self.name}Widget", widget)
        widget.setup()


def new_scene() -> Any:
    """Slicer's scene with colours and the slice views of the four-up layout, as after the application started."""
    scene = slicer.mrmlScene = slicer.vtkMRMLScene()
    logics = types.SimpleNamespace(application=slicer.vtkMRMLApplicationLogic(), colours=slicer.vtkMRMLColorLogic())
    logics.application.SetMRMLScene(scene)
    logics.colours.SetMRMLScene(scene)
    logics.application.SetModuleLogic("Colors", logics.colours)
    logics.layout = slicer.vtkMRMLLayoutLogic()
    logics.layout.SetMRMLScene(scene)
    logics.slices = {}
    slicer.logics = logics
    node = logics.layout.GetLayoutNode()
    node.AddObserver("ModifiedEvent", lambda *_: _make_views(scene))
    node.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    return scene


def _make_views(scene: Any) -> None:
    """What the application's layout manager does: a logic for every slice view, and which of them are to be seen."""
    logics = slicer.logics
    layout = logics.layout.GetLayoutNode().GetCurrentLayoutDescription()
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLSliceNode")
        node.SetMappedInLayout(int(f'singletontag="{node.GetLayoutName()}"' in layout))
        if node.GetLayoutName() not in logics.slices:
            logic = logics.slices[node.GetLayoutName()] = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(logics.application)
            logic.SetMRMLScene(scene)
            node.SetDimensions(200, 200, 1)
            logic.SetSliceNode(node)


def close_scene(scene: Any) -> None:
    """What VTK needs before Python lets go of a scene."""
    logics = slicer.logics
    for logic in (*logics.slices.values(), logics.layout, logics.colours, logics.application):
        logic.SetMRMLScene(None)
    scene.Clear(1)
    del slicer.logics


def install() -> None:
    """Make ``import slicer`` what it is inside the application."""
    if qt.QApplication.instance() is None:
        slicer._application = qt.QApplication([])
    sys.modules.update(qt=qt, ctk=ctk)
    for name, kind in QMRML.items():
        setattr(slicer, name, kind)
    slicer.app, slicer.modules = Application(), types.SimpleNamespace()
    slicer.mrmlScene = slicer.vtkMRMLScene()
    source = os.environ.get(SOURCE)
    if source:
        folder = Path(source) / "Base" / "Python" / "slicer"
        if not folder.is_dir():
            raise FileNotFoundError(f"{SOURCE} names {source}, which is no checkout of Slicer: it has no {folder}")
        slicer.__path__.append(str(folder))
        return
    from host import parameter_node_wrapper, scripted_module

    i18n = types.ModuleType("slicer.i18n")
    i18n.tr, i18n.translate = lambda text: text, lambda _context, text: text
    modules = {"parameterNodeWrapper": parameter_node_wrapper, "ScriptedLoadableModule": scripted_module, "i18n": i18n}
    for name, module in modules.items():
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
