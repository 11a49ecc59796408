"""Slow models in a process of their own: the command line, told by files and heard by what it prints.

A slice of such a model would keep the window from answering for as long as it takes; a process does not.
"""

import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

import InvertibleFusionLib
from InvertibleFusionLib.volumes.volume import Volume

NEEDED = ("jsonargparse", "tqdm", "yaml")
"""What the command line needs beyond what fusing needs."""
PATIENCE_MILLISECONDS = 2000
PROGRESS = re.compile(r"(\d+)/(\d+)\s*\[")


@dataclass(frozen=True)
class Command:
    """What to run.

    Attributes:
        task: "fuse", "synthesize" or "decompose".
        model: the path of its file.
        volumes: sources in the order of the model's inputs, or the image that is taken apart.
        options: further arguments.
        latent: of the image, for the exact way back.
    """

    task: str
    model: Path
    volumes: Sequence[Volume]
    options: Sequence[str] = ()
    latent: Volume | None = None


def canRun() -> bool:
    """Whether this Python has what the command line needs."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


class CommandLineRun:
    """One command, from writing its files to reading its results.

    Args:
        command: to run.
        onProgress: called with slices done and slices in all.
        onDone: called with the folder of the results; it is deleted afterwards.
        onFailed: called with a sentence.
    """

    def __init__(
        self,
        command: Command,
        onProgress: Callable[[int, int], None],
        onDone: Callable[[Path], None],
        onFailed: Callable[[str], None],
    ) -> None:
        self._onProgress, self._onDone, self._onFailed = onProgress, onDone, onFailed
        self._said = ""
        self._folder = tempfile.TemporaryDirectory(prefix="InvertibleFusion-")
        folder = Path(self._folder.name)
        self._out = folder / "out"
        paths = [_written(volume, folder / str(number)) for number, volume in enumerate(command.volumes, 1)]
        arguments = ["-m", "InvertibleFusionLib", command.task, *map(str, paths), "--out", str(self._out)]
        arguments += ["--model", str(command.model), *command.options]
        if command.latent is not None:
            arguments += ["--latent", str(_written(command.latent, folder / "latent"))]
        self._process = qt.QProcess()
        self._process.setProcessEnvironment(_environment())
        self._process.connect("readyReadStandardError()", self._read)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        self._process.start(shutil.which("PythonSlicer") or sys.executable, arguments)

    def close(self) -> None:
        """Stop it, if it still runs, and delete its files; no callback is called."""
        process, self._process = self._process, None
        if process is not None:
            process.disconnect("readyReadStandardError()", self._read)
            process.disconnect("finished(int,QProcess::ExitStatus)", self._finished)
            process.kill()
            process.waitForFinished(PATIENCE_MILLISECONDS)
        self._folder.cleanup()

    def _read(self) -> None:
        self._said += bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace")
        found = PROGRESS.findall(self._said)
        if found:
            done, total = found[-1]
            self._onProgress(int(done), int(total))

    def _finished(self, code: int, _status: Any) -> None:
        self._read()
        self._process = None
        try:
            if code == 0:
                self._onDone(self._out)
            else:
                self._onFailed(_lastLine(self._said) or _("The process that computed the result was stopped."))
        finally:
            self._folder.cleanup()


def _written(volume: Volume, folder: Path) -> Path:
    """The volume in a folder of its own, under its own name: the record says the name of the file."""
    folder.mkdir()
    path = folder / f"{volume.file_name}.nrrd"
    volume.write(path)
    return path


def _environment() -> Any:
    """Where the process finds the library; what Slicer set for itself stays."""
    environment = qt.QProcessEnvironment.systemEnvironment()
    before = environment.value("PYTHONPATH", "")
    library = str(Path(InvertibleFusionLib.__file__).parents[1])
    environment.insert("PYTHONPATH", os.pathsep.join(filter(None, (library, before))))
    return environment


def _lastLine(said: str) -> str:
    """The sentence that a command ends with."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", said)]
    lines = [line for line in lines if line and not PROGRESS.search(line)]
    return lines[-1] if lines else ""
