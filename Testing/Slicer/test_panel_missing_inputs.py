"""A synthesis model that does without some of its inputs, and shows on what grounds it made its images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from driving import tool_tip
from scans import SIZE, model_that_does_without, scan

from InvertibleFusionLib import load_model, synthesize
from InvertibleFusionLib.mrml.provenance import record_of
from InvertibleFusionLib.mrml.views import family_of
from InvertibleFusionLib.mrml.volumes import volume_from_node

INPUTS = ["T1", "T2", "T1Gd"]


@pytest.fixture
def model(panel: Any, tmp_path: Path) -> Path:
    path = model_that_does_without(tmp_path, INPUTS, "FLAIR")
    panel.ui.taskComboBox.setCurrentIndex(2)
    panel.panel.openModel(str(path))
    return path


def tables() -> list[Any]:
    scene = slicer.mrmlScene
    count = scene.GetNumberOfNodesByClass("vtkMRMLTableNode")
    return [scene.GetNthNodeByClass(number, "vtkMRMLTableNode") for number in range(count)]


def test_an_input_that_is_not_chosen_is_done_without(panel: Any, model: Path) -> None:
    ui = panel.ui
    assert ui.secondSourceLabel.text == "Second source, T2:"
    assert tool_tip(ui.applyButton) == "Choose the first source."
    t2, t1gd = scan("T2"), scan("T1Gd", 1)
    panel.choose(None, t2, t1gd)
    assert ui.modelWarningLabel.text == "tiny-gan learnt to do without T1, less well."
    result = panel.run()
    made = synthesize(load_model(model), [volume_from_node(t2), volume_from_node(t1gd)], given=["T2", "T1Gd"])
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(result), made.images[0].array)
    assert record_of(result)["inputs_given"] == ["T2", "T1Gd"]
    assert family_of(result).sources == {1: t2, 2: t1gd}
    panel.choose(scan("T1", 2), t2, t1gd)
    assert not ui.modelWarningLabel.text
    assert record_of(panel.run())["inputs_given"] == INPUTS


def test_the_grid_is_that_of_the_chosen_source_wherever_the_gap_is(panel: Any, model: Path) -> None:
    panel.choose(None, scan("T2"), scan("T1Gd", 1, shift=8.0))
    panel.ui.resampleCheckBox.checked = True
    for index, reference in ((2, "T1Gd"), (1, "T2"), (0, "T2")):  # the first source is not chosen
        panel.ui.referenceComboBox.setCurrentIndex(index)
        assert record_of(panel.run())["settings"]["reference"] == reference


def test_pseudo_target_and_statistics_come_on_demand_and_are_updated(panel: Any, model: Path) -> None:
    ui = panel.ui
    panel.choose(scan("T1"))
    assert not ui.groundsCheckBox.isHidden()
    result = panel.run()
    assert family_of(result).pseudo_target is None
    assert not tables()
    ui.groundsCheckBox.checked = True
    result = panel.run()
    mixture, [table] = family_of(result).pseudo_target, tables()
    assert mixture.GetName() == "pseudo-target of SYNTHETIC FLAIR"
    expected = synthesize(load_model(model), [volume_from_node(scan("T1"))], given=["T1"], inspect=True)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(mixture), expected.pseudo_target.array)  # type: ignore[union-attr]
    assert table.GetName().startswith("AdaIN of SYNTHETIC FLAIR")
    statistics = expected.grounds.statistics  # type: ignore[union-attr]
    assert table.GetNumberOfRows() == SIZE[2] * statistics.shape[2] * statistics.shape[3]
    last = [table.GetTable().GetValue(table.GetNumberOfRows() - 1, column).ToDouble() for column in range(5)]
    assert last == pytest.approx([SIZE[2] - 1, 1, 7, statistics[-1, 0, -1, -1], statistics[-1, 1, -1, -1]])
    ui.writeIntoComboBox.setCurrentIndex(1)
    assert panel.run() is result
    assert family_of(result).pseudo_target is mixture
    assert tables() == [table]
    ui.taskComboBox.setCurrentIndex(0)
    assert ui.groundsCheckBox.isHidden()
    assert ui.secondSourceLabel.text == "Second source:"


def test_a_process_of_its_own_gives_the_same_grounds(panel: Any, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from InvertibleFusionPanel import slow_runs

    monkeypatch.setattr(slow_runs, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(slow_runs, "WORTH_SECONDS", 0.0)
    panel.choose(None, scan("T2"))
    panel.ui.groundsCheckBox.checked = True
    panel.apply()
    panel.step(3)
    assert panel.panel.work.process is not None
    panel.wait(lambda: not panel.panel.running)
    assert not panel.ui.messageLabel.text
    result = panel.parameters.result
    expected = synthesize(load_model(model), [volume_from_node(scan("T2"))], given=["T2"], inspect=True)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(result), expected.images[0].array, atol=1e-5)
    shown = slicer.util.arrayFromVolume(family_of(result).pseudo_target)
    np.testing.assert_allclose(shown, expected.pseudo_target.array, atol=1e-5)  # type: ignore[union-attr]
    [table] = tables()
    means = expected.grounds.statistics[:, 0].ravel()  # type: ignore[union-attr]
    found = [table.GetTable().GetValue(row, 3).ToDouble() for row in range(table.GetNumberOfRows())]
    np.testing.assert_allclose(found, means, rtol=1e-4, atol=1e-5)
