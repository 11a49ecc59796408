"""The application or, outside of it, its stand-in, installed before the module's own code is imported."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.append(str(Path(__file__).parent))
# slicer-core has wheels for Python 3.10 to 3.13 only.
collect_ignore_glob = [] if importlib.util.find_spec("slicer") else ["test_panel_*.py"]
MODULE = Path(__file__).parents[2] / "InvertibleFusion" / "InvertibleFusion.py"


@pytest.fixture(scope="session")
def application() -> Any:
    import slicer

    if hasattr(slicer, "app"):
        from host import real_application

        return real_application
    pytest.importorskip("PySide6", reason="PySide6-Essentials is not installed")
    sys.path.append(str(MODULE.parent))
    from host import application

    application.install()
    return application


@pytest.fixture
def mistakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Exceptions in slots, which Qt only prints."""
    found: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, value, _: found.append(f"{kind.__name__}: {value}"))
    yield found
    assert not found


@pytest.fixture
def module(application: Any, mistakes: list[str]) -> Iterator[Any]:
    """The module with its panel open in an empty scene with slice views."""
    scene = application.new_scene()
    module = application.Module(MODULE)
    module.enter()
    yield module
    module.close()
    application.close_scene(scene)


@pytest.fixture(autouse=True)
def _no_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling kernels takes longer than all of these tests; Slicer has no Numba either."""
    from InvertibleFusionLib.inference import plan

    monkeypatch.setattr(plan, "numba_works", lambda: False)


@pytest.fixture
def panel(module: Any) -> Any:
    """The panel with two scans of one grid chosen."""
    from driving import Driver

    return Driver(module)
