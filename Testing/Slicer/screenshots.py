"""Pictures of the whole window, from before a run to every view, on the phantom patient. Ends with 0 or 1.

    Slicer --no-splash --testing --additional-module-paths InvertibleFusion --python-script screenshots.py FOLDER

Needs a display (``xvfb-run -s "-screen 0 1920x1200x24"`` where there is none) and torch in Slicer's Python.
"""

import logging
import sys
import time
from pathlib import Path
from typing import Any

import slicer

SIZE = (1600, 1000)
PATIENCE_SECONDS = 900.0
DURING = 0.4
"""Share of the slices that are done in the picture of a run."""
VIEWS = (
    "source1Button", "source2Button", "fusedButton", "decomposed1Button", "decomposed2Button",
    "difference1Button", "difference2Button", "spread1Button", "spread2Button",
)  # fmt: skip


class Photographer:
    """Takes numbered pictures of the main window.

    Args:
        folder: for them; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._number = folder, 0
        slicer.util.mainWindow().resize(*SIZE)

    def take(self, name: str) -> None:
        """Picture number so and so, once everything is drawn."""
        settle()
        self._number += 1
        path = self._folder / f"{self._number:02d}-{name}.png"
        if not slicer.util.mainWindow().grab().save(str(path)):
            raise OSError(f"{path} could not be written")


def settle(seconds: float = 0.5) -> None:
    """Let the window draw itself."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        slicer.app.processEvents()
    slicer.util.forceRenderAllViews()
    slicer.app.processEvents()


def wait(what: Any) -> None:
    """Let the window live until something is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(f"waited for {PATIENCE_SECONDS:.0f} s")
        slicer.app.processEvents()


def load() -> list[Any]:
    """ADC and FLAIR of the sample, the views at the tumour."""
    from InvertibleFusionPanel.sample_data import SEED, load_phantom_patient

    from InvertibleFusionLib.phantom import Patient

    # With settings switched off Slicer may start without any layout: no views to look at, or to centre on the tumour.
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    nodes = list(load_phantom_patient(("ADC", "FLAIR")).values())
    slicer.util.setSliceViewerLayers(background=nodes[0], fit=True)
    x, y, z = Patient.from_seed(SEED).lesion_centre
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, -x, -y, z, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
    return nodes


def apply(widget: Any, photographer: Photographer | None = None) -> None:
    """Press Apply and wait, with a picture on the way if wanted."""
    panel, bar = widget.panel, widget.ui.progressBar
    if not widget.ui.applyButton.enabled:
        raise RuntimeError(widget.ui.applyButton.toolTip)
    widget.ui.applyButton.click()
    if photographer is not None:
        wait(lambda: not panel.running or (bar.visible and bar.value >= DURING * bar.maximum))
        photographer.take("during")
    wait(lambda: not panel.running)
    if widget.ui.messageLabel.text:
        raise RuntimeError(widget.ui.messageLabel.text)


def photograph(folder: Path) -> None:
    """The whole series."""
    photographer = Photographer(folder)
    sources = load()
    slicer.util.selectModule("InvertibleFusion")
    from InvertibleFusionPanel.parameters import Task, Way

    widget = slicer.modules.InvertibleFusionWidget
    parameters = widget.logic.getParameterNode()
    parameters.firstSource, parameters.secondSource = sources
    parameters.task, parameters.way = Task.FUSE, Way.EXACT
    parameters.wantDecomposed = parameters.wantDifference = True
    photographer.take("before")
    apply(widget, photographer)
    photographer.take("after")
    parameters.task, parameters.way = Task.DECOMPOSE, Way.IMAGE_ALONE
    parameters.samples, parameters.wantSpread = 8, True
    apply(widget)
    for name in VIEWS:
        getattr(widget.ui, name).click()
        photographer.take(f"view-{name.removesuffix('Button')}")
    widget.ui.compareButton.click()
    photographer.take("compare")
    widget.ui.compareButton.click()
    photographer.take("back")


if __name__ == "__main__":
    code = 0
    try:
        photograph(Path(sys.argv[1]))
    except Exception:  # without an end Slicer would stay open
        logging.exception("No pictures, or not all of them.")
        code = 1
    sys.exit(code)
