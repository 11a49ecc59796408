"""Asking for Python packages inside Slicer.

The fakes do what Slicer's sources say: ``slicer.packaging.pip_ensure`` (5.12 and later) installs what is missing, asks
first and raises RuntimeError when the user declines; ``slicer.util.pip_install`` (5.10) asks nothing;
``PyTorchUtilsLogic.installTorch`` gives None back when the user declines; pip that fails is a CalledProcessError.
Where SLICER_SOURCE names a checkout of Slicer, the fakes' parameters are compared with its own.
"""

import ast
import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from InvertibleFusionLib.errors import InvertibleFusionError

MODULE_FOLDER = Path(__file__).parents[2] / "InvertibleFusion"
TITLE = "Invertible Fusion"


class Pip:
    """What is installed, and what was asked for."""

    def __init__(self, **installed: str) -> None:
        self.installed = installed
        self.brings = {"torch": "2.9.1+cu128", "safetensors": "0.7.0"}
        self.calls: list[tuple[str, Any]] = []
        self.agrees = True
        self.online = True

    def version(self, name: str) -> str:
        if name not in self.installed:
            raise metadata.PackageNotFoundError(name)
        return self.installed[name]

    def install(self, requirements: list[str]) -> None:
        if not self.online:
            raise subprocess.CalledProcessError(1, ["PythonSlicer", "-m", "pip", "install", *requirements])
        for requirement in requirements:
            name = requirement.split(">=")[0]
            self.installed[name] = self.brings[name]


class NewPackaging(ModuleType):
    """slicer.packaging of Slicer 5.12."""

    def __init__(self, pip: Pip) -> None:
        super().__init__("slicer.packaging")
        self.pip = pip

    def pip_ensure(
        self,
        requirements: Any,
        constraints: Any = None,
        skip_packages: Any = None,
        prompt_install: bool = True,
        prompt_restart: bool = True,
        requester: Any = None,
        skip_in_testing: bool = True,
        show_progress: bool = True,
    ) -> list[str] | None:
        self.pip.calls.append(("pip_ensure", (list(requirements), list(skip_packages or []), requester)))
        if prompt_install and not self.pip.agrees:
            raise RuntimeError("User declined package installation")
        self.pip.install(requirements)
        return None if skip_packages is None else []


class TorchLogic:
    """PyTorchUtilsLogic as it is today."""

    def __init__(self, pip: Pip) -> None:
        self.pip = pip

    def installTorch(
        self,
        askConfirmation: bool = False,
        forceComputationBackend: Any = None,
        torchVersionRequirement: Any = None,
        torchvisionVersionRequirement: Any = None,
    ) -> Any:
        return self._install(askConfirmation, torchVersionRequirement)

    def _install(self, ask: bool, requirement: Any) -> Any:
        self.pip.calls.append(("installTorch", (ask, requirement)))
        if ask and not self.pip.agrees:
            return None
        self.pip.install([f"torch{requirement or ''}"])
        return object()


class OldTorchLogic(TorchLogic):
    """PyTorchUtilsLogic before it took versions."""

    def installTorch(self, askConfirmation: bool = False) -> Any:  # type: ignore[override]
        return self._install(askConfirmation, None)


@pytest.fixture
def pip() -> Pip:
    return Pip(torch="2.9.1+cu128", safetensors="0.7.0")


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch, pip: Pip) -> SimpleNamespace:
    """A Slicer 5.12 with the PyTorch extension."""
    slicer = ModuleType("slicer")
    app = SimpleNamespace(testingEnabled=lambda: False)
    util = SimpleNamespace(
        confirmOkCancelDisplay=lambda text, title=None: pip.calls.append(("asked", text)) or pip.agrees,
        pip_install=lambda requirements: pip.calls.append(("pip_install", requirements)) or pip.install(requirements),
    )
    vars(slicer).update(app=app, util=util, packaging=NewPackaging(pip))
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    monkeypatch.setitem(sys.modules, "slicer.packaging", slicer.packaging)
    torch_utils = SimpleNamespace(PyTorchUtilsLogic=lambda: TorchLogic(pip))
    monkeypatch.setitem(sys.modules, "PyTorchUtils", torch_utils)
    return SimpleNamespace(slicer=slicer, app=app, torch_utils=torch_utils, forget=monkeypatch.setitem)


@pytest.fixture
def dependencies(monkeypatch: pytest.MonkeyPatch, application: SimpleNamespace, pip: Pip) -> Iterator[Any]:
    monkeypatch.syspath_prepend(MODULE_FOLDER)
    for name in ("torch", "safetensors"):  # else in use, since other tests imported them
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delitem(sys.modules, "InvertibleFusionPanel.dependencies", raising=False)
    module = importlib.import_module("InvertibleFusionPanel.dependencies")
    monkeypatch.setattr(
        module, "metadata", SimpleNamespace(version=pip.version, PackageNotFoundError=metadata.PackageNotFoundError)
    )
    yield module
    sys.modules.pop("InvertibleFusionPanel.dependencies", None)


def five_ten(application: SimpleNamespace) -> None:
    del application.slicer.packaging
    application.forget(sys.modules, "slicer.packaging", None)


@pytest.mark.parametrize(
    ("installed", "missing"),
    [
        ({"torch": "2.9.1+cu128", "safetensors": "0.7.0"}, []),
        ({"torch": "2.4.0", "safetensors": "0.5.0rc1"}, []),
        ({"torch": "2.10.0a0+git1", "safetensors": "1.0"}, []),
        ({"torch": "1.13.1", "safetensors": "0.5.0"}, ["torch>=2.4"]),
        ({"torch": "2.4.0", "safetensors": "0.4.5"}, ["safetensors>=0.5"]),
        ({"torch": None, "safetensors": "0.5.0"}, ["torch>=2.4"]),  # what a half-removed package says
        ({}, ["torch>=2.4", "safetensors>=0.5"]),
    ],
)
def test_what_is_missing_is_seen_without_installing(dependencies: Any, pip: Pip, installed: Any, missing: Any) -> None:
    pip.installed = installed
    assert dependencies.missing_dependencies() == missing
    assert pip.calls == []


def test_nothing_is_asked_where_nothing_is_missing(dependencies: Any, pip: Pip) -> None:
    dependencies.ensure_dependencies(TITLE)
    assert pip.calls == []


def test_a_fresh_slicer_gets_torch_from_its_extension_and_the_rest_from_pip(dependencies: Any, pip: Pip) -> None:
    pip.installed = {}
    dependencies.ensure_dependencies(TITLE)
    assert pip.calls == [
        ("installTorch", (True, ">=2.4")),
        ("pip_ensure", (["safetensors>=0.5"], ["torch", "SimpleITK"], TITLE)),
    ]
    assert dependencies.missing_dependencies() == []


def test_slicer_5_10_is_asked_first_and_then_installs(
    dependencies: Any, pip: Pip, application: SimpleNamespace
) -> None:
    five_ten(application)
    pip.installed.pop("safetensors")
    dependencies.ensure_dependencies(TITLE)
    assert [name for name, _ in pip.calls] == ["asked", "pip_install"]
    assert pip.calls[1][1] == ["safetensors>=0.5"]
    assert TITLE in pip.calls[0][1]


def test_an_older_pytorch_extension_gets_no_arguments_that_it_does_not_know(
    dependencies: Any, pip: Pip, application: SimpleNamespace
) -> None:
    application.torch_utils.PyTorchUtilsLogic = lambda: OldTorchLogic(pip)
    pip.installed.pop("torch")
    dependencies.ensure_dependencies(TITLE)
    assert pip.calls == [("installTorch", (True, None))]


@pytest.mark.parametrize("what", ["torch", "safetensors"])
@pytest.mark.parametrize("make", [lambda _: None, five_ten], ids=["5.12", "5.10"])
def test_a_user_who_declines_is_told_how_to_be_asked_again(
    dependencies: Any, pip: Pip, application: SimpleNamespace, make: Callable[[Any], None], what: str
) -> None:
    make(application)
    pip.installed.pop(what)
    pip.agrees = False
    with pytest.raises(InvertibleFusionError, match=f"{what}.* was not installed.*[Aa]pply again"):
        dependencies.ensure_dependencies(TITLE)
    assert what not in pip.installed


@pytest.mark.parametrize("make", [lambda _: None, five_ten], ids=["5.12", "5.10"])
def test_without_a_connection_the_wheels_are_named_and_their_place(
    dependencies: Any, pip: Pip, application: SimpleNamespace, make: Callable[[Any], None]
) -> None:
    make(application)
    pip.installed, pip.online = {}, False
    with pytest.raises(InvertibleFusionError) as raised:
        dependencies.ensure_dependencies(TITLE)
    said = str(raised.value)
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    assert 'pip download "torch>=2.4" "safetensors>=0.5" --dest wheels' in said
    assert python in said
    call = said[said.index("pip_install(") + len("pip_install(") :].split(")")[0]
    assert ast.literal_eval(call) == [
        "--no-index", "--find-links", str(Path.home() / "wheels"), "torch>=2.4", "safetensors>=0.5"
    ]  # fmt: skip


def test_without_the_pytorch_extension_its_name_is_said(
    dependencies: Any, pip: Pip, application: SimpleNamespace
) -> None:
    application.forget(sys.modules, "PyTorchUtils", None)
    pip.installed.pop("torch")
    with pytest.raises(InvertibleFusionError, match=r"extension PyTorch.*Extensions Manager"):
        dependencies.ensure_dependencies(TITLE)


def test_an_installation_that_brings_too_little_is_not_taken_for_success(dependencies: Any, pip: Pip) -> None:
    pip.installed = {"safetensors": "0.7.0"}
    pip.brings["torch"] = "1.13.1"  # happens where the newest build for an old driver is older than the bound
    with pytest.raises(InvertibleFusionError, match=r"still needs torch>=2\.4"):
        dependencies.ensure_dependencies(TITLE)


def test_a_package_replaced_while_in_use_needs_a_restart(
    dependencies: Any, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip.installed["torch"] = "2.0.0"
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    with pytest.raises(InvertibleFusionError, match=r"torch was replaced while in use. Restart Slicer\."):
        dependencies.ensure_dependencies(TITLE)


def test_slicers_own_tests_never_install(dependencies: Any, pip: Pip, application: SimpleNamespace) -> None:
    application.app.testingEnabled = lambda: True
    pip.installed.pop("safetensors")
    with pytest.raises(InvertibleFusionError, match=r"safetensors>=0\.5, and nothing is installed"):
        dependencies.ensure_dependencies(TITLE)
    assert pip.calls == []


@pytest.mark.skipif("SLICER_SOURCE" not in os.environ, reason="SLICER_SOURCE names no checkout of Slicer")
def test_the_fake_takes_what_slicer_takes() -> None:
    source = Path(os.environ["SLICER_SOURCE"]) / "Base/Python/slicer/packaging.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    real = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "pip_ensure")
    names = [argument.arg for argument in real.args.args]
    defaults = [ast.literal_eval(default) for default in real.args.defaults]
    fake = list(inspect.signature(NewPackaging.pip_ensure).parameters.values())[1:]
    assert [parameter.name for parameter in fake] == names
    assert [parameter.default for parameter in fake[1:]] == defaults
