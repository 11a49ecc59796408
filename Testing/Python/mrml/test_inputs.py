from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.images import loose_node  # noqa: E402
from InvertibleFusionLib.mrml.inputs import InputStatus, input_status  # noqa: E402


@pytest.fixture
def adc(host: Any, scene: Any, bumps: Any) -> Any:
    return scene.AddNode(loose_node(bumps("ADC")))


def test_volumes_on_one_grid_can_be_used_also_under_a_shared_transform(
    host: Any, scene: Any, bumps: Any, adc: Any
) -> None:
    flair = scene.AddNode(loose_node(bumps("FLAIR", seed=1)))
    host.put_under(host.move(scene, host.rigid()), adc, flair)
    assert input_status([adc, flair]) == InputStatus(True, "All volumes lie on the grid of ADC.")


def test_resampling_is_offered_where_it_helps_and_only_there(host: Any, scene: Any, bumps: Any, adc: Any) -> None:
    other = scene.AddNode(loose_node(bumps("FLAIR", size=(20, 20, 8), seed=1)))
    refused = input_status([adc, other])
    assert not refused.usable
    assert refused.resampling_helps
    assert refused.sentence.endswith("Tick Resample to put it onto the grid of ADC.")
    assert input_status([adc, other], resample=True).usable
    assert input_status([adc, other], 1, True).sentence.endswith("It is resampled onto the grid of FLAIR.")
    away = np.eye(4)
    away[0, 3] = 5000.0
    host.put_under(host.move(scene, away), other)
    for resample in (False, True):
        status = input_status([adc, other], resample=resample)
        assert status == InputStatus(False, "FLAIR does not overlap ADC. Register the volumes first.")


def test_what_cannot_be_used_is_said_in_one_sentence(scene: Any, bumps: Any, adc: Any) -> None:
    labels = slicer.vtkMRMLLabelMapVolumeNode()
    labels.SetName("lesion")
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    wrong = {
        "Choose the second source.": [adc, None],
        "ADC is chosen twice. Choose different volumes.": [adc, adc],
        "lesion is a label map: it has no grey values. Choose a scan.": [adc, scene.AddNode(labels)],
        "nothing is empty: it has no voxels. Load or compute it first.": [adc, empty],
    }
    for sentence, nodes in wrong.items():
        assert input_status(nodes, resample=True) == InputStatus(False, sentence)
