"""What a user does from loading to a reopened scene, on the phantom; and on a real case where one is named:

    INVERTIBLE_FUSION_CASE=FOLDER .venv/bin/python -m pytest Testing/Python/mrml/test_walk_through.py \
        --basetemp=out/walk-through

FOLDER holds one file each whose name contains ADC and FLAIR. Pictures of every view are left in ``out/walk-through``.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from InvertibleFusionLib import decompose, fuse, load_model
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.phantom import Patient
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.reading import known_ending
from InvertibleFusionLib.volumes.resampling import resample

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.grids import describe_grids  # noqa: E402
from InvertibleFusionLib.mrml.outcomes import (  # noqa: E402
    decomposition_outcomes,
    difference_outcome,
    fusion_outcomes,
)
from InvertibleFusionLib.mrml.results import Place, put_results  # noqa: E402
from InvertibleFusionLib.mrml.views import View, composites_of, family_of, layers_of, show  # noqa: E402
from InvertibleFusionLib.mrml.volumes import (  # noqa: E402
    fused_from_nodes,
    sources_from_nodes,
    volume_from_node,
)

CASE = "INVERTIBLE_FUSION_CASE"
MODES = [(View.SOURCE, 1), (View.SOURCE, 2), (View.FUSED, 1), (View.DECOMPOSED, 1), (View.DECOMPOSED, 2)]
MODES += [(View.DIFFERENCE, 1), (View.DIFFERENCE, 2), (View.SPREAD, 1), (View.SPREAD, 2)]


def test_on_the_phantom(host: Any, model: Model) -> None:
    patient = Patient.from_seed(7)
    a = np.radians(12.0)
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    adc = Grid((38, 38, 6), (6.0, 6.0, 12.0), (-111.0, -115.0, -16.0))
    flair = Grid((46, 46, 5), (5.0, 5.0, 18.0), (-115.0, -115.0, -38.0), tuple(tilt.ravel()))
    patient.acquire("ADC", adc).write(host.folder / "ADC.nii.gz")
    patient.acquire("FLAIR", flair).write(host.folder / "FLAIR.nii.gz")
    walk_through(host, host.folder / "ADC.nii.gz", host.folder / "FLAIR.nii.gz", model)


@pytest.mark.skipif(CASE not in os.environ, reason=f"needs a real case: {CASE} names no folder with ADC and FLAIR")
def test_on_a_real_case(host: Any) -> None:
    files = [path for path in sorted(Path(os.environ[CASE]).iterdir()) if known_ending(path)]
    adc, flair = (next(path for path in files if name in path.name) for name in ("ADC", "FLAIR"))
    walk_through(host, adc, flair, load_model("fusioninn-t1gd-flair"))


def walk_through(host: Any, adc: Path, flair: Path, model: Model) -> None:
    scene = host.new_scene()
    nodes = [host.load(scene, adc), host.load(scene, flair)]
    parent = host.move(scene, host.rigid(8.0, (5.0, -12.0, 20.0)))
    host.put_under(parent, *nodes)
    before = host.contents(scene)
    assert not describe_grids(nodes)[0]
    sources = sources_from_nodes(nodes)
    fusion = fuse(model, sources.volumes, resample=True)
    fused = put_results(scene, fusion_outcomes(fusion, sources), Place(nodes, None, parent))
    put_exact(scene, fused["fused"], nodes, model)
    put_seen(scene, fused["fused"], nodes, model)
    require_exact(fused["fused"], nodes)
    toggle_all(host, scene, fused["fused"], "before")
    after = host.contents(scene)
    assert {key: after[key] for key in before} == before  # neither scan nor transform was touched

    reopened = host.reopened(scene)
    found = reopened.GetFirstNodeByName(fused["fused"].GetName())
    family = family_of(found)
    again = [family.sources[1], family.sources[2]]
    put_exact(reopened, found, again, model)
    require_exact(found, again)
    assert found.GetParentTransformNode().GetName() == "moved"
    pictures = toggle_all(host, reopened, found, "reopened")
    first = toggle_all(host, scene, fused["fused"], "before")
    for mode in MODES[:5]:
        assert np.abs(pictures[mode].astype(int) - first[mode]).max() <= 2, mode


def put_exact(scene: Any, fused: Any, nodes: list[Any], model: Model) -> None:
    image, latent = fused_from_nodes(fused, family_of(fused).latent)
    result = decompose(model, image, latent=latent)
    put(scene, fused, nodes, result)


def put_seen(scene: Any, fused: Any, nodes: list[Any], model: Model) -> None:
    """The spreads and differences only: the views go on showing the exact volumes."""
    result = decompose(model, fused_from_nodes(fused)[0], samples=2)
    put(scene, fused, nodes, result, ("spread", "difference"))


def put(scene: Any, fused: Any, nodes: list[Any], result: Any, kinds: tuple[str, ...] = ("exact",)) -> None:
    parent = fused.GetParentTransformNode()
    outcomes = decomposition_outcomes(result)
    outcomes += [difference_outcome(result, number, node, parent) for number, node in enumerate(nodes, 1)]
    wanted = [outcome for outcome in outcomes if outcome.key.split("-")[0] in kinds]
    put_results(scene, wanted, Place(nodes, fused, parent))


def require_exact(fused: Any, nodes: list[Any]) -> None:
    """The recovered volumes against the sources, the second one as SimpleITK resamples it."""
    family = family_of(fused)
    grid = volume_from_node(nodes[0]).grid
    for number, node in enumerate(nodes, 1):
        original = volume_from_node(node)
        if number == 2:
            original = resample(original, grid)
        back = volume_from_node(family.decomposed[number])
        values = original.array.astype(np.float64)
        assert np.abs(back.array - values).max() <= 1e-5 * np.ptp(values)
        np.testing.assert_allclose(back.grid.corners(), grid.corners(), atol=1e-3)


def toggle_all(host: Any, scene: Any, fused: Any, stage: str) -> dict[tuple[View, int], np.ndarray]:
    """Every view in place, as a picture; each must show something, and no two the same."""
    viewer = host.viewer(scene, (230, 230))
    logic = viewer.logics["Red"]
    slice_node = logic.GetSliceNode()
    slice_node.SetOrientationToAxial()
    family, folder = family_of(fused), host.folder / "pictures"
    folder.mkdir(exist_ok=True)
    show(composites_of(scene, ["Red"]), layers_of(family, View.FUSED))
    logic.FitSliceToBackground()
    place = (slice_node.GetSliceOffset(), slice_node.GetFieldOfView(), slice_node.GetXYZOrigin())
    pictures = {}
    for view, number in MODES:
        if (view, number) not in available(family):
            continue
        show(composites_of(scene, ["Red"]), layers_of(family, view, number))
        pictures[view, number] = viewer.picture("Red").copy()
        assert pictures[view, number].std() > 5, f"{view} {number} shows nothing"
        Image.fromarray(pictures[view, number]).save(folder / f"{stage}-{view}-{number}.png")
        assert (slice_node.GetSliceOffset(), slice_node.GetFieldOfView(), slice_node.GetXYZOrigin()) == place
    kinds = [pictures[mode] for mode in MODES[:3]]
    assert all(np.abs(a.astype(int) - b).max() > 20 for a, b in pairwise(kinds))
    for number in (1, 2):  # recovered volumes look like their sources, at the same window
        assert np.median(np.abs(pictures[View.SOURCE, number].astype(int) - pictures[View.DECOMPOSED, number])) <= 12
    return pictures


def available(family: Any) -> set[tuple[View, int]]:
    held = {View.SOURCE: family.sources, View.FUSED: {1: family.fused}, View.DECOMPOSED: family.decomposed}
    held |= {View.DIFFERENCE: family.differences, View.SPREAD: family.spreads}
    return {(view, number) for view, nodes in held.items() for number in nodes}
