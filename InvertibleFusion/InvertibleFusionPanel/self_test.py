"""The self test in the application: the phantom is fused, taken apart and looked at through the panel's own widgets."""

import time
from typing import Any

import numpy as np
import slicer

from InvertibleFusionLib.mrml.geometry import ijk_to_ras
from InvertibleFusionLib.mrml.views import Family, family_of
from InvertibleFusionPanel.parameters import Task, Way
from InvertibleFusionPanel.sample_data import load_phantom_patient

PATIENCE_SECONDS = 600.0
EXACTLY = 1e-4
"""Of a source's range: float32 there and back again stays below it."""
SHOWN_BY_DEFAULT = "Red"


def run_self_test(test: Any) -> None:
    """Load, fuse, take apart exactly and from the image alone, and toggle every view.

    Args:
        test: a ``ScriptedLoadableModuleTest``, which says what is going on; the scene should be empty.

    Raises:
        AssertionError: naming what is wrong.
    """
    test.delayDisplay("A small phantom patient is simulated, fused and taken apart.")
    sources = load_phantom_patient(("ADC", "FLAIR"), small_grid())
    before = {name: slicer.util.arrayFromVolume(node).copy() for name, node in sources.items()}
    slicer.modules.invertiblefusion.widgetRepresentation()  # makes the panel where nobody has opened it yet
    widget = slicer.modules.InvertibleFusionWidget
    widget.enter()
    parameters = widget.logic.getParameterNode()
    parameters.firstSource, parameters.secondSource = sources.values()
    parameters.task, parameters.way = Task.FUSE, Way.EXACT
    parameters.keepLatent = parameters.wantDecomposed = parameters.wantDifference = True
    _apply(widget)
    fused = parameters.result
    _check_fusion(family_of(fused), sources)

    parameters.task, parameters.way = Task.DECOMPOSE, Way.IMAGE_ALONE
    parameters.samples, parameters.wantSpread = 2, True
    _apply(widget)
    assert parameters.result is fused
    family = family_of(fused)
    _check_seen(family, sources)
    _toggle_views(widget.ui, family)
    for name, node in sources.items():
        assert np.array_equal(slicer.util.arrayFromVolume(node), before[name]), f"{name} was changed"


def small_grid() -> Any:
    """Six slices through the sample's tumour, coarse and turned, so that mistakes of geometry show."""
    from InvertibleFusionLib.volumes.grid import Grid

    cosine, sine = np.cos(np.radians(8.0)), np.sin(np.radians(8.0))
    direction = (cosine, -sine, 0.0, sine, cosine, 0.0, 0.0, 0.0, 1.0)
    return Grid((60, 72, 6), (3.0, 3.0, 6.0), (-72.0, -116.0, 12.0), tuple(float(value) for value in direction))


def _apply(widget: Any) -> None:
    """Press Apply and let the window live until the run is over."""
    button = widget.ui.applyButton
    assert button.enabled, button.toolTip
    button.click()
    assert widget.panel.running, widget.ui.messageLabel.text
    end = time.monotonic() + PATIENCE_SECONDS
    while widget.panel.running:
        assert time.monotonic() < end, "the run does not end"
        slicer.app.processEvents()
    assert not widget.ui.messageLabel.text, widget.ui.messageLabel.text


def _check_fusion(family: Family, sources: dict[str, Any]) -> None:
    image = slicer.util.arrayFromVolume(family.fused)
    assert 0 <= image.min() < image.max() <= 1, f"fused from {image.min()} to {image.max()}"
    assert family.latent is not None
    for number, (name, source) in enumerate(sources.items(), 1):
        assert family.sources[number] is source
        original, recovered = (slicer.util.arrayFromVolume(node) for node in (source, family.decomposed[number]))
        error = float(np.abs(recovered - original.astype(np.float64)).max()) / float(np.ptp(original))
        assert error < EXACTLY, f"{name} comes back with an error of {error:.1e} of its range"
    _check_place([family.fused, family.latent, *family.decomposed.values()], next(iter(sources.values())))


def _check_seen(family: Family, sources: dict[str, Any]) -> None:
    for number in range(1, len(sources) + 1):
        spread = slicer.util.arrayFromVolume(family.spreads[number])
        assert np.isfinite(spread).all()
        assert 0 <= spread.min() < spread.max()
    _check_place([*family.decomposed.values(), *family.spreads.values()], next(iter(sources.values())))


def _check_place(nodes: list[Any], source: Any) -> None:
    """Results lie on the first source's grid, voxel by voxel."""
    for node in nodes:
        assert node.GetImageData().GetDimensions() == source.GetImageData().GetDimensions()
        assert np.allclose(ijk_to_ras(node), ijk_to_ras(source), atol=1e-3), f"{node.GetName()} lies elsewhere"


def _toggle_views(ui: Any, family: Family) -> None:
    """Every button shows its volume in the slice views."""
    composite = _composite()
    shown = {
        "source1Button": family.sources[1],
        "source2Button": family.sources[2],
        "fusedButton": family.fused,
        "decomposed1Button": family.decomposed[1],
        "decomposed2Button": family.decomposed[2],
        "difference1Button": family.differences[1],
        "difference2Button": family.differences[2],
        "spread1Button": family.spreads[1],
        "spread2Button": family.spreads[2],
    }
    for name, node in shown.items():
        button = getattr(ui, name)
        assert button.enabled, f"{name}: {button.toolTip}"
        button.click()
        on_top = composite.GetForegroundOpacity() > 0
        seen = composite.GetForegroundVolumeID() if on_top else composite.GetBackgroundVolumeID()
        assert seen == node.GetID(), f"{name} shows another volume"


def _composite() -> Any:
    """What a slice view shows; without a main window there are no views, and one is made."""
    scene = slicer.mrmlScene
    found = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    if found is not None:
        return found
    node = slicer.vtkMRMLSliceCompositeNode()
    node.SetLayoutName(SHOWN_BY_DEFAULT)
    return scene.AddNode(node)
