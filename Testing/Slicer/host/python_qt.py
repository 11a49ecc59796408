"""PySide6 in the dialect of PythonQt, which Slicer's Python speaks: properties are attributes, not methods."""

import types
from collections.abc import Callable
from inspect import getattr_static
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

METHODS_TOO = {"sizeHint", "minimumSizeHint", "singleShot"}
"""Properties that Qt itself calls as methods, or that name a static method as well."""


def _getter(name: str) -> Callable[[Any], Any]:
    return lambda self: QtCore.QObject.property(self, name)


def _setter(name: str) -> Callable[[Any, Any], None]:
    def write(self: Any, value: Any) -> None:
        if not QtCore.QObject.setProperty(self, name, value):
            raise ValueError(f"{type(self).__name__}.{name} cannot be {value!r}")

    return write


def _signal(self: Any, signature: str) -> Any:
    normalized = QtCore.QMetaObject.normalizedSignature(signature).toStdString()
    if self.metaObject().indexOfSignal(normalized) < 0:
        raise ValueError(f"{type(self).__name__} has no signal {signature}")
    return getattr(self, signature.split("(")[0])


def connect(self: Any, signature: str, slot: Callable[..., None]) -> bool:
    """PythonQt's ``connect("clicked(bool)", function)``."""
    _signal(self, signature).connect(slot)
    return True


def disconnect(self: Any, signature: str, slot: Callable[..., None]) -> bool:
    """The opposite of ``connect``."""
    _signal(self, signature).disconnect(slot)
    return True


def in_dialect(cls: type) -> type:
    """A subclass whose Qt properties are attributes."""
    names = [cls.staticMetaObject.property(number).name() for number in range(cls.staticMetaObject.propertyCount())]
    # Properties that a stand-in declares in Python are attributes already.
    names = [name for name in names if not isinstance(getattr_static(cls, name, None), QtCore.Property)]
    body: dict[str, Any] = {name: property(_getter(name), _setter(name)) for name in names if name not in METHODS_TOO}
    body |= {"name": property(_getter("objectName"), _setter("objectName"))}
    body |= {"connect": connect, "disconnect": disconnect, "__setattr__": _strict(cls), "className": _class_name}
    return type(cls.__name__, (cls,), body)


def _strict(cls: Any) -> Callable[[Any, str, Any], None]:
    """PySide6 would let a misspelt ``button.enable = False`` pass; PythonQt does not."""

    def write(self: Any, name: str, value: Any) -> None:
        child = isinstance(value, QtCore.QObject)  # QUiLoader names children so
        if not child and not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name}")
        cls.__setattr__(self, name, value)

    return write


def _class_name(self: Any) -> str:
    return type(self).__name__


class QtModule(types.ModuleType):
    """``import qt``."""

    def __getattr__(self, name: str) -> Any:
        for place in (QtWidgets, QtGui, QtCore, QtUiTools):
            found = getattr(place, name, None)
            if found is not None:
                is_object = isinstance(found, type) and issubclass(found, QtCore.QObject)
                adapted = in_dialect(found) if is_object else found
                setattr(self, name, adapted)
                return adapted
        raise AttributeError(f"qt has no {name}")


qt = QtModule("qt")
