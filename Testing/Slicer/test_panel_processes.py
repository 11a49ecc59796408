"""Models too slow for the window's own process: they go on in another, and give the same results."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from scans import scan

from InvertibleFusionLib import fuse, load_model
from InvertibleFusionLib.mrml.views import family_of
from InvertibleFusionLib.mrml.volumes import volume_from_node


@pytest.fixture
def sources(panel: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Any pace is slow here; the process finds no Numba, whose compilation would take most of the time."""
    from InvertibleFusionPanel import slow_runs

    (tmp_path / "numba.py").write_text("raise ImportError('left out')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(slow_runs, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(slow_runs, "WORTH_SECONDS", 0.0)
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
    assert panel.ui.messageLabel.text == "The process that computed the result was stopped."


def test_what_the_command_line_says_last_is_the_sentence_in_the_panel() -> None:
    from InvertibleFusionPanel.command_line import _lastLine

    said = "fusing:  50%|#####     | 3/6 [00:01<00:01]\rT1Gd has 3 voxels that are not finite.\n\n"
    assert _lastLine(said) == "T1Gd has 3 voxels that are not finite."
    assert _lastLine("fusing:  50%|#####     | 3/6 [00:01<00:01]") == ""


def test_a_source_deleted_while_the_process_ran_keeps_its_results_out_of_the_scene(
    panel: Any, sources: list[Any], tmp_path: Path
) -> None:
    from InvertibleFusionPanel.slow_runs import slowRun

    from InvertibleFusionLib.errors import SceneError

    slow = slowRun(panel.logic, panel.parameters)
    slicer.mrmlScene.RemoveNode(sources[1])
    with pytest.raises(SceneError, match="FLAIR, the source of this run, was deleted from the scene"):
        slow.finish(tmp_path)


def test_without_what_the_command_line_needs_the_window_goes_on_itself(
    panel: Any, sources: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from InvertibleFusionPanel import slow_runs

    monkeypatch.setattr(slow_runs, "canRun", lambda: False)
    panel.apply()
    panel.step(3)
    assert panel.panel.work.process is None
    panel.wait(lambda: not panel.panel.running)
    assert not panel.ui.messageLabel.text
