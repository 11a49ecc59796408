"""Stand-ins for the widgets of CTK and Slicer that the panel uses; the others exist as names only."""

import types
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets

from host.python_qt import in_dialect, qt

OTHER_CTK = [
    "ctkCheckBox",
    "ctkCheckablePushButton",
    "ctkColorPickerButton",
    "ctkComboBox",
    "ctkDirectoryButton",
    "ctkDoubleRangeSlider",
    "ctkDoubleSlider",
    "ctkDoubleSpinBox",
    "ctkPathLineEdit",
    "ctkRangeWidget",
    "ctkSliderWidget",
]
OTHER_QMRML = [
    "qMRMLRangeWidget",
    "qMRMLSliderWidget",
    "qMRMLSpinBox",
    "qMRMLSubjectHierarchyComboBox",
    "qMRMLSubjectHierarchyTreeView",
]
COLLAPSED_HEIGHT = 24


class _Collapsible(QtWidgets.QGroupBox):
    """ctkCollapsibleButton: a title and what stands below it."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._collapsed = False

    def _read(self) -> bool:
        return self._collapsed

    def _write(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        self.setMaximumHeight(COLLAPSED_HEIGHT if collapsed else 16777215)

    collapsed = QtCore.Property(bool, _read, _write)
    text = QtCore.Property(str, QtWidgets.QGroupBox.title, QtWidgets.QGroupBox.setTitle)


class _MRMLWidget(QtWidgets.QWidget):
    """qMRMLWidget: hands its scene on to the widgets that its .ui connects."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._receivers: list[Any] = []

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        for receiver in self._receivers:
            receiver.setMRMLScene(scene)

    def mrmlScene(self) -> Any:
        return self._scene


class _ModuleWidget(_MRMLWidget):
    """qSlicerScriptedLoadableModuleWidget: the parent that Slicer gives a module's widget."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._entered = False
        self._reload: Any = None
        self.setLayout(qt.QVBoxLayout())

    def _read(self) -> bool:
        return self._entered

    isEntered = QtCore.Property(bool, _read)

    def reload(self) -> None:
        self._reload()


def _choice(kind: type, start: Any, name: str) -> Any:
    def write(self: Any, value: Any) -> None:
        setattr(self, f"_{name}", value)
        self._refresh()

    return QtCore.Property(kind, lambda self: getattr(self, f"_{name}", start), write)


class _NodeComboBox(QtWidgets.QWidget):
    """qMRMLNodeComboBox: a list of the scene's nodes of some classes."""

    currentNodeChanged = QtCore.Signal(object)
    nodeTypes = _choice("QVariantList", [], "nodeTypes")
    hideChildNodeTypes = _choice("QVariantList", [], "hideChildNodeTypes")
    showChildNodeTypes = _choice(bool, True, "showChildNodeTypes")
    noneEnabled = _choice(bool, False, "noneEnabled")
    noneDisplay = _choice(str, "None", "noneDisplay")
    addEnabled = _choice(bool, True, "addEnabled")
    removeEnabled = _choice(bool, True, "removeEnabled")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._current: Any = None
        self._nodes: list[Any] = []
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._box = QtWidgets.QComboBox(self)
        layout.addWidget(self._box)
        self._box.activated.connect(lambda index: self.setCurrentNode(self._nodes[index]))

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent):
            scene.AddObserver(event, lambda *_: self._refresh())
        self._refresh()

    def currentNode(self) -> Any:
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        if node not in self._nodes:
            node = None
        if node is not self._current:
            self._current = node
            self._refresh()
            self.currentNodeChanged.emit(node)

    def _refresh(self) -> None:
        if self._scene is None:
            return
        offered: list[Any] = [None] if self.noneEnabled else []
        for number in range(self._scene.GetNumberOfNodes()):
            node = self._scene.GetNthNode(number)
            if self._shows(node):
                offered.append(node)
        self._nodes = offered
        self._box.blockSignals(True)
        self._box.clear()
        self._box.addItems([self.noneDisplay if node is None else node.GetName() for node in offered])
        if self._current in offered:
            self._box.setCurrentIndex(offered.index(self._current))
        self._box.blockSignals(False)
        if self._current not in offered:
            self.setCurrentNode(offered[0] if offered else None)

    def _shows(self, node: Any) -> bool:
        if node.GetHideFromEditors() or any(node.IsA(kind) for kind in self.hideChildNodeTypes):
            return False
        if self.showChildNodeTypes:
            return any(node.IsA(kind) for kind in self.nodeTypes)
        return node.GetClassName() in self.nodeTypes


class CtkModule(types.ModuleType):
    """``import ctk``."""


ctk = CtkModule("ctk")
ctk.ctkCollapsibleButton = in_dialect(_Collapsible)
for _name in OTHER_CTK:
    setattr(ctk, _name, type(_name, (in_dialect(QtWidgets.QWidget),), {}))
QMRML = {
    "qMRMLWidget": in_dialect(_MRMLWidget),
    "qMRMLNodeComboBox": in_dialect(_NodeComboBox),
    "qSlicerScriptedLoadableModuleWidget": in_dialect(_ModuleWidget),
    **{name: type(name, (in_dialect(QtWidgets.QWidget),), {}) for name in OTHER_QMRML},
}


class UiLoader(qt.QUiLoader):  # type: ignore[misc]
    """QUiLoader that knows CTK's and Slicer's widgets."""

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        kind = QMRML.get(class_name) or getattr(ctk, class_name, None) or getattr(qt, class_name)
        widget = kind(parent)
        widget.setObjectName(name)
        return widget

    def load(self, file: Any) -> Any:
        """The widget of an open .ui file, its scene connected as the file says.

        PySide6 knows no signal with a vtkMRMLScene, so these connections are made by hand.
        """
        from xml.etree import ElementTree

        tree = ElementTree.fromstring(Path(file.fileName()).read_text(encoding="utf-8"))
        connections = tree.find("connections")
        tree.remove(connections)
        data = QtCore.QByteArray(ElementTree.tostring(tree))
        buffer = QtCore.QBuffer(data)
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(buffer)
        for connection in connections:
            parts = [connection.findtext(tag) for tag in ("signal", "slot")]
            if parts != ["mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)"]:
                raise ValueError(f"the .ui connects {parts}")
            receiver = widget.findChild(QtWidgets.QWidget, connection.findtext("receiver"))
            if receiver is None:
                raise ValueError(f"the .ui connects {connection.findtext('receiver')}, which is not there")
            widget._receivers.append(receiver)
        return widget


qt.QUiLoader = UiLoader
