"""From choosing to results, and everything that can come between."""

import json
from typing import Any

import numpy as np
import pytest
import slicer
from driving import tool_tip
from scans import SIZE, scan

from InvertibleFusionLib import fuse, load_model
from InvertibleFusionLib.errors import InferenceError
from InvertibleFusionLib.mrml.provenance import record_of
from InvertibleFusionLib.mrml.views import family_of
from InvertibleFusionLib.mrml.volumes import volume_from_node


def voxels(node: Any) -> np.ndarray:
    return np.array(slicer.util.arrayFromVolume(node))


def volumes() -> set[str]:
    scene = slicer.mrmlScene
    count = scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode")
    return {scene.GetNthNodeByClass(number, "vtkMRMLVolumeNode").GetName() for number in range(count)}


@pytest.fixture
def sources(panel: Any) -> list[Any]:
    nodes = [scan("T1Gd"), scan("FLAIR", 1)]
    panel.choose(*nodes)
    return nodes


def test_a_click_fuses_and_takes_apart_exactly(panel: Any, sources: list[Any]) -> None:
    before = [voxels(node) for node in sources]
    panel.ui.differenceCheckBox.checked = True
    result = panel.run()
    assert result.GetName() == "fused T1Gd + FLAIR"
    expected = fuse(load_model("fusioninn-t1gd-flair"), [volume_from_node(node) for node in sources])
    np.testing.assert_array_equal(voxels(result), expected.image.array)
    family = family_of(result)
    for number, original in enumerate(before, 1):
        assert np.abs(voxels(family.decomposed[number]) - original).max() <= 1e-5 * np.ptp(original)
        assert np.abs(voxels(family.differences[number])).max() <= 1e-5 * np.ptp(original)
        np.testing.assert_array_equal(voxels(sources[number - 1]), original)
    assert family.latent is not None
    assert not panel.ui.messageLabel.text
    assert panel.ui.applyButton.text == "Apply"
    panel.ui.copyRecordButton.click()
    assert json.loads(slicer.app.clipboard().text()) == record_of(result)


def test_apply_turns_into_cancel_and_says_how_far_it_is(panel: Any, sources: list[Any]) -> None:
    ui, before = panel.ui, volumes()
    panel.apply()
    assert ui.applyButton.text == "Cancel"
    panel.step()
    assert ui.progressLabel.text == f"Slice 1 of {SIZE[2]}, 0 s elapsed"
    panel.step(2)
    assert ui.progressLabel.text.startswith(f"Slice 3 of {SIZE[2]}, ")
    assert ui.progressLabel.text.endswith(" left")
    assert (ui.progressBar.value, ui.progressBar.maximum) == (3, SIZE[2])
    ui.applyButton.click()
    panel.settle()
    assert not panel.panel.running
    assert ui.messageLabel.text == "Cancelled. The scene is as it was."
    assert ui.applyButton.text == "Apply"
    assert volumes() == before
    assert ui.progressBar.isHidden()
    panel.run()  # and again from the start


def test_the_slice_that_is_shown_comes_first_and_is_seen_at_once(panel: Any, sources: list[Any]) -> None:
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    bounds = [0.0] * 6
    sources[0].GetRASBounds(bounds)
    red.SetSliceOffset(bounds[4] + 6.0 * 4.5)  # the fifth slice of six
    panel.apply()
    panel.step()
    shown = slicer.mrmlScene.GetFirstNodeByName("under way (preview)")
    filled = [bool(image.any()) for image in voxels(shown)]
    assert filled == [False, False, False, False, True, False]
    composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert composite.GetForegroundVolumeID() == shown.GetID()
    panel.wait(lambda: not panel.panel.running)
    assert shown.GetScene() is None


def test_while_the_image_is_taken_apart_the_fused_image_stays_in_view(panel: Any, sources: list[Any]) -> None:
    panel.apply()
    panel.step(SIZE[2] + 3)
    assert panel.ui.progressLabel.text.startswith(f"Slice 3 of {SIZE[2]}")
    shown = slicer.mrmlScene.GetFirstNodeByName("under way (preview)")
    np.testing.assert_array_equal(voxels(shown), voxels(slicer.mrmlScene.GetFirstNodeByName("fused T1Gd + FLAIR")))
    panel.ui.applyButton.click()
    assert "fused T1Gd + FLAIR" in volumes()  # what was complete stays


def test_a_mistake_of_ours_ends_the_run_and_is_not_hidden(
    panel: Any, sources: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from InvertibleFusionLib.inference import slice_engine

    before = volumes()
    panel.apply()
    panel.step(2)
    monkeypatch.setattr(slice_engine, "_compute", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        panel.step()
    assert panel.ui.messageLabel.text.startswith("The run stopped at a mistake in the program.")
    assert not panel.panel.running
    assert volumes() == before


def test_from_the_image_alone_there_is_a_spread_of_the_chosen_draws(panel: Any, sources: list[Any]) -> None:
    panel.ui.wayComboBox.setCurrentIndex(1)
    panel.ui.spreadCheckBox.checked = True
    panel.ui.samplesSpinBox.value = 3
    panel.ui.seedSpinBox.value = 5
    family = family_of(panel.run())
    record = record_of(family.spreads[1])
    assert (record["settings"]["samples"], record["settings"]["seed"]) == (3, 5)
    assert voxels(family.spreads[1]).max() > 0
    assert panel.ui.spread2Button.enabled


def test_running_again_makes_new_volumes_or_updates_as_chosen(panel: Any, sources: list[Any]) -> None:
    first = panel.run()
    count = len(volumes())
    second = panel.run()
    assert second is not first
    assert len(volumes()) == count + 4
    panel.ui.writeIntoComboBox.setCurrentIndex(1)
    values = voxels(second)
    voxels_of_source = slicer.util.arrayFromVolume(sources[0])
    voxels_of_source[:] = voxels_of_source[::-1].copy()
    slicer.util.arrayFromVolumeModified(sources[0])
    third = panel.run()
    assert third is second
    assert len(volumes()) == count + 4
    assert not np.array_equal(voxels(third), values)


def test_only_wanted_outputs_enter_the_scene(panel: Any, sources: list[Any]) -> None:
    for name in ("decomposedCheckBox", "differenceCheckBox"):
        getattr(panel.ui, name).checked = False
    panel.ui.latentCheckBox.checked = False
    before = volumes()
    panel.run()
    assert volumes() - before == {"fused T1Gd + FLAIR"}
    panel.ui.taskComboBox.setCurrentIndex(1)
    assert tool_tip(panel.ui.applyButton) == "Tick at least one output."
    panel.ui.decomposedCheckBox.checked = True
    assert "has no latent in the scene" in tool_tip(panel.ui.applyButton)
    panel.ui.wayComboBox.setCurrentIndex(1)
    panel.run()
    assert set(family_of(panel.parameters.result).decomposed) == {1, 2}


def test_a_source_that_is_deleted_during_the_run_stops_it_with_a_sentence(panel: Any, sources: list[Any]) -> None:
    panel.apply()
    panel.step(2)
    slicer.mrmlScene.RemoveNode(sources[1])
    before = volumes()
    panel.wait(lambda: not panel.panel.running)
    assert panel.ui.messageLabel.text.startswith("FLAIR, the volume FLAIR of this run, was deleted from the scene")
    assert volumes() <= before
    assert "fused T1Gd + FLAIR" not in volumes()


@pytest.mark.parametrize(
    ("mishap", "sentence"),
    [
        (MemoryError(), "The memory does not suffice for volumes of this size."),
        (InferenceError("A single slice does not fit into this computer's memory."), "A single slice does not fit"),
    ],
)
def test_out_of_memory_is_a_sentence_and_leaves_the_scene_as_it_was(
    panel: Any, sources: list[Any], monkeypatch: pytest.MonkeyPatch, mishap: Exception, sentence: str
) -> None:
    from InvertibleFusionLib.inference import slice_engine

    def fail(*_: object) -> None:
        raise mishap

    before = volumes()
    panel.apply()
    panel.step(2)
    monkeypatch.setattr(slice_engine, "_compute", fail)
    panel.wait(lambda: not panel.panel.running)
    assert panel.ui.messageLabel.text.startswith(sentence)
    assert volumes() == before
    assert panel.ui.applyButton.enabled


def test_a_constant_source_is_refused_in_a_sentence(panel: Any, sources: list[Any]) -> None:
    slicer.util.arrayFromVolume(sources[1])[:] = 7
    slicer.util.arrayFromVolumeModified(sources[1])
    before = volumes()
    panel.apply()
    panel.wait(lambda: not panel.panel.running)
    assert "FLAIR" in panel.ui.messageLabel.text
    assert volumes() == before


def test_missing_packages_are_asked_for_on_apply_and_refusing_is_a_sentence(
    panel: Any, sources: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from InvertibleFusionPanel import panel as code

    from InvertibleFusionLib.errors import InvertibleFusionError

    def refuse(requester: str) -> None:
        raise InvertibleFusionError(f"{requester} needs torch, which was not installed.")

    monkeypatch.setattr(code, "ensure_dependencies", refuse)
    monkeypatch.setattr(code, "missing_dependencies", lambda: ["torch>=2.4"])
    panel.ui.livePreviewCheckBox.checked = True
    assert "after the first Apply" in panel.ui.previewLabel.text
    panel.apply()
    assert panel.ui.messageLabel.text == "Invertible Fusion needs torch, which was not installed."
    assert not panel.panel.running


def test_the_window_lives_while_a_run_goes_on(panel: Any) -> None:
    """Other timers fire between two slices: that is what keeps a window responsive."""
    import qt

    panel.choose(scan("T1Gd", size=(24, 20, 40)), scan("FLAIR", 1, size=(24, 20, 40)))
    ticks = []
    timer = qt.QTimer()
    timer.setInterval(1)
    timer.connect("timeout()", lambda: ticks.append(panel.ui.progressBar.value))
    timer.start()
    panel.run()
    timer.stop()
    assert len(set(ticks)) > 10


def test_without_a_panel_the_logic_does_the_same(panel: Any, sources: list[Any]) -> None:
    parameters = panel.parameters
    parameters.wantDecomposed = False
    nodes = panel.logic.process(parameters)
    assert sorted(nodes) == ["fused", "latent"]
    assert parameters.result is nodes["fused"]


def test_a_fused_image_of_the_command_line_comes_apart_from_what_it_alone_tells(
    panel: Any, sources: list[Any], tmp_path: Any
) -> None:
    path = tmp_path / "fused.nrrd"
    fuse(load_model("fusioninn-t1gd-flair"), [volume_from_node(node) for node in sources]).image.write(path)
    logic = slicer.vtkSlicerVolumesLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    loaded = logic.AddArchetypeVolume(str(path), "fused", 0)
    logic.SetMRMLScene(None)
    panel.ui.taskComboBox.setCurrentIndex(1)
    panel.ui.resultSelector.setCurrentNode(loaded)
    assert panel.ui.modelComboBox.currentText.startswith("fusioninn-t1gd-flair ")
    assert "Fused from T1Gd + FLAIR" in panel.ui.aboutText.toPlainText()
    panel.ui.wayComboBox.setCurrentIndex(1)
    panel.run()
    assert set(family_of(loaded).decomposed) == {1, 2}


def test_a_scan_cannot_be_taken_apart_and_is_left_as_it_is(panel: Any, sources: list[Any]) -> None:
    panel.ui.taskComboBox.setCurrentIndex(1)
    panel.ui.resultSelector.setCurrentNode(sources[0])
    assert tool_tip(panel.ui.applyButton) == (
        "T1Gd carries no record of the model that made it. Choose an image made here."
    )
    panel.ui.writeIntoComboBox.setCurrentIndex(1)
    panel.ui.taskComboBox.setCurrentIndex(0)
    before = voxels(sources[0])
    panel.apply()
    panel.wait(lambda: not panel.panel.running)
    assert panel.ui.messageLabel.text == (
        "T1Gd is what the result is made of and is never changed. Choose another output."
    )
    np.testing.assert_array_equal(voxels(sources[0]), before)
