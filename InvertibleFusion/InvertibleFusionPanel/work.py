"""The run under way: slice by slice in the window's own process or, where that is too slow, in another."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from InvertibleFusionLib.errors import InvertibleFusionError
from InvertibleFusionPanel.durations import progressInWords
from InvertibleFusionPanel.run_control import RunControl
from InvertibleFusionPanel.separate_process import ProcessRun
from InvertibleFusionPanel.slow_runs import SlowRun, isWorthAProcess, slowRun


class Work:
    """One run at a time; it moves to a process when its first slices show that the model is slow.

    Args:
        logic: of the module.
        onSlice: called with every slice that is finished here.
        onProgress: called with slices done, slices in all, and both with the times in words.
        onDone: called with the result nodes.
        onFailed: called with a sentence; the scene is as it was.
    """

    def __init__(
        self,
        logic: Any,
        onSlice: Callable[[Any], None],
        onProgress: Callable[[int, int, str], None],
        onDone: Callable[[dict[str, Any]], None],
        onFailed: Callable[[str], None],
    ) -> None:
        self._logic, self._onSlice, self._onProgress = logic, onSlice, onProgress
        self._onDone, self._onFailed = onDone, onFailed
        self._parameters: Any = None
        self.control = RunControl(self._sliceIsDone, onDone, onFailed)
        self.process: ProcessRun | None = None

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self.control.running or self.process is not None

    def start(self, run: Any, parameters: Any) -> None:
        """Begin a run that was made of these choices."""
        self._parameters = parameters
        self.control.start(run)

    def cancel(self) -> None:
        """Stop the run, if there is one; no callback is called."""
        self.control.cancel()
        process, self.process = self.process, None
        if process is not None:
            process.close()

    def _sliceIsDone(self, finished: Any, seconds: float, sinceFirst: float) -> None:
        said = progressInWords(finished.done, finished.total, seconds, sinceFirst)
        self._onProgress(finished.done, finished.total, said)
        self._onSlice(finished)
        if self.control.running and isWorthAProcess(finished, sinceFirst):
            self.control.cancel()
            self._startProcess(lambda: slowRun(self._logic, self._parameters), {})

    def _startProcess(self, make: Callable[[], SlowRun], made: dict[str, Any]) -> None:
        """Go on in a process; ``made`` are the nodes of the run before it."""
        begun = time.monotonic()

        def onProgress(done: int, total: int) -> None:
            seconds = time.monotonic() - begun
            said = progressInWords(done, total, seconds, seconds)
            self._onProgress(done, total, _("In a process of its own: {said}").format(said=said))

        try:
            slow = make()
            self.process = ProcessRun(
                slow.order, onProgress, lambda folder: self._finish(slow, folder, made), self._fail
            )
        except InvertibleFusionError as error:
            self._fail(str(error))

    def _finish(self, slow: SlowRun, folder: Path, made: dict[str, Any]) -> None:
        """The process is done: its results enter the scene, and what follows begins."""
        self.process = None
        with slicer.util.tryWithErrorDisplay(_("The results of the process could not be taken over.")):
            try:
                nodes = made | slow.finish(folder)
            except InvertibleFusionError as error:
                self._fail(str(error))
                return
            then = slow.then
            if then is None:
                self._onDone(nodes)
            else:
                self._startProcess(lambda: then(nodes["fused"]), nodes)

    def _fail(self, sentence: str) -> None:
        self.process = None
        self._onFailed(sentence)
