"""What fusing needs beyond what Slicer brings: seen without importing it, installed when Apply is pressed, not before.

Slicer 5.12 and later install through ``slicer.packaging``, 5.10 through ``slicer.util.pip_install``; PyTorch comes
through the extension PyTorch in both, since it alone knows which build fits the graphics card.
"""

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import slicer

from InvertibleFusionLib.errors import InvertibleFusionError

REQUIREMENTS = Path(__file__).parents[1] / "Resources" / "requirements.txt"
TORCH = "torch"
NEVER_INSTALLED = ("torch", "SimpleITK")
"""Packages that pip must not bring as another package's dependency: Slicer's own, or those of another extension."""


class MissingDependencyError(InvertibleFusionError):
    """A Python package that is needed and was not installed."""


def missing_dependencies() -> list[str]:
    """Requirements that Slicer's Python does not fulfil, such as "torch>=2.4"; nothing is imported or installed."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#") and not _is_fulfilled(line)]


def ensure_dependencies(requester: str) -> None:
    """Install what is missing, after asking the user; to be called when Apply is pressed.

    Args:
        requester: title of the module that asks, for the dialogs.

    Raises:
        MissingDependencyError: when the user declines, an installation fails (without a connection, say: the message
            tells how to do without), Slicer runs its tests, or a package was in use while it was replaced.
    """
    missing = missing_dependencies()
    if not missing:
        return
    names = " and ".join(missing)
    if slicer.app.testingEnabled():
        raise MissingDependencyError(f"{requester} needs {names}, and nothing is installed while Slicer runs tests.")
    in_use = [_name(requirement) for requirement in missing if _name(requirement) in sys.modules]
    try:
        _install(missing, requester)
    except (subprocess.CalledProcessError, OSError, ImportError) as error:
        raise MissingDependencyError(f"{names} could not be installed ({error}). {_by_hand(missing)}") from error
    importlib.invalidate_caches()
    if left := missing_dependencies():
        raise MissingDependencyError(f"{requester} still needs {' and '.join(left)}. {_by_hand(left)}")
    if in_use:
        raise MissingDependencyError(f"{' and '.join(in_use)} was replaced while in use. Restart Slicer.")


def _install(missing: Sequence[str], requester: str) -> None:
    torch = [requirement for requirement in missing if _name(requirement) == TORCH]
    others = [requirement for requirement in missing if _name(requirement) != TORCH]
    if torch:
        _install_torch(torch[0])
    if others:
        _install_others(others, requester)


def _install_torch(requirement: str) -> None:
    """Let the extension PyTorch ask and install; it gives None back when the user declines."""
    try:
        module = importlib.import_module("PyTorchUtils")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "PyTorch is installed by Slicer's extension PyTorch, which is missing. Install that in the Extensions "
            "Manager, restart Slicer, and press Apply again."
        ) from error
    logic = module.PyTorchUtilsLogic()
    options: dict[str, Any] = {"askConfirmation": True}
    if "torchVersionRequirement" in inspect.signature(logic.installTorch).parameters:  # older ones do not know it
        options["torchVersionRequirement"] = requirement.removeprefix(TORCH)
    if logic.installTorch(**options) is None:
        raise _declined([requirement], "the question was declined")


def _install_others(requirements: list[str], requester: str) -> None:
    try:
        packaging = importlib.import_module("slicer.packaging")
    except ModuleNotFoundError:  # Slicer 5.10
        question = f"{requester} needs {' and '.join(requirements)}. Download and install into Slicer's Python?"
        if not slicer.util.confirmOkCancelDisplay(question, requester):
            raise _declined(requirements, "the question was declined") from None
        slicer.util.pip_install(requirements)
        return
    try:
        packaging.pip_ensure(requirements, skip_packages=list(NEVER_INSTALLED), requester=requester, show_progress=True)
    except RuntimeError as error:  # how it says that the user declined
        raise _declined(requirements, str(error)) from error


def _declined(requirements: Sequence[str], why: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"{' and '.join(requirements)} was not installed: {why}. Press Apply again to be asked once more."
    )


def _by_hand(requirements: Sequence[str]) -> str:
    """What to do without a connection: which wheels, and where to put them."""
    folder = Path.home() / "wheels"
    quoted = " ".join(f'"{requirement}"' for requirement in requirements)
    arguments = ["--no-index", "--find-links", str(folder), *requirements]
    return (
        "Without a connection, run on a computer that has one, with the same operating system and "
        f"Python {sys.version_info.major}.{sys.version_info.minor}: python -m pip download {quoted} --dest wheels. "
        f"Copy the folder to {folder}, run slicer.util.pip_install({arguments}) in Slicer's Python console, "
        "and press Apply again."
    )


def _is_fulfilled(requirement: str) -> bool:
    """Whether what is installed is at least the lower bound, the only kind of bound in the file."""
    name, bound = requirement.split(">=")
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return _numbers(installed) >= _numbers(bound)


def _numbers(version: str | None) -> tuple[int, ...]:
    """The release of a version, such as (2, 9, 1) of "2.9.1+cu128"; empty for a damaged installation without one."""
    found = re.match(r"\d+(\.\d+)*", version or "")
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def _name(requirement: str) -> str:
    return requirement.split(">=")[0]
