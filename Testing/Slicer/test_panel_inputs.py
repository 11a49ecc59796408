"""What the panel says of the sources and models before anything is computed."""

import re
from typing import Any

import pytest
import slicer
from driving import tool_tip
from scans import scan, synthesis_model


def test_it_says_what_is_missing_until_nothing_is(panel: Any) -> None:
    ui = panel.ui
    assert (ui.applyButton.enabled, tool_tip(ui.applyButton)) == (False, "Choose the first source.")
    adc, flair = scan("ADC"), scan("FLAIR", 1)
    panel.choose(adc)
    assert tool_tip(ui.applyButton) == "Choose the second source."
    panel.choose(adc, flair)
    assert ui.applyButton.enabled
    assert ui.inputStatusLabel.text == "All volumes lie on the grid of ADC."
    assert ui.inputStatusLabel.visible or not ui.inputStatusLabel.isHidden()
    slicer.mrmlScene.RemoveNode(flair)
    assert not ui.applyButton.enabled
    # Slicer's selector goes to another volume when its own is deleted, its stand-in to none.
    assert tool_tip(ui.applyButton) in ("Choose the second source.", "ADC is chosen twice. Choose different volumes.")


def test_other_grids_are_told_in_millimetres_and_resampling_is_one_click(panel: Any) -> None:
    ui = panel.ui
    panel.choose(scan("ADC"), scan("FLAIR", 1, shift=8.0))
    assert ui.inputStatusLabel.text == (
        "FLAIR is not on the grid of ADC: it has an origin 8.00 mm away. Resampled, it covers 92 % of it. "
        "Tick Resample to put it onto the grid of ADC."
    )
    assert tool_tip(ui.applyButton) == ui.inputStatusLabel.text
    ui.resampleCheckBox.click()
    assert ui.applyButton.enabled
    assert ui.inputStatusLabel.text.endswith("It is resampled onto the grid of ADC.")
    ui.referenceComboBox.setCurrentIndex(1)
    assert ui.inputStatusLabel.text.startswith("ADC is not on the grid of FLAIR")
    panel.run()
    record = panel.panel._record()
    assert record["settings"]["reference"] == "FLAIR"


def sequence_proxy() -> Any:
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "DWI series")
    for number in range(3):
        node = scan(f"DWI {number}")
        sequence.SetDataNodeAtValue(node, str(number))
        slicer.mrmlScene.RemoveNode(node)
    slicer.mrmlScene.RegisterNodeClass(slicer.vtkMRMLSequenceBrowserNode())
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    proxy = scan("DWI")
    browser.AddProxyNode(proxy, sequence, False)
    return proxy


def label_map() -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "lesion")
    node.SetAndObserveImageData(scan("made of").GetImageData())
    return node


BAD = {
    "itself again": (lambda adc: adc, "ADC is chosen twice. Choose different volumes."),
    "a label map": (lambda _: label_map(), "lesion is a label map: it has no grey values. Choose a scan."),
    "a sequence": (lambda _: sequence_proxy(), "DWI is a series of 3 volumes, one of which is shown; one volume is"),
    "elsewhere": (lambda _: scan("FLAIR", shift=5000.0), "FLAIR does not overlap ADC. Register the volumes first."),
    "empty": (
        lambda _: slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "FLAIR"),
        "FLAIR is empty: it has no voxels. Load or compute it first.",
    ),
}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_bad_sources_get_a_sentence_and_apply_stays_disabled(panel: Any, kind: str) -> None:
    adc = scan("ADC")
    panel.choose(adc)
    make, sentence = BAD[kind]
    panel.parameters.secondSource = make(adc)
    panel.ui.resampleCheckBox.checked = True  # which is no help here
    panel.ui.livePreviewCheckBox.checked = True
    panel.settle()
    assert panel.ui.inputStatusLabel.text.startswith(sentence)
    assert panel.ui.previewLabel.text.startswith(sentence)
    assert not panel.ui.applyButton.enabled
    assert tool_tip(panel.ui.applyButton) == panel.ui.inputStatusLabel.text
    panel.panel.onApply()  # a shortcut or a script may do it all the same
    assert panel.ui.messageLabel.text.startswith(sentence)
    assert not panel.panel.running


def test_a_model_for_other_contrasts_is_warned_of_and_allowed(panel: Any) -> None:
    panel.choose(scan("ADC"), scan("T2", 1))
    assert panel.ui.modelWarningLabel.text.startswith("fusioninn-")
    assert "the sources are called ADC + T2" in panel.ui.modelWarningLabel.text
    assert panel.ui.applyButton.enabled
    panel.choose(scan("sub-03 T1Gd"), scan("sub-03_FLAIR", 1))
    assert panel.ui.modelWarningLabel.text == ""


def test_models_are_offered_with_their_cards_and_those_that_fit_come_first(panel: Any) -> None:
    ui = panel.ui
    panel.choose(scan("T1Gd"), scan("FLAIR", 1))
    first = ui.modelComboBox.itemText(0)
    assert first == "fusioninn-t1gd-flair (T1Gd + FLAIR)"
    assert "Fuses T1Gd + FLAIR" in ui.modelCardLabel.text
    assert "Trained on: " in ui.modelComboBox.toolTip
    assert "Measured on: " in ui.modelComboBox.toolTip
    other = ui.modelComboBox.findText("fusioninn-t1gd-flair-paper (T1Gd + FLAIR)")
    ui.modelComboBox.setCurrentIndex(other)
    ui.modelComboBox.activated.emit(other)
    assert panel.parameters.model == "fusioninn-t1gd-flair-paper"
    assert "For comparison only" in ui.modelCardLabel.text


def test_the_spread_is_said_not_to_be_calibrated_where_the_card_says_so(panel: Any) -> None:
    panel.choose(scan("T1Gd"), scan("FLAIR", 1))
    told = tool_tip(panel.ui.spread1Button)
    assert re.search(r"It is not calibrated: errors were [\d.]+ and [\d.]+ times as large", told)
    assert "It shows hardly where errors are large" in told


def test_without_a_synthesis_model_the_panel_says_so(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel.logic.models, "_shipped", {})
    panel.choose(scan("T1"), scan("T2", 1))
    panel.ui.taskComboBox.setCurrentIndex(2)
    assert not panel.ui.applyButton.enabled
    assert tool_tip(panel.ui.applyButton) == panel.ui.modelCardLabel.text
    assert "Open a model file" in tool_tip(panel.ui.applyButton)


def test_a_file_that_is_no_model_gets_a_sentence(panel: Any, tmp_path: Any) -> None:
    path = tmp_path / "notes.safetensors"
    path.write_text("not a model")
    panel.panel.openModel(str(path))
    assert "is not a model file" in panel.ui.messageLabel.text
    assert panel.parameters.model == ""


def test_a_synthesis_with_a_model_file_of_ones_own(panel: Any, tmp_path: Any) -> None:
    """Three sources, colour among the results, and a reopened choice of the file."""
    path = synthesis_model(tmp_path, ["T1", "T2", "PD"], ["PET"])
    ui = panel.ui
    ui.taskComboBox.setCurrentIndex(2)
    panel.panel.openModel(str(path))
    assert not ui.thirdSourceSelector.isHidden()
    assert ui.fourthSourceSelector.isHidden()
    panel.choose(scan("T1"), scan("T2", 1))
    assert tool_tip(ui.applyButton) == "Choose the third source."
    panel.choose(scan("T1"), scan("T2", 1), scan("PD", 2))
    result = panel.run()
    assert result.GetName() == "SYNTHETIC PET"
    assert result.IsA("vtkMRMLVectorVolumeNode")
    assert "SYNTHETIC: a network made it, no scanner." in ui.aboutText.toPlainText()
    ui.taskComboBox.setCurrentIndex(0)
    panel.panel.openModel(str(path))
    assert ui.messageLabel.text == "tiny is a model for another task: synthesis."
