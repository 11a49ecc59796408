"""The live preview: the slice that is looked at, at once."""

from typing import Any

import numpy as np
import pytest
import slicer
from scans import scan

from InvertibleFusionLib import fuse, load_model
from InvertibleFusionLib.mrml.volumes import volume_from_node


@pytest.fixture(autouse=True)
def _no_slice_is_slow(monkeypatch: pytest.MonkeyPatch, panel: Any) -> None:
    """On a busy machine any slice can be; the next one would then be waited for."""
    from InvertibleFusionPanel import live_preview

    monkeypatch.setattr(live_preview, "SLOW_SECONDS", float("inf"))


@pytest.fixture
def sources(panel: Any) -> list[Any]:
    nodes = [scan("T1Gd"), scan("FLAIR", 1)]
    panel.choose(*nodes)
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    red.SetSliceOffset(nodes[0].GetOrigin()[2] + 12.0)  # the third slice
    panel.ui.livePreviewCheckBox.checked = True
    panel.settle()
    return nodes


def preview() -> Any:
    scene = slicer.mrmlScene
    return next(
        (node for node in scene.GetNodesByClass("vtkMRMLScalarVolumeNode") if "(preview)" in node.GetName()), None
    )


def filled() -> list[int]:
    return [number for number, image in enumerate(slicer.util.arrayFromVolume(preview())) if image.any()]


def test_it_shows_the_fused_slice_over_the_first_source(panel: Any, sources: list[Any]) -> None:
    full = fuse(load_model("fusioninn-t1gd-flair"), [volume_from_node(node) for node in sources]).image.array
    assert filled() == [2]
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(preview())[2], full[2])
    composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert composite.GetBackgroundVolumeID() == sources[0].GetID()
    assert composite.GetForegroundVolumeID() == preview().GetID()
    assert panel.ui.previewLabel.text == ""


def test_it_follows_the_slice_the_inputs_and_the_model(panel: Any, sources: list[Any]) -> None:
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    red.SetSliceOffset(sources[0].GetOrigin()[2] + 24.0)
    panel.settle()
    assert filled() == [4]
    before = slicer.util.arrayFromVolume(preview())[4].copy()
    panel.parameters.model = "fusioninn-t1gd-flair-paper"
    panel.settle()
    other = slicer.util.arrayFromVolume(preview())[4].copy()
    assert np.abs(other - before).max() > 1e-3
    panel.choose(sources[1], sources[0])
    panel.settle()
    assert np.abs(slicer.util.arrayFromVolume(preview())[4] - other).max() > 1e-3


def test_a_source_whose_voxels_change_is_fused_anew(panel: Any, sources: list[Any]) -> None:
    before = slicer.util.arrayFromVolume(preview())[2].copy()
    array = slicer.util.arrayFromVolume(sources[1])
    array[:] = array[:, ::-1].copy()
    slicer.util.arrayFromVolumeModified(sources[1])
    slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").Modified()
    panel.settle()
    assert np.abs(slicer.util.arrayFromVolume(preview())[2] - before).max() > 1e-3


def test_a_slice_seen_before_is_not_shown_as_it_was_before_a_change(panel: Any, sources: list[Any]) -> None:
    red, origin = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed"), sources[0].GetOrigin()[2]
    before = slicer.util.arrayFromVolume(preview())[2].copy()
    for place in (24.0, 12.0):
        red.SetSliceOffset(origin + place)
        panel.settle()
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(preview())[2], before)
    red.SetSliceOffset(origin + 24.0)
    panel.settle()
    slicer.util.arrayFromVolume(sources[1])[2, 3, 3] += 50
    slicer.util.arrayFromVolumeModified(sources[1])
    red.SetSliceOffset(origin + 12.0)
    panel.settle()
    full = fuse(load_model("fusioninn-t1gd-flair"), [volume_from_node(node) for node in sources]).image.array
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(preview())[2], full[2])
    assert np.abs(full[2] - before).max() > 0


def test_when_no_view_shows_the_slice_axis_a_line_says_so(panel: Any, sources: list[Any]) -> None:
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpYellowSliceView)
    panel.settle()
    assert "turned by 90° against the slices of T1Gd" in panel.ui.previewLabel.text
    assert len(filled()) == 1


def test_switching_it_off_or_leaving_takes_it_out_of_the_scene(panel: Any, sources: list[Any]) -> None:
    panel.ui.livePreviewCheckBox.checked = False
    assert preview() is None
    panel.ui.livePreviewCheckBox.checked = True
    panel.settle()
    assert preview() is not None
    panel.module.exit()
    assert preview() is None
    panel.module.enter()
    panel.settle()
    assert preview() is not None


def test_a_preview_that_the_user_deletes_does_not_break_the_panel(panel: Any, sources: list[Any]) -> None:
    slicer.mrmlScene.RemoveNode(preview())
    panel.settle()
    slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").SetSliceOffset(sources[0].GetOrigin()[2])
    panel.settle()
    assert filled() == [0]


def test_after_a_run_the_box_stays_ticked_and_the_result_is_in_view(panel: Any, sources: list[Any]) -> None:
    panel.ui.decomposedCheckBox.checked = False
    result = panel.run()
    panel.settle()
    assert panel.ui.livePreviewCheckBox.checked
    assert preview() is None
    composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert composite.GetBackgroundVolumeID() == result.GetID()
    assert panel.ui.previewLabel.text == (
        "fused T1Gd + FLAIR shows every slice. The preview goes on when inputs or model change."
    )
    slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").SetSliceOffset(sources[0].GetOrigin()[2])
    panel.settle()
    assert preview() is None  # the result shows this slice, too
    panel.module.exit()
    panel.module.enter()
    panel.settle()
    assert preview() is None
    panel.parameters.model = "fusioninn-t1gd-flair-paper"
    panel.settle()
    assert preview() is not None
    assert panel.ui.previewLabel.text == ""


def test_another_model_chosen_during_the_run_is_previewed_after_it(panel: Any, sources: list[Any]) -> None:
    panel.apply()
    panel.step(2)
    panel.parameters.model = "fusioninn-t1gd-flair-paper"
    panel.wait(lambda: not panel.panel.running)
    panel.settle()
    assert filled() == [2]


def test_the_preview_goes_on_when_the_result_is_deleted(panel: Any, sources: list[Any]) -> None:
    result = panel.run()
    panel.settle()
    slicer.mrmlScene.RemoveNode(result)
    panel.settle()
    assert filled() == [2]
