"""A slow model's task in a process of its own, told by files and heard by what it prints.

A slice of such a model would keep the window from answering for as long as it takes; a process does not.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

import InvertibleFusionLib
from InvertibleFusionLib.volumes.volume import Volume

LISTEN_MILLISECONDS = 100
PATIENCE_MILLISECONDS = 2000


@dataclass(frozen=True)
class Order:
    """What to run.

    Attributes:
        task: "fuse", "synthesize" or "decompose".
        model: the path of its file.
        volumes: sources in the order of the model's inputs, or the images that are taken apart.
        options: further arguments of the task's function.
        settings: fields of the library's ``Settings``.
        latent: of the images, for the exact way back.
    """

    task: Any
    model: Path
    volumes: Sequence[Volume]
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    latent: Volume | None = None


class ProcessRun:
    """One order, from writing its files to reading its results.

    The process is listened to by a timer, not by its signals: PythonQt deletes an object as soon as Python lets go of
    it, and a process must not be deleted while it emits one. Besides, one that cannot be started never says that it
    has finished.

    Args:
        order: to run.
        onProgress: called with slices done and slices in all.
        onDone: called with the folder of the results; it is deleted afterwards.
        onFailed: called with a sentence.
    """

    def __init__(
        self,
        order: Order,
        onProgress: Callable[[int, int], None],
        onDone: Callable[[Path], None],
        onFailed: Callable[[str], None],
    ) -> None:
        self._onProgress, self._onDone, self._onFailed = onProgress, onDone, onFailed
        self._heard = b""
        self._folder = tempfile.TemporaryDirectory(prefix="InvertibleFusion-")
        folder = Path(self._folder.name)
        self._out = folder / "out"
        job = _written(order, folder, self._out)
        self._process = qt.QProcess()
        self._process.setProcessEnvironment(_environment())
        arguments = ["-m", "InvertibleFusionLib.inference.job", str(job)]
        self._process.start(shutil.which("PythonSlicer") or sys.executable, arguments)
        self._timer = qt.QTimer()
        self._timer.setInterval(LISTEN_MILLISECONDS)
        self._timer.connect("timeout()", self._listen)
        self._timer.start()

    def close(self) -> None:
        """Stop it, if it still runs, and delete its files; no callback is called."""
        self._stopListening()
        self._process.kill()
        self._process.waitForFinished(PATIENCE_MILLISECONDS)
        self._folder.cleanup()

    def _listen(self) -> None:
        self._heard += self._process.readAllStandardOutput().data()
        *lines, self._heard = self._heard.split(b"\n")
        if lines:
            done, total = lines[-1].split(b"/")
            self._onProgress(int(done), int(total))
        if self._process.state() == qt.QProcess.NotRunning:
            self._stopListening()
            self._end()

    def _end(self) -> None:
        well = self._process.exitStatus() == qt.QProcess.NormalExit and self._process.exitCode() == 0
        try:
            if well and self._out.is_dir():  # one that was never started ended well, too
                self._onDone(self._out)
                return
            said = self._process.readAllStandardError().data().decode("utf-8", "replace").strip()
            why = self._process.errorString()
            stopped = _("The process for this run ended without a result: {why}.").format(why=why)
            self._onFailed(said.split("\n")[-1] or stopped)
        finally:
            self._folder.cleanup()

    def _stopListening(self) -> None:
        self._timer.stop()
        self._timer.deleteLater()  # later: this may be its own doing


def _written(order: Order, folder: Path, out: Path) -> Path:
    """The order as files for the process."""
    from InvertibleFusionLib.inference.job import Job  # brings torch with it

    volumes = [_put(volume, folder / str(number)) for number, volume in enumerate(order.volumes, 1)]
    latent = None if order.latent is None else _put(order.latent, folder / "latent")
    path = folder / "job.json"
    Job(order.task, str(order.model), volumes, str(out), latent, order.options, order.settings).write(path)
    return path


def _put(volume: Volume, folder: Path) -> str:
    """The volume in a folder of its own, under its own name: the record says the name of the file."""
    folder.mkdir()
    path = folder / f"{volume.file_name}.nrrd"
    volume.write(path)
    return str(path)


def _environment() -> Any:
    """Where the process finds the library; what Slicer set for itself stays."""
    environment = qt.QProcessEnvironment.systemEnvironment()
    before = environment.value("PYTHONPATH", "")
    library = str(Path(InvertibleFusionLib.__file__).parents[1])
    environment.insert("PYTHONPATH", os.pathsep.join(filter(None, (library, before))))
    # Threads that spin while they wait for each other make everything many times slower beside another busy program.
    environment.insert("OMP_WAIT_POLICY", environment.value("OMP_WAIT_POLICY", "PASSIVE"))
    return environment
