"""Models too slow for the window's own process: they go on in another, and give the same results."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from scans import scan, synthesis_model

from InvertibleFusionLib import fuse, load_model
from InvertibleFusionLib.mrml.views import family_of
from InvertibleFusionLib.mrml.volumes import volume_from_node


@pytest.fixture
def slow(panel: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Any pace is slow here; the process finds neither what Slicer lacks nor Numba, whose compilation takes long."""
    from InvertibleFusionPanel import slow_runs

    for name in ("numba", "jsonargparse", "tqdm", "yaml"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('left out')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(slow_runs, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(slow_runs, "WORTH_SECONDS", 0.0)


@pytest.fixture
def sources(panel: Any, slow: None) -> list[Any]:
    nodes = [scan("T1Gd"), scan("FLAIR", 1)]
    panel.choose(*nodes)
    return nodes


def test_a_slow_run_goes_on_in_a_process_with_the_same_result(panel: Any, sources: list[Any]) -> None:
    before = [slicer.util.arrayFromVolume(node).copy() for node in sources]
    panel.apply()
    panel.step(3)
    process = panel.panel.work.process
    assert process is not None
    assert not panel.panel.work.control.running
    assert panel.ui.applyButton.text == "Cancel"
    panel.ui.taskComboBox.setCurrentIndex(2)  # what is chosen meanwhile is for the next run
    panel.ui.wayComboBox.setCurrentIndex(1)
    panel.wait(lambda: not panel.panel.running)
    assert not panel.ui.messageLabel.text
    fused = panel.parameters.result
    expected = fuse(load_model("fusioninn-t1gd-flair"), [volume_from_node(node) for node in sources])
    # The process may have other kernels, which differ by rounding.
    assert fused.GetName() == "fused T1Gd + FLAIR"
    assert np.abs(slicer.util.arrayFromVolume(fused) - expected.image.array).max() <= 1e-5
    family = family_of(fused)
    for number, original in enumerate(before, 1):
        back = slicer.util.arrayFromVolume(family.decomposed[number])
        assert np.abs(back - original).max() <= 1e-5 * np.ptp(original)
        assert family.sources[number] is sources[number - 1]


def test_cancelling_ends_the_process_and_leaves_nothing(panel: Any, sources: list[Any]) -> None:
    import qt

    count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLVolumeNode")
    panel.apply()
    panel.step(3)
    process, folder = panel.panel.work.process._process, panel.panel.work.process._out.parent
    assert folder.is_dir()
    panel.ui.applyButton.click()
    assert process.state() == qt.QProcess.NotRunning
    assert not folder.exists()
    assert not panel.panel.running
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == count


def test_a_process_that_dies_is_a_sentence(panel: Any, sources: list[Any]) -> None:
    panel.apply()
    panel.step(3)
    panel.panel.work.process._process.kill()
    panel.wait(lambda: not panel.panel.running)
    assert panel.ui.messageLabel.text == "The process for this run ended without a result: Process crashed."


def test_a_process_that_cannot_be_started_is_a_sentence(
    panel: Any, sources: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from InvertibleFusionPanel import separate_process

    monkeypatch.setattr(separate_process.shutil, "which", lambda _: "/nowhere/PythonSlicer")
    panel.apply()
    panel.step(3)
    panel.wait(lambda: not panel.panel.running)
    assert panel.ui.messageLabel.text.startswith("The process for this run ended without a result: ")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script")
def test_the_last_line_that_a_failed_process_says_is_the_sentence_in_the_panel(
    panel: Any, sources: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from InvertibleFusionPanel import separate_process

    script = tmp_path / "PythonSlicer"
    script.write_text("#!/bin/sh\necho a warning >&2\necho T1Gd is constant. >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(separate_process.shutil, "which", lambda _: str(script))
    panel.apply()
    panel.step(3)
    panel.wait(lambda: not panel.panel.running)
    assert panel.ui.messageLabel.text == "T1Gd is constant."
    assert panel.parameters.result is None


def test_a_slow_synthesis_of_two_contrasts_and_its_way_back(panel: Any, slow: None, tmp_path: Path) -> None:
    nodes = [scan("T1"), scan("PD", 1)]
    before = [slicer.util.arrayFromVolume(node).copy() for node in nodes]
    panel.choose(*nodes)
    panel.ui.taskComboBox.setCurrentIndex(2)
    panel.panel.openModel(str(synthesis_model(tmp_path, ["T1", "PD"], ["T2", "FLAIR"])))
    panel.apply()
    panel.step(3)
    assert panel.panel.work.process is not None
    panel.wait(lambda: not panel.panel.running)
    assert not panel.ui.messageLabel.text
    family = family_of(panel.parameters.result)
    assert [node.GetName() for node in family.images] == ["SYNTHETIC T2", "SYNTHETIC FLAIR"]
    panel.ui.taskComboBox.setCurrentIndex(1)
    panel.apply()
    panel.step(3)
    assert panel.panel.work.process is not None
    panel.wait(lambda: not panel.panel.running)
    assert not panel.ui.messageLabel.text
    back = family_of(panel.parameters.result).decomposed
    for number, original in enumerate(before, 1):
        assert np.abs(slicer.util.arrayFromVolume(back[number]) - original).max() <= 1e-4 * np.ptp(original)


def test_a_source_deleted_while_the_process_ran_keeps_its_results_out_of_the_scene(
    panel: Any, sources: list[Any], tmp_path: Path
) -> None:
    from InvertibleFusionPanel.slow_runs import slowRun

    from InvertibleFusionLib.errors import SceneError

    slow = slowRun(panel.logic, panel.parameters)
    slicer.mrmlScene.RemoveNode(sources[1])
    with pytest.raises(SceneError, match="FLAIR, the source of this run, was deleted from the scene"):
        slow.finish(tmp_path)
