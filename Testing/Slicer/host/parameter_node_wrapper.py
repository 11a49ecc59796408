"""Stand-in for ``slicer.parameterNodeWrapper``: the types and widgets that the panel uses, and no others."""

import enum
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer
import vtk

from host.python_qt import qt


@dataclass
class Choice:
    """One of these values."""

    choices: list[Any]

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}")


@dataclass
class WithinRange:
    """A number between these, both included."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value!r} is not between {self.minimum} and {self.maximum}")


@dataclass
class Parameter:
    """One member of a parameter node's class."""

    name: str
    kind: type
    validators: list[Any]
    default: Any

    @property
    def is_node(self) -> bool:
        return issubclass(self.kind, slicer.vtkMRMLNode)

    def write(self, node: Any, value: Any) -> None:
        if not (self.is_node and value is None) and not isinstance(value, self.kind):
            raise TypeError(f"{self.name} is a {self.kind.__name__}, not {value!r}")
        for validator in self.validators:
            validator.validate(value)
        if self.is_node:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, None if value is None else value.GetID())
        else:
            node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node: Any) -> Any:
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if issubclass(self.kind, enum.Enum):
            return self.kind[text]
        return text == "True" if self.kind is bool else self.kind(text)


def parameterNodeWrapper(cls: type) -> type:
    """A class whose annotated members live in a vtkMRMLScriptedModuleNode."""
    parameters = {}
    for name, annotated in typing.get_type_hints(cls, include_extras=True).items():
        kind, *validators = typing.get_args(annotated) or (annotated,)
        default = getattr(cls, name, None)
        if default is None and issubclass(kind, enum.Enum):
            default = next(iter(kind))
        if default is None and not issubclass(kind, slicer.vtkMRMLNode):
            default = kind()
        parameters[name] = Parameter(name, kind, validators, default)
        setattr(cls, name, _member(parameters[name]))
    body = {
        "allParameters": parameters,
        "__init__": _init,
        "connectGui": _connect_gui,
        "disconnectGui": _disconnect_gui,
    }
    for name, value in body.items():
        setattr(cls, name, value)
    for name in ("StartModify", "EndModify", "AddObserver", "RemoveObserver", "Modified"):
        setattr(cls, name, _passed_on(name))
    return cls


def _member(parameter: Parameter) -> property:
    return property(
        lambda self: parameter.read(self.parameterNode), lambda self, value: parameter.write(self.parameterNode, value)
    )


def _passed_on(name: str) -> Callable[..., Any]:
    return lambda self, *values: getattr(self.parameterNode, name)(*values)


def _init(self: Any, parameterNode: Any, prefix: str | None = None) -> None:
    self.parameterNode, self._guis, self._writing = parameterNode, {}, False
    for parameter in self.allParameters.values():
        if not parameterNode.HasParameter(parameter.name):
            parameter.write(parameterNode, parameter.default)


def _connect_gui(self: Any, gui: Any) -> int:
    bound = []
    for widget in vars(gui).values():
        name = widget.property("SlicerParameterName")
        if not name:
            continue
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
        bound.append((name, _binding(widget, self.allParameters[name])))

    def to_gui(*_: Any) -> None:
        if not self._writing:
            self._writing = True
            try:
                for name, binding in bound:
                    binding.write(getattr(self, name))
            finally:
                self._writing = False

    def to_node(name: str, binding: "Binding") -> Callable[..., None]:
        return lambda *_: None if self._writing else setattr(self, name, binding.read())

    slots = []
    to_gui()
    for name, binding in bound:
        slot = to_node(name, binding)
        binding.signal.connect(slot)
        slots.append((binding.signal, slot))
    tag = len(self._guis)
    self._guis[tag] = (slots, self.AddObserver(vtk.vtkCommand.ModifiedEvent, to_gui))
    return tag


def _disconnect_gui(self: Any, tag: int | None) -> None:
    slots, observer = self._guis.pop(tag, ((), None))
    for signal, slot in slots:
        signal.disconnect(slot)
    if observer is not None:
        self.RemoveObserver(observer)


@dataclass
class Binding:
    """How a widget shows a value."""

    signal: Any
    read: Callable[[], Any]
    write: Callable[[Any], None]


def _binding(widget: Any, parameter: Parameter) -> Binding:
    if type(widget) is qt.QCheckBox and parameter.kind is bool:
        return Binding(widget.stateChanged, lambda: widget.checked, widget.setChecked)
    if type(widget) is qt.QSpinBox and parameter.kind is int:
        limits = next(validator for validator in parameter.validators if isinstance(validator, WithinRange))
        widget.setRange(limits.minimum, limits.maximum)
        return Binding(widget.valueChanged, lambda: widget.value, widget.setValue)
    if type(widget) is qt.QComboBox and (parameter.validators or issubclass(parameter.kind, enum.Enum)):
        values = list(parameter.kind) if issubclass(parameter.kind, enum.Enum) else parameter.validators[0].choices
        widget.clear()
        widget.addItems([value.label() if isinstance(value, enum.Enum) else str(value) for value in values])
        return Binding(
            widget.currentIndexChanged,
            lambda: values[widget.currentIndex],
            lambda value: widget.setCurrentIndex(values.index(value)),
        )
    if type(widget) is slicer.qMRMLNodeComboBox and parameter.is_node:
        widget.nodeTypes = [parameter.kind().GetClassName()]
        return Binding(widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)
    raise RuntimeError(f"Unable to create GUI connector from {parameter.kind} to {type(widget).__name__}")
