from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.errors import SceneError, UnsuitableVolumeError
from InvertibleFusionLib.mrml.grids import describe_grids


def test_volumes_under_one_shared_transform_match(host: Any, scene: Any, bumps: Any) -> None:
    nodes = [host.loaded(scene, bumps("ADC")), host.loaded(scene, bumps("FLAIR"), ".nii.gz")]
    assert describe_grids(nodes) == (True, "All volumes lie on the grid of ADC.")
    host.put_under(host.move(scene, host.rigid()), *nodes)
    assert describe_grids(nodes)[0]
    host.put_under(host.bend(scene, {(0, 0, 0): (9, 0, 0), (30, 0, 0): (30, 5, 0), (0, 30, 0): (0, 30, 3)}), *nodes)
    assert describe_grids(nodes)[0]


def test_what_differs_is_said_in_millimetres_and_where_it_is_seen(host: Any, scene: Any, bumps: Any) -> None:
    adc, flair = host.loaded(scene, bumps("ADC")), host.loaded(scene, bumps("FLAIR"))
    shift = np.eye(4)
    shift[:3, 3] = (3.0, 4.0, 0.0)
    host.put_under(host.move(scene, shift), flair)
    matches, text = describe_grids([adc, flair])
    assert not matches
    assert text.startswith("FLAIR is not on the grid of ADC: it has an origin 5.00 mm away. Resampled, it covers")
    assert "ADC is not on the grid of FLAIR" in describe_grids([adc, flair], reference=1)[1]
    host.put_under(host.move(scene, host.rigid(7.0, (0, 0, 0))), flair)
    assert "axes turned by 7.00°" in describe_grids([adc, flair])[1]
    host.put_under(host.bend(scene, {(0, 0, 0): (9, 0, 0), (30, 0, 0): (30, 5, 0), (0, 30, 0): (0, 30, 3)}), flair)
    assert describe_grids([adc, flair]) == (
        False,
        "FLAIR is bent by the transform above it; a copy has to be resampled.",
    )


def test_volumes_that_do_not_meet_are_said_not_to(host: Any, scene: Any, bumps: Any) -> None:
    adc = host.loaded(scene, bumps("ADC"))
    far = host.loaded(scene, replace(bumps("FLAIR"), origin=(900.0, 0.0, 0.0)))
    assert describe_grids([adc, far]) == (False, "FLAIR does not overlap ADC. Register the volumes first.")


def test_a_missing_or_unfit_node_is_refused(host: Any, scene: Any, bumps: Any) -> None:
    adc = host.loaded(scene, bumps("ADC"))
    with pytest.raises(SceneError, match="No volume is chosen as source 2"):
        describe_grids([adc, None])
    with pytest.raises(UnsuitableVolumeError, match="empty one is empty"):
        describe_grids([adc, scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty one")])
