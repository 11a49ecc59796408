from typing import Any

import numpy as np
import pytest

from InvertibleFusionLib.errors import SceneError
from InvertibleFusionLib.volumes.volume import Volume

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.images import loose_node  # noqa: E402
from InvertibleFusionLib.mrml.layout import LAYOUT_ID, compare, layout_description  # noqa: E402
from InvertibleFusionLib.mrml.views import (  # noqa: E402
    Family,
    Layers,
    View,
    composites_of,
    layers_of,
    show,
)

SIZE = (40, 32, 9)
MODES = [(View.SOURCE, 1), (View.SOURCE, 2), (View.FUSED, 1), (View.DECOMPOSED, 1), (View.DECOMPOSED, 2)]
MODES += [(View.DIFFERENCE, 1), (View.SPREAD, 2)]


def volume(name: str, seed: int) -> Volume:
    """On a grid whose voxels are the pixels of an axial view at the field of view below."""
    generator = np.random.default_rng(seed)
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in reversed(SIZE)), indexing="ij")
    array = 500 + 300 * np.sin(3 * i + seed) * np.cos(2 * j - seed) + 60 * k + 5 * generator.random(i.shape)
    return Volume(array.astype(np.float32), (1, 1, 2), (-20, -16, -8), name=name)


@pytest.fixture
def family(scene: Any) -> Family:
    nodes = {}
    names = ["ADC", "FLAIR", "fused", "ADC back", "FLAIR back", "difference", "spread"]
    for seed, name in enumerate(names):
        node = loose_node(volume(name, seed))
        display = scene.AddNode(slicer.vtkMRMLScalarVolumeDisplayNode())
        display.SetAutoWindowLevel(0)
        display.SetWindow(700 - 40 * seed)
        display.SetLevel(500 + 10 * seed)
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
        node.SetAndObserveDisplayNodeID(display.GetID())
        nodes[name] = scene.AddNode(node)
    return Family(
        nodes["fused"],
        None,
        {1: nodes["ADC"], 2: nodes["FLAIR"]},
        {1: nodes["ADC back"], 2: nodes["FLAIR back"]},
        {1: nodes["difference"]},
        {2: nodes["spread"]},
    )


@pytest.fixture
def viewer(host: Any, scene: Any) -> Any:
    viewer = host.viewer(scene, SIZE[:2])
    red = viewer.logics["Red"].GetSliceNode()
    red.SetOrientationToAxial()
    red.SetFieldOfView(SIZE[0], SIZE[1], 1)
    red.JumpSliceByCentering(0, 1, 0)  # voxels on pixels
    return viewer


def expected(node: Any, k: int) -> np.ndarray:
    """The slice through its window and level, by hand; an axial view shows the patient's right on the left."""
    display = node.GetDisplayNode()
    values = slicer.util.arrayFromVolume(node)[k]
    return np.clip((values - display.GetLevel()) / display.GetWindow() + 0.5, 0, 1) * 255


@pytest.mark.parametrize(("view", "number"), MODES)
def test_each_mode_shows_its_volume_where_it_lies_and_moves_nothing(
    viewer: Any, family: Family, view: View, number: int
) -> None:
    node = viewer.logics["Red"].GetSliceNode()
    shown = {
        View.SOURCE: family.sources,
        View.FUSED: {1: family.fused},
        View.DECOMPOSED: family.decomposed,
        View.DIFFERENCE: family.differences,
        View.SPREAD: family.spreads,
    }[view][number]
    show(composites_of(viewer.scene), layers_of(family, View.SOURCE, 2))
    node.SetSliceOffset(2.0)
    before = (node.GetSliceOffset(), node.GetFieldOfView(), node.GetXYZOrigin())
    windows = {n.GetID(): (n.GetWindow(), n.GetLevel()) for n in displays(viewer.scene)}
    show(composites_of(viewer.scene), layers_of(family, view, number))
    picture = viewer.picture("Red")
    inner = (slice(1, -1), slice(1, -1))
    assert np.abs(picture[inner].astype(float) - expected(shown, 5)[inner]).max() <= 3
    assert (node.GetSliceOffset(), node.GetFieldOfView(), node.GetXYZOrigin()) == before
    assert {n.GetID(): (n.GetWindow(), n.GetLevel()) for n in displays(viewer.scene)} == windows


def displays(scene: Any) -> list[Any]:
    name = "vtkMRMLScalarVolumeDisplayNode"
    return [scene.GetNthNodeByClass(number, name) for number in range(scene.GetNumberOfNodesByClass(name))]


@pytest.mark.parametrize("view", [View.FUSED, View.DECOMPOSED])
def test_the_key_t_toggles_fused_against_decomposed(viewer: Any, family: Family, view: View) -> None:
    show(composites_of(viewer.scene), layers_of(family, view, 2))
    first = viewer.picture("Red").copy()
    for composite in composites_of(viewer.scene):  # what Slicer does on t
        composite.SetForegroundOpacity(0.0 if composite.GetForegroundOpacity() > 0.5 else 1.0)
    second = viewer.picture("Red")
    order = [family.fused, family.decomposed[2]]
    inner = (slice(1, -1), slice(1, -1))
    for picture, node in zip((first, second), order if view is View.FUSED else order[::-1], strict=True):
        assert np.abs(picture[inner].astype(float) - expected(node, 4)[inner]).max() <= 3


def test_what_is_not_there_or_was_deleted_is_said_with_how_to_get_it(viewer: Any, family: Family, scene: Any) -> None:
    with pytest.raises(SceneError, match=r"There is no spread 1 to show.*with several samples"):
        layers_of(family, View.SPREAD, 1)
    with pytest.raises(SceneError, match=r"no fused or synthetic image to show.*Fuse the sources, or synthesize"):
        layers_of(Family(), View.FUSED)
    scene.RemoveNode(family.decomposed[1])
    with pytest.raises(SceneError, match="There is no decomposed 1 to show, or it was deleted"):
        layers_of(family, View.DECOMPOSED, 1)
    assert layers_of(family, View.FUSED, 1) == Layers(family.fused)
    scene.RemoveNode(family.fused)
    assert layers_of(family, View.DECOMPOSED, 2) == Layers(family.decomposed[2])


def test_only_the_views_that_are_named_change(viewer: Any, family: Family) -> None:
    show(composites_of(viewer.scene, ["Yellow"]), layers_of(family, View.SOURCE, 1))
    found = {node.GetLayoutName(): node.GetBackgroundVolumeID() for node in composites_of(viewer.scene)}
    assert found == {"Red": None, "Green": None, "Yellow": family.sources[1].GetID()}


def test_the_compare_layout_shows_all_side_by_side_linked_at_the_same_place(viewer: Any, family: Family) -> None:
    red = viewer.logics["Red"].GetSliceNode()
    red.SetSliceOffset(-2.0)
    panes = {f"{view} {number} <&>": layers_of(family, view, number) for view, number in MODES}
    previous = compare(viewer.scene, panes, red)  # makes the views; the application then gives them their logics
    assert previous == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert viewer.layout.GetViewArrangement() == LAYOUT_ID
    viewer.refresh()
    names = [f"InvertibleFusion{number}" for number in range(1, 8)]
    shown = viewer.layouts.GetViewNodes()
    assert [shown.GetItemAsObject(n).GetLayoutName() for n in range(shown.GetNumberOfItems())] == names
    compare(viewer.scene, panes, red)
    inner = (slice(1, -1), slice(1, -1))
    for name, layers in zip(names, panes.values(), strict=True):
        logic = viewer.logics[name]
        composite, node = logic.GetSliceCompositeNode(), logic.GetSliceNode()
        assert composite.GetLinkedControl()
        assert composite.GetHotLinkedControl()
        assert node.GetSliceOffset() == pytest.approx(-2.0)
        assert node.GetViewGroup() != red.GetViewGroup()
        top = layers.foreground if layers.opacity else layers.background
        assert np.abs(viewer.picture(name)[inner].astype(float) - expected(top, 3)[inner]).max() <= 3
    assert viewer.logics[names[0]].GetSliceNode().GetLayoutLabel() == "source 1 <&>"
    compare(viewer.scene, {"fused": panes["fused 1 <&>"]}, red)  # another number of views, the same layout
    assert viewer.layout.GetLayoutDescription(LAYOUT_ID) == layout_description(["fused"])
