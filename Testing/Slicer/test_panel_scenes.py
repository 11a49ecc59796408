"""Scenes that are closed, saved and reopened, and a module that is reloaded, at any moment."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from driving import tool_tip
from scans import scan

from InvertibleFusionLib.mrml.views import family_of


@pytest.fixture
def sources(panel: Any) -> list[Any]:
    nodes = [scan("T1Gd"), scan("FLAIR", 1)]
    panel.choose(*nodes)
    return nodes


def volume_count() -> int:
    return int(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLVolumeNode"))


def test_a_scene_closed_during_a_run_stops_it_with_a_sentence(panel: Any, sources: list[Any]) -> None:
    panel.apply()
    panel.step(2)
    slicer.mrmlScene.Clear(0)
    panel.settle()
    assert not panel.panel.running
    assert panel.ui.messageLabel.text == "The scene was closed; the run was stopped."
    assert volume_count() == 0
    assert tool_tip(panel.ui.applyButton) == "Choose the first source."
    panel.choose(scan("T1Gd"), scan("FLAIR", 1))
    panel.run()


def test_a_scene_closed_during_a_preview_leaves_nothing_behind(panel: Any, sources: list[Any]) -> None:
    panel.ui.livePreviewCheckBox.checked = True
    panel.settle()
    assert volume_count() == 3
    slicer.mrmlScene.Clear(0)
    panel.settle()
    assert volume_count() == 0
    assert panel.ui.livePreviewCheckBox.checked is False


def test_a_scene_closed_while_another_module_is_open(panel: Any, sources: list[Any]) -> None:
    panel.apply()
    panel.step(2)
    panel.module.exit()
    slicer.mrmlScene.Clear(0)
    panel.settle()
    assert not panel.panel.running
    panel.module.enter()
    assert tool_tip(panel.ui.applyButton) == "Choose the first source."


def test_a_run_goes_on_while_another_module_is_open(panel: Any, sources: list[Any]) -> None:
    panel.apply()
    panel.step(2)
    panel.module.exit()
    panel.wait(lambda: not panel.panel.running)
    panel.module.enter()
    assert panel.parameters.result.GetName() == "fused T1Gd + FLAIR"
    assert panel.ui.applyButton.text == "Apply"
    assert panel.ui.fusedButton.enabled


def test_a_reopened_scene_brings_its_choices_and_its_fused_image_comes_apart_exactly(
    panel: Any, sources: list[Any], tmp_path: Path
) -> None:
    before = [slicer.util.arrayFromVolume(node).copy() for node in sources]
    panel.ui.seedSpinBox.value = 11
    panel.ui.decomposedCheckBox.checked = False
    panel.run()
    folder = tmp_path / "scene"
    folder.mkdir()
    assert slicer.mrmlScene.SaveSceneToSlicerDataBundleDirectory(str(folder))
    slicer.mrmlScene.Clear(0)
    assert panel.parameters.seed == 0
    slicer.mrmlScene.SetURL(str(next(folder.glob("*.mrml"))))
    assert slicer.mrmlScene.Import()
    panel.settle()
    assert panel.ui.seedSpinBox.value == 11
    assert panel.ui.resultSelector.currentNode().GetName() == "fused T1Gd + FLAIR"
    panel.ui.taskComboBox.setCurrentIndex(1)
    panel.ui.decomposedCheckBox.checked = True
    panel.run()
    family = family_of(panel.parameters.result)
    for number, original in enumerate(before, 1):
        back = slicer.util.arrayFromVolume(family.decomposed[number])
        assert np.abs(back - original).max() <= 1e-5 * np.ptp(original)
    assert "Fused from T1Gd + FLAIR" in panel.ui.aboutText.toPlainText()


@pytest.fixture
def developer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Developer mode, and the packages as they were before."""
    ours = ("InvertibleFusion", "InvertibleFusionLib", "InvertibleFusionPanel")
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] in ours}
    # Slicer's own buttons for developers, built with an argument that PySide6 refuses, are not what is tested.
    base = sys.modules["InvertibleFusion"].ScriptedLoadableModuleWidget
    monkeypatch.setattr(base, "setupDeveloperSection", lambda _: None, raising=False)
    value = slicer.util.settingsValue
    monkeypatch.setattr(
        slicer.util,
        "settingsValue",
        lambda key, *rest, **more: True if key == "Developer/DeveloperMode" else value(key, *rest, **more),
    )
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ours]:
        del sys.modules[name]
    sys.modules.update(kept)


def test_a_module_reloaded_during_a_run_stops_it_and_works_again(
    panel: Any, sources: list[Any], developer: None
) -> None:
    old, before = panel.panel, volume_count()
    panel.apply()
    panel.step(2)
    slicer.util.reloadScriptedModule("InvertibleFusion")
    panel.settle()
    assert not old.running
    assert panel.panel is not old
    assert volume_count() == before
    panel.module.enter()
    assert type(panel.panel) is not type(old)  # the packages were loaded anew, too
    panel.run()
    assert volume_count() == before + 4
