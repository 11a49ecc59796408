"""One click or shortcut for everything there is to see, in place."""

from typing import Any

import numpy as np
import pytest
import slicer
from driving import tool_tip
from scans import scan

from InvertibleFusionLib.mrml.layout import LAYOUT_ID
from InvertibleFusionLib.mrml.views import family_of

SHORTCUTS = {
    "source1Button": "Alt+1",
    "source2Button": "Alt+2",
    "fusedButton": "Alt+3",
    "decomposed1Button": "Alt+4",
    "decomposed2Button": "Alt+5",
    "difference1Button": "Alt+6",
    "difference2Button": "Alt+7",
    "spread1Button": "Alt+8",
    "spread2Button": "Alt+9",
}


@pytest.fixture
def family(panel: Any) -> Any:
    panel.choose(scan("T1Gd"), scan("FLAIR", 1))
    panel.ui.wayComboBox.setCurrentIndex(1)
    panel.ui.samplesSpinBox.value = 2
    for name in ("differenceCheckBox", "spreadCheckBox"):
        getattr(panel.ui, name).checked = True
    return family_of(panel.run())


def composite() -> Any:
    return slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")


def seen() -> Any:
    """The volume that is seen: the foreground where it is opaque, else the background."""
    node = composite()
    opaque = node.GetForegroundVolumeID() and node.GetForegroundOpacity() == 1.0
    return slicer.mrmlScene.GetNodeByID(node.GetForegroundVolumeID() if opaque else node.GetBackgroundVolumeID())


def expected(family: Any) -> dict[str, Any]:
    return {
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


def test_every_button_shows_its_volume_and_nothing_moves(panel: Any, family: Any) -> None:
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    red.SetSliceOffset(3.0)
    red.SetFieldOfView(77.0, 77.0, 1.0)
    windows = {node.GetID(): node.GetDisplayNode().GetWindow() for node in expected(family).values()}
    place = (red.GetSliceOffset(), red.GetFieldOfView())
    for name, node in expected(family).items():
        getattr(panel.ui, name).click()
        assert seen() is node, name
        assert (red.GetSliceOffset(), red.GetFieldOfView()) == place
    assert windows == {node.GetID(): node.GetDisplayNode().GetWindow() for node in expected(family).values()}


def test_the_key_t_toggles_fused_against_decomposed(panel: Any, family: Any) -> None:
    panel.ui.fusedButton.click()
    assert composite().GetBackgroundVolumeID() == family.fused.GetID()
    assert composite().GetForegroundVolumeID() == family.decomposed[1].GetID()
    panel.ui.decomposed2Button.click()
    assert composite().GetBackgroundVolumeID() == family.fused.GetID()
    assert composite().GetForegroundVolumeID() == family.decomposed[2].GetID()


def shortcuts(panel: Any) -> dict[str, Any]:
    return {shortcut.key.toString(): shortcut for shortcut in panel.panel._buttons._shortcuts}


def test_every_shortcut_has_a_modifier_acts_in_the_whole_window_and_does_what_the_button_does(
    panel: Any, family: Any
) -> None:
    import qt

    found = shortcuts(panel)
    assert set(found) == {*SHORTCUTS.values(), "Alt+0"}
    for name, keys in SHORTCUTS.items():
        assert found[keys].context == qt.Qt.WidgetWithChildrenShortcut
        assert keys in tool_tip(getattr(panel.ui, name))
        found[keys].activated.emit()
        assert seen() is expected(family)[name]
        assert found[keys].parent().objectName == "qSlicerMainWindow"


def in_the_window() -> list[str]:
    import qt

    return [shortcut.key.toString() for shortcut in slicer.util.mainWindow().findChildren(qt.QShortcut)]


def test_shortcuts_are_there_while_the_module_is_open_and_at_no_other_time(panel: Any) -> None:
    ours = {*SHORTCUTS.values(), "Alt+0"}
    assert ours <= set(in_the_window())
    panel.module.exit()
    assert not ours & set(in_the_window())
    panel.module.enter()
    assert sorted(keys for keys in in_the_window() if keys in ours) == sorted(ours)
    slicer.util.reloadScriptedModule("InvertibleFusion")
    assert sorted(keys for keys in in_the_window() if keys in ours) == sorted(ours)
    panel.module.close()
    panel.settle()
    assert not ours & set(in_the_window())


def test_what_is_not_there_says_how_to_get_it(panel: Any) -> None:
    panel.choose(scan("T1Gd"), scan("FLAIR", 1))
    assert panel.ui.source2Button.enabled
    panel.ui.source2Button.click()
    assert seen().GetName() == "FLAIR"
    assert not panel.ui.fusedButton.enabled
    how = "Fuse the sources, or synthesize from them, first."
    assert tool_tip(panel.ui.fusedButton) == how
    shortcuts(panel)["Alt+3"].activated.emit()
    assert panel.ui.messageLabel.text == f"There is no fused or synthetic image to show, or it was deleted. {how}"


def test_a_deleted_result_disables_its_button(panel: Any, family: Any) -> None:
    slicer.mrmlScene.RemoveNode(family.decomposed[1])
    assert not panel.ui.decomposed1Button.enabled
    assert panel.ui.decomposed2Button.enabled
    slicer.mrmlScene.RemoveNode(family.fused)
    assert not panel.ui.fusedButton.enabled
    assert panel.ui.source1Button.enabled


def test_compare_shows_all_side_by_side_and_goes_back(panel: Any, family: Any) -> None:
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    before = layout.GetViewArrangement()
    panel.ui.compareButton.click()
    assert layout.GetViewArrangement() == LAYOUT_ID
    composites = [
        node
        for node in slicer.mrmlScene.GetNodesByClass("vtkMRMLSliceCompositeNode")
        if node.GetLayoutName().startswith("InvertibleFusion")
    ]
    assert len(composites) == 9
    assert {node.GetLinkedControl() for node in composites} == {1}
    names = [node.GetLayoutName() for node in composites]
    assert len(set(names)) == 9
    red = composite().GetBackgroundVolumeID()
    panel.ui.source2Button.click()
    assert next(node.GetForegroundVolumeID() for node in composites) != family.sources[2].GetID()
    assert composite().GetBackgroundVolumeID() != red
    panel.ui.compareButton.click()
    assert layout.GetViewArrangement() == before


def test_recovered_volumes_look_as_their_sources_do(family: Any) -> None:
    for number in (1, 2):
        source, back = family.sources[number].GetDisplayNode(), family.decomposed[number].GetDisplayNode()
        assert (back.GetWindow(), back.GetLevel()) == (source.GetWindow(), source.GetLevel())
        assert np.isfinite(back.GetWindow())
