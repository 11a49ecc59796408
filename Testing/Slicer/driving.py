"""A user in front of the panel: clicks, chooses, waits, reads."""

import re
import time
from pathlib import Path
from typing import Any

PATIENCE = 180.0  # a process of its own imports torch anew, on machines that are busy


def tool_tip(widget: Any) -> str:
    """What a widget says when it is pointed at; Slicer makes a paragraph of it, so that long sentences break."""
    return re.sub(r"^<p>(.*)</p>$", r"\1", str(widget.toolTip), flags=re.DOTALL)


class Driver:
    """What a user sees and does.

    Attributes:
        module: the module, open in the application.
    """

    def __init__(self, module: Any) -> None:
        self.module = module

    @property
    def ui(self) -> Any:
        return self.module.widget.ui

    @property
    def panel(self) -> Any:
        return self.module.widget.panel

    @property
    def logic(self) -> Any:
        return self.module.widget.logic

    @property
    def parameters(self) -> Any:
        return self.logic.getParameterNode()

    def choose(self, *nodes: Any) -> None:
        for name, node in zip(("first", "second", "third", "fourth"), nodes, strict=False):
            getattr(self.ui, f"{name}SourceSelector").setCurrentNode(node)

    def wait(self, what: Any) -> None:
        """Let the window's events happen until something is so."""
        import qt

        end = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < end, f"waited for {PATIENCE} s; the panel says {self.ui.messageLabel.text!r}"
            qt.QApplication.processEvents()

    def apply(self) -> None:
        assert self.ui.applyButton.enabled, self.ui.applyButton.toolTip
        self.ui.applyButton.click()

    def run(self) -> Any:
        """Apply, and wait for the result."""
        self.apply()
        assert self.panel.running, self.ui.messageLabel.text
        self.wait(lambda: not self.panel.running)
        assert not self.ui.messageLabel.text
        return self.parameters.result

    def settle(self) -> None:
        import qt

        for _ in range(20):
            qt.QApplication.processEvents()
            time.sleep(0.005)

    def step(self, count: int = 1) -> None:
        """Let so many slices of a run be computed; no other event happens."""
        for _ in range(count):
            self.panel.work.control.step()

    def picture(self, path: Path, width: int = 440) -> None:
        """The whole panel as a PNG."""
        representation = self.module.widgetRepresentation()
        representation.resize(width, 10)
        representation.show()
        self.settle()
        height = representation.layout().heightForWidth(width)
        representation.resize(width, height)
        self.settle()
        path.parent.mkdir(parents=True, exist_ok=True)
        assert representation.grab().save(str(path))
