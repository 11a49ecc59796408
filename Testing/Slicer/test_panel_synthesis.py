"""Synthesis in the panel, from one source and from three: nothing made is taken for a scan, nothing is called fused."""

from pathlib import Path
from typing import Any

import pytest
import slicer
from driving import tool_tip
from scans import scan, synthesis_model

from InvertibleFusionLib.mrml.views import family_of

VIEWS = ("source1", "source2", "fused", "decomposed1", "decomposed2")
EXACT, ALONE = 0, 1


def synthesize(panel: Any, folder: Path, inputs: list[str], outputs: list[str], names: list[str]) -> Any:
    panel.ui.taskComboBox.setCurrentIndex(2)
    panel.panel.openModel(str(synthesis_model(folder, inputs, outputs)))
    panel.choose(*(scan(name, seed) for seed, name in enumerate(names)))
    return panel.run()


def go_back(panel: Any, way: int) -> Any:
    panel.ui.taskComboBox.setCurrentIndex(1)
    panel.ui.wayComboBox.setCurrentIndex(way)
    return panel.run()


def buttons(panel: Any) -> dict[str, str]:
    """What can be shown, by what it is called."""
    found = {name: getattr(panel.ui, f"{name}Button") for name in VIEWS}
    return {name: button.text for name, button in found.items() if button.enabled}


def panes(panel: Any) -> list[str]:
    panel.ui.compareButton.click()
    shown = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode").GetCurrentLayoutDescription()
    panel.ui.compareButton.click()
    return [part.split("<")[0] for part in shown.split('name="viewlabel" action="default">')[1:]]


def test_one_source_and_both_ways_back(panel: Any, tmp_path: Path) -> None:
    result = synthesize(panel, tmp_path, ["T1"], ["T2"], ["T1"])
    assert panel.ui.secondSourceSelector.isHidden()
    assert result.GetName() == "SYNTHETIC T2"
    assert "SYNTHETIC: a network made it, no scanner." in panel.ui.aboutText.toPlainText()
    assert buttons(panel) == {"source1": "Source 1", "fused": "SYNTHETIC T2"}
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert red.GetBackgroundVolumeID() == result.GetID()
    go_back(panel, ALONE)
    assert family_of(result).decomposed[1].GetName() == "SYNTHETIC T1, from the target image SYNTHETIC T2 alone"
    assert buttons(panel)["decomposed1"] == "From target 1"
    assert panes(panel) == ["Source 1", "SYNTHETIC T2", "From target 1"]
    go_back(panel, EXACT)
    assert family_of(result).decomposed[1].GetName() == "T1, round trip of the network's own output"
    assert buttons(panel)["decomposed1"] == "Round trip 1"


def ways_back(panel: Any) -> list[str]:
    box = panel.ui.wayComboBox
    return [box.itemText(number) for number in range(box.count)]


def test_the_ways_back_are_called_by_what_is_left(panel: Any, tmp_path: Path) -> None:
    fusing = ["Exactly, with the latent", "From the image alone"]
    synthetic = synthesize(panel, tmp_path, ["T1"], ["T2"], ["T1"])
    panel.ui.taskComboBox.setCurrentIndex(1)
    panel.ui.wayComboBox.setCurrentIndex(ALONE)
    assert ways_back(panel) == ["Round trip", "From the target alone"]
    assert panel.ui.wayComboBox.currentText == "From the target alone"
    told = tool_tip(panel.ui.wayComboBox)
    assert "not that the synthetic image is right" in told
    assert "no draws, no spread" in told
    panel.module.exit()
    panel.module.enter()  # binds the widgets anew, with the words for fused images
    assert ways_back(panel) == ["Round trip", "From the target alone"]
    panel.ui.taskComboBox.setCurrentIndex(0)
    assert ways_back(panel) == fusing
    panel.choose(scan("T1Gd"), scan("FLAIR", 1))
    panel.ui.decomposedCheckBox.checked = False
    panel.run()
    panel.ui.taskComboBox.setCurrentIndex(1)
    assert ways_back(panel) == fusing
    assert "what the fused image shows" in tool_tip(panel.ui.wayComboBox)
    panel.ui.resultSelector.setCurrentNode(synthetic)
    assert ways_back(panel) == ["Round trip", "From the target alone"]
    assert panel.parameters.way.value == "image alone"  # the choice stays what scenes keep


def test_what_is_of_a_fused_image_only_is_off_for_a_synthetic_one_and_says_why(panel: Any, tmp_path: Path) -> None:
    ui = panel.ui
    drawing, all_of_them = ("samplesSpinBox", "seedSpinBox", "spreadCheckBox"), []
    for way, names in ((EXACT, ("certifyCheckBox",)), (ALONE, drawing)):
        ui.wayComboBox.setCurrentIndex(way)
        assert all(getattr(ui, name).enabled for name in names)
        all_of_them += names
    ui.certifyCheckBox.checked = ui.spreadCheckBox.checked = True  # as for a fused image, or in a saved scene
    result = synthesize(panel, tmp_path, ["T1"], ["T2"], ["T1"])
    panel.ui.taskComboBox.setCurrentIndex(1)
    for way in (EXACT, ALONE):
        ui.wayComboBox.setCurrentIndex(way)
        assert not [name for name in all_of_them if getattr(ui, name).enabled]
    for name in drawing:
        assert "the ways back of a synthetic image draw nothing" in tool_tip(getattr(ui, name))
    assert "a fused image only" in tool_tip(ui.certifyCheckBox)
    assert "draws of what the fused image" not in tool_tip(ui.spread1Button)
    go_back(panel, EXACT)
    assert buttons(panel)["decomposed1"] == "Round trip 1"  # a tick that cannot be taken away stops nothing
    go_back(panel, ALONE)
    assert family_of(result).spreads == {}
    ui.decomposedCheckBox.checked = False
    assert tool_tip(ui.applyButton) == "Tick at least one output."


def test_without_its_latent_the_way_that_is_left_is_named(panel: Any, tmp_path: Path) -> None:
    panel.ui.latentCheckBox.checked = False
    synthesize(panel, tmp_path, ["T1"], ["T2"], ["T1"])
    panel.ui.taskComboBox.setCurrentIndex(1)
    assert tool_tip(panel.ui.applyButton) == (
        "SYNTHETIC T2 has no latent in the scene, which the round trip needs. Go back from the target alone."
    )
    go_back(panel, ALONE)
    assert buttons(panel)["decomposed1"] == "From target 1"


def test_three_sources_to_two_contrasts_are_all_to_be_seen_side_by_side(panel: Any, tmp_path: Path) -> None:
    synthesize(panel, tmp_path, ["T1", "T2", "PD"], ["FLAIR", "T1Gd"], ["T1", "T2", "PD"])
    assert panel.ui.modelWarningLabel.text == ""
    go_back(panel, EXACT)
    assert panes(panel)[:5] == ["Source 1", "Source 2", "Source 3", "SYNTHETIC FLAIR", "SYNTHETIC T1Gd"]
    assert "Round trip 3" in panes(panel)


def test_a_fused_image_keeps_its_labels(panel: Any) -> None:
    panel.choose(scan("T1Gd"), scan("FLAIR", 1))
    assert panel.ui.fusedButton.text == "Fused"
    panel.run()
    assert buttons(panel) == dict(zip(VIEWS, panes(panel), strict=False))
    assert panes(panel)[:3] == ["Source 1", "Source 2", "Fused"]


@pytest.mark.parametrize("names", [["FLAIR"], ["sub-03 T1Gd"]], ids=str)
def test_a_synthesis_from_other_contrasts_is_warned_of_and_allowed(
    panel: Any, tmp_path: Path, names: list[str]
) -> None:
    result = synthesize(panel, tmp_path, ["T1"], ["T2"], names)
    assert f"was trained on T1, in this order; the sources are called {names[0]}" in panel.ui.modelWarningLabel.text
    assert "may show what is not there" in panel.ui.modelWarningLabel.text
    assert result.GetName() == "SYNTHETIC T2"
