"""What came back from a synthetic image is called by its way: a round trip proves nothing of that image."""

from typing import Any

import pytest

from InvertibleFusionLib.errors import SceneError
from InvertibleFusionLib.inference.slice_engine import finish
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.model_file import read_model

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.images import loose_node  # noqa: E402
from InvertibleFusionLib.mrml.runs import (  # noqa: E402
    Backward,
    Forward,
    decompose_node,
    fuse_nodes,
    nodes_to_update,
    synthesize_nodes,
)
from InvertibleFusionLib.mrml.views import View, family_of, label_of, layers_of, panes_of  # noqa: E402

KINDS = ("decomposed", "difference")


@pytest.fixture
def nodes(scene: Any, bumps: Any) -> list[Any]:
    return [scene.AddNode(loose_node(bumps("ADC"))), scene.AddNode(loose_node(bumps("FLAIR", dtype="int16", seed=1)))]


@pytest.fixture(autouse=True)
def _no_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling kernels takes longer than all of these tests."""
    monkeypatch.setattr("InvertibleFusionLib.inference.plan.numba_works", lambda: False)


@pytest.fixture
def ivan(synthesis_file: Any) -> Model:
    return read_model(synthesis_file("ADC FLAIR", "T2"))


@pytest.fixture
def image(scene: Any, nodes: list[Any], ivan: Model) -> Any:
    return finish(synthesize_nodes(scene, ivan, nodes, Forward()))["synthetic-1"]


@pytest.mark.parametrize(
    ("exact", "called", "labels"),
    [
        (True, "round trip minus source", ["Round trip {}", "Round trip difference {}"]),
        (False, "from the target alone minus source", ["From target {}", "From target difference {}"]),
    ],
    ids=["round trip", "from the target alone"],
)
def test_a_difference_says_by_which_way_the_synthetic_image_was_left(
    host: Any, scene: Any, image: Any, ivan: Model, exact: bool, called: str, labels: list[str]
) -> None:
    made = finish(decompose_node(scene, ivan, image, Backward(exact=exact, kinds=KINDS)))
    assert [made[f"difference-{n}"].GetName() for n in (1, 2)] == [f"ADC: {called}", f"FLAIR: {called}"]
    expected = [label.format(number) for label in labels for number in (1, 2)]
    assert list(panes_of(family_of(image))) == ["Source 1", "Source 2", "SYNTHETIC T2", *expected]
    for number in (1, 2):  # as scenes of before call it: its record tells the way all the same
        made[f"difference-{number}"].SetName("decomposed minus source")
    again = family_of(host.reopened(scene).GetFirstNodeByName("SYNTHETIC T2"))
    assert [label_of(again, view, n) for view in (View.DECOMPOSED, View.DIFFERENCE) for n in (1, 2)] == expected


def test_a_difference_that_is_filled_again_by_the_other_way_changes_its_name(
    scene: Any, image: Any, ivan: Model
) -> None:
    alone = finish(decompose_node(scene, ivan, image, Backward(exact=False, kinds=KINDS)))["difference-1"]
    into = nodes_to_update(image)
    finish(decompose_node(scene, ivan, image, Backward(kinds=("decomposed",), into=into)))
    family = family_of(image)
    assert label_of(family, View.DECOMPOSED) == "Round trip 1"
    assert label_of(family, View.DIFFERENCE) == "From target difference 1"  # nobody computed the other one
    finish(decompose_node(scene, ivan, image, Backward(kinds=KINDS, into=into)))
    assert family_of(image).differences[1] is alone
    assert alone.GetName() == "ADC: round trip minus source"


def test_without_a_latent_it_is_said_how_this_image_goes_back(
    scene: Any, nodes: list[Any], ivan: Model, model: Model
) -> None:
    image = finish(synthesize_nodes(scene, ivan, nodes, Forward(latent=False)))["synthetic-1"]
    with pytest.raises(SceneError, match=r"Synthesize again and keep the latent for the round trip, or go back"):
        finish(decompose_node(scene, ivan, image, Backward()))
    fused = finish(fuse_nodes(scene, model, nodes, Forward(latent=False)))["fused"]
    with pytest.raises(SceneError, match="Fuse again and keep the latent"):
        finish(decompose_node(scene, model, fused, Backward()))


def test_what_is_missing_of_a_synthetic_image_is_not_asked_of_a_fused_one(image: Any) -> None:
    with pytest.raises(SceneError, match="Take the fused or synthetic image apart with the difference"):
        layers_of(family_of(image), View.DIFFERENCE)
    with pytest.raises(SceneError, match="A synthetic one has no spread"):
        layers_of(family_of(image), View.SPREAD)


@pytest.mark.parametrize("exact", [True, False])
def test_what_a_fused_image_gives_back_keeps_its_names(scene: Any, nodes: list[Any], model: Model, exact: bool) -> None:
    fused = finish(fuse_nodes(scene, model, nodes, Forward()))["fused"]
    made = finish(decompose_node(scene, model, fused, Backward(exact=exact, samples=1, kinds=KINDS)))
    assert made["difference-1"].GetName() == "ADC: decomposed minus source"
    assert list(panes_of(family_of(fused)))[3:] == ["Decomposed 1", "Decomposed 2", "Difference 1", "Difference 2"]
