from typing import Any

import numpy as np
import pytest

from InvertibleFusionLib import fuse
from InvertibleFusionLib.errors import SceneError
from InvertibleFusionLib.inference.preview import FusionPreview
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.volumes.slices import SliceStack, slice_axis

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.images import loose_node  # noqa: E402
from InvertibleFusionLib.mrml.preview import PreviewNode  # noqa: E402
from InvertibleFusionLib.mrml.shown_slice import shown_slice  # noqa: E402
from InvertibleFusionLib.mrml.volumes import sources_from_nodes, volume_from_node  # noqa: E402


@pytest.fixture
def nodes(host: Any, scene: Any, bumps: Any) -> list[Any]:
    return [host.loaded(scene, bumps("ADC")), host.loaded(scene, bumps("FLAIR", dtype="int16", seed=1))]


@pytest.mark.parametrize("axis", ["axial", "coronal"])
def test_one_slice_of_the_full_grid_is_the_slice_that_a_full_run_gives(
    scene: Any, nodes: list[Any], model: Model, axis: Any
) -> None:
    sources = sources_from_nodes(nodes)
    preview = FusionPreview(model, sources.volumes, axis=axis)
    shown = PreviewNode(scene, preview.stack, "fused ADC + FLAIR")
    full = preview.stack.slices(fuse(model, sources.volumes, axis=axis).image.array)
    for index in (2, 4):
        shown.show(index, preview.fused_slice(index))
        volume = volume_from_node(shown.node)
        slices = preview.stack.slices(volume.array)
        np.testing.assert_array_equal(slices[index], full[index])
        assert not np.delete(slices, index, axis=0).any()
    np.testing.assert_allclose(volume.grid.corners(), sources.volumes[0].grid.corners(), atol=1e-9)
    shown.add(2, preview.fused_slice(2))
    np.testing.assert_array_equal(preview.stack.slices(volume_from_node(shown.node).array)[[2, 4]], full[[2, 4]])
    display = shown.node.GetDisplayNode()
    assert display.GetWindowLevelMin() == pytest.approx(np.percentile(full[2], 0.1), abs=1e-6)
    assert display.GetWindowLevelMax() == pytest.approx(np.percentile(full[2], 99.9), abs=1e-6)


def test_a_preview_tells_views_that_it_changed_and_is_not_saved(
    host: Any, scene: Any, nodes: list[Any], model: Model
) -> None:
    parent = host.move(scene, host.rigid())
    host.put_under(parent, *nodes)
    sources = sources_from_nodes(nodes)
    preview = FusionPreview(model, sources.volumes)
    shown = PreviewNode(scene, preview.stack, "fused", sources.parent)
    assert shown.node.GetParentTransformNode() is parent
    changes = []
    shown.node.AddObserver(slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, lambda *_: changes.append(1))
    shown.show(1, preview.fused_slice(1))
    assert changes
    assert host.reopened(scene).GetFirstNodeByName("fused (preview)") is None


def test_removing_a_preview_leaves_nothing_and_a_deleted_one_is_said(
    host: Any, scene: Any, nodes: list[Any], model: Model
) -> None:
    preview = FusionPreview(model, sources_from_nodes(nodes).volumes)
    before = host.contents(scene)
    shown = PreviewNode(scene, preview.stack, "fused")
    shown.remove()
    assert host.contents(scene) == before
    shown.remove()
    with pytest.raises(SceneError, match="The preview was deleted"):
        shown.show(0, preview.fused_slice(0))
    other = PreviewNode(scene, preview.stack, "fused")
    scene.Clear(False)
    with pytest.raises(SceneError, match="The preview was deleted"):
        other.add(0, preview.fused_slice(0))


def stack_of(node: Any, axis: Any = "axial") -> SliceStack:
    grid = volume_from_node(node).grid
    return SliceStack(grid, slice_axis(grid, axis), 2)


@pytest.mark.parametrize("kind", ["none", "rigid", "bent"])
def test_a_view_in_the_plane_of_a_slice_shows_that_slice(host: Any, scene: Any, bumps: Any, kind: str) -> None:
    node = scene.AddNode(loose_node(bumps("ADC")))
    parent = None
    if kind == "rigid":
        parent = host.move(scene, host.rigid())
    if kind == "bent":
        corners = volume_from_node(node).grid.corners() * [-1, -1, 1]
        parent = host.bend(
            scene, {tuple(p): (p[0] + 0.02 * p[1], p[1] + 0.01 * p[2] + 9, p[2] + 0.02 * p[0]) for p in corners}
        )
    host.put_under(parent, node)
    stack = stack_of(node)
    red = scene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")
    for index in range(stack.count):
        corner_ras = [
            stack.grid.position(at) * [-1, -1, 1] for at in ((14, 17, index), (15, 17, index), (14, 18, index))
        ]
        world = []
        for point in corner_ras:
            place = [0.0, 0.0, 0.0]
            node.TransformPointToWorld(point.tolist(), place)
            world.append(np.array(place))
        along = (world[1] - world[0]) / np.linalg.norm(world[1] - world[0])
        normal = np.cross(along, world[2] - world[0])
        normal /= np.linalg.norm(normal)
        red.SetSliceToRASByNTP(*normal, *along, *world[0], 0)
        found = shown_slice(red, stack, parent, "ADC")
        assert (found.index, found.note) == (index, "")


def test_a_view_that_shows_no_slice_says_so_and_takes_the_nearest(host: Any, scene: Any, bumps: Any) -> None:
    node = scene.AddNode(loose_node(bumps("ADC")))
    stack = stack_of(node)
    red = scene.AddNewNodeByClass("vtkMRMLSliceNode", "Yellow")
    normal, along = (stack.grid.axes[:, axis] * [-1, -1, 1] for axis in (2, 0))
    middle = stack.grid.position((14, 17, 2)) * [-1, -1, 1]
    red.SetSliceToRASByNTP(*along, *normal, *middle, 0)
    found = shown_slice(red, stack, None, "ADC")
    assert found.index == 2
    assert found.note == (
        "The view Yellow is turned by 90° against the slices of ADC. "
        "Slice 3 of 6, the nearest to the middle of the view, is used."
    )
    red.SetSliceToRASByNTP(*normal, *along, *(middle + 60 * normal), 0)
    found = shown_slice(red, stack, None, "ADC")
    assert found.index == 5
    assert found.note.startswith("The view Yellow shows a place beyond ADC. Slice 6 of 6")
    tilted = normal * np.cos(0.05) + along * np.sin(0.05)  # 3°
    red.SetSliceToRASByNTP(*tilted, *along, *middle, 0)
    assert shown_slice(red, stack, None, "ADC").note == ""
    back = (-normal).tolist()
    red.SetSliceToRASByNTP(*back, *along, *middle, 0)
    assert shown_slice(red, stack, None, "ADC").index == 2
