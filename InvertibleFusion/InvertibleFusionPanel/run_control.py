"""Stepping a run from a timer: the window stays responsive, since Python's threads get no time in Slicer."""

import time
from collections.abc import Callable, Generator
from typing import Any

import qt
from slicer.i18n import tr as _

from InvertibleFusionLib.errors import InvertibleFusionError


class RunControl:
    """One run at a time, slice by slice, on the main thread.

    Args:
        onSlice: called with every finished slice, the seconds since the start, and those since the first one was done.
        onDone: called with the result nodes.
        onFailed: called with a sentence; the scene is as it was.
    """

    def __init__(
        self,
        onSlice: Callable[[Any, float, float], None],
        onDone: Callable[[dict[str, Any]], None],
        onFailed: Callable[[str], None],
    ) -> None:
        self._onSlice, self._onDone, self._onFailed = onSlice, onDone, onFailed
        self._run: Generator[Any, None, dict[str, Any]] | None = None
        self._started = self._firstDone = 0.0
        # Started again after each step: events are handled between two slices, and no step begins inside another.
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self.step)

    @property
    def running(self) -> bool:
        """Whether there is a run."""
        return self._run is not None

    def start(self, run: Generator[Any, None, dict[str, Any]]) -> None:
        """Begin a run; the one before must have ended."""
        self._run, self._started = run, time.monotonic()
        self._timer.start()

    def cancel(self) -> None:
        """Stop the run, if there is one; no callback is called."""
        run, self._run = self._run, None
        self._timer.stop()
        if run is not None:
            run.close()

    def step(self) -> None:
        """Compute one slice."""
        run = self._run
        if run is None:
            return
        try:
            finished = next(run)
        except StopIteration as stop:
            self._run = None
            self._onDone(stop.value)
            return
        except InvertibleFusionError as error:
            self._fail(str(error))
            return
        except MemoryError:
            self._fail(_("The memory does not suffice for volumes of this size. Close other programs or crop them."))
            return
        except BaseException:
            # A mistake of ours: whoever catches it shows it.
            self._fail(_("The run stopped at a mistake in the program. The log (Ctrl+0) has the details."))
            raise
        now = time.monotonic()
        if finished.done == 1:
            self._firstDone = now
        self._onSlice(finished, now - self._started, now - self._firstDone)
        if self._run is run:
            self._timer.start()

    def _fail(self, sentence: str) -> None:
        self._run = None
        self._onFailed(sentence)
