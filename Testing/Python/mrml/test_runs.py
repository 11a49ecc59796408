"""Runs from nodes to nodes: complete results or none."""

from typing import Any

import numpy as np
import pytest

from InvertibleFusionLib import fuse
from InvertibleFusionLib.errors import ConfigurationError, SceneError
from InvertibleFusionLib.inference.slice_engine import finish
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.disentangled_gan import DisentangledGANConfiguration, DisentangledGenerator
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.model_file import read_model

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.images import loose_node  # noqa: E402
from InvertibleFusionLib.mrml.provenance import record_of  # noqa: E402
from InvertibleFusionLib.mrml.runs import (  # noqa: E402
    Backward,
    Forward,
    decompose_node,
    fuse_and_decompose,
    fuse_nodes,
    nodes_to_update,
    synthesize_nodes,
)
from InvertibleFusionLib.mrml.statistics_table import statistics_of  # noqa: E402
from InvertibleFusionLib.mrml.views import family_of  # noqa: E402
from InvertibleFusionLib.mrml.volumes import volume_from_node  # noqa: E402


@pytest.fixture
def nodes(scene: Any, bumps: Any) -> list[Any]:
    return [scene.AddNode(loose_node(bumps("ADC"))), scene.AddNode(loose_node(bumps("FLAIR", dtype="int16", seed=1)))]


@pytest.fixture(autouse=True)
def _no_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling kernels takes longer than all of these tests."""
    monkeypatch.setattr("InvertibleFusionLib.inference.plan.numba_works", lambda: False)


def test_a_run_gives_what_fuse_and_decompose_give_the_wanted_slice_first(
    scene: Any, nodes: list[Any], model: Model
) -> None:
    back = Backward(kinds=("decomposed", "difference"))
    run = fuse_and_decompose(scene, model, nodes, Forward(first=4), back)
    seen = []
    made = finish(run, seen.append)
    assert [(seen[0].index, seen[0].done), (seen[6].done, seen[-1].done)] == [(4, 1), (1, 6)]
    assert sorted(made) == ["difference-1", "difference-2", "exact-1", "exact-2", "fused", "latent"]
    expected = fuse(model, [volume_from_node(node) for node in nodes])
    np.testing.assert_array_equal(volume_from_node(made["fused"]).array, expected.image.array)
    for number, node in enumerate(nodes, 1):
        original = volume_from_node(node).array
        assert np.abs(volume_from_node(made[f"exact-{number}"]).array - original).max() <= 1e-5 * np.ptp(original)
        assert np.abs(volume_from_node(made[f"difference-{number}"]).array).max() <= 1e-5 * np.ptp(original)


def test_a_closed_run_leaves_the_scene_as_it_was(host: Any, scene: Any, nodes: list[Any], model: Model) -> None:
    before = host.contents(scene)
    run = fuse_nodes(scene, model, nodes, Forward())
    next(run)
    next(run)
    run.close()
    assert host.contents(scene) == before


@pytest.mark.parametrize("mishap", ["deleted", "closed"])
def test_a_source_that_goes_away_stops_the_run(
    host: Any, scene: Any, nodes: list[Any], model: Model, mishap: str
) -> None:
    run = fuse_nodes(scene, model, nodes, Forward())
    next(run)
    if mishap == "deleted":
        scene.RemoveNode(nodes[1])
    else:
        scene.Clear(False)
    before = host.contents(scene)
    with pytest.raises(SceneError, match="was deleted from the scene meanwhile"):
        finish(run)
    assert host.contents(scene) == before


def test_without_its_latent_an_image_comes_apart_from_itself_alone(scene: Any, nodes: list[Any], model: Model) -> None:
    fused = finish(fuse_nodes(scene, model, nodes, Forward(latent=False)))["fused"]
    with pytest.raises(SceneError, match="There is no latent of"):
        finish(decompose_node(scene, model, fused, Backward()))
    way = Backward(exact=False, samples=2, seed=3, kinds=("decomposed", "spread"))
    made = finish(decompose_node(scene, model, fused, way))
    assert sorted(made) == ["mean-1", "mean-2", "spread-1", "spread-2"]
    assert (record_of(made["spread-1"]) or {})["settings"]["seed"] == 3


def test_when_one_source_is_gone_the_others_keep_their_numbers(scene: Any, nodes: list[Any], model: Model) -> None:
    fused = finish(fuse_nodes(scene, model, nodes, Forward()))["fused"]
    scene.RemoveNode(nodes[0])
    made = finish(decompose_node(scene, model, fused, Backward(kinds=("decomposed", "difference"))))
    assert sorted(made) == ["difference-2", "exact-1", "exact-2"]
    family = family_of(fused)
    assert family.sources == {2: nodes[1]}
    assert family.decomposed == {1: made["exact-1"], 2: made["exact-2"]}


def test_an_earlier_result_is_filled_again(scene: Any, nodes: list[Any], model: Model) -> None:
    first = finish(fuse_and_decompose(scene, model, nodes, Forward(), Backward()))
    count = scene.GetNumberOfNodes()
    into = nodes_to_update(first["fused"])
    second = finish(fuse_and_decompose(scene, model, nodes[:], Forward(into=into), Backward(into=into)))
    assert second == first
    assert scene.GetNumberOfNodes() == count
    assert family_of(first["fused"]).decomposed == {1: first["exact-1"], 2: first["exact-2"]}


def test_a_synthesis_enters_the_scene_as_synthetic_and_goes_back(
    scene: Any, nodes: list[Any], synthesis_file: Any
) -> None:
    model = read_model(synthesis_file("ADC FLAIR", "T2"))
    made = finish(synthesize_nodes(scene, model, nodes, Forward()))
    assert sorted(made) == ["latent", "synthetic-1"]
    image = made["synthetic-1"]
    assert image.GetName() == "SYNTHETIC T2"
    family = family_of(image)
    assert (family.latent, dict(family.sources)) == (made["latent"], {1: nodes[0], 2: nodes[1]})
    back = finish(decompose_node(scene, model, image, Backward()))
    assert sorted(back) == ["round-trip-1", "round-trip-2"]
    assert family_of(image).decomposed == {1: back["round-trip-1"], 2: back["round-trip-2"]}
    for number, node in enumerate(nodes, 1):
        original = volume_from_node(node).array
        assert np.abs(volume_from_node(back[f"round-trip-{number}"]).array - original).max() <= 1e-4 * np.ptp(original)


def test_a_synthesis_of_several_contrasts_goes_back_from_all_of_them_and_is_updated_as_a_whole(
    scene: Any, nodes: list[Any], synthesis_file: Any
) -> None:
    model = read_model(synthesis_file("ADC FLAIR", "T2 T1"))
    made = finish(synthesize_nodes(scene, model, nodes, Forward()))
    first, second = made["synthetic-1"], made["synthetic-2"]
    assert family_of(first).images == [first, second]
    back = finish(decompose_node(scene, model, first, Backward()))
    for number, node in enumerate(nodes, 1):
        original = volume_from_node(node).array
        assert np.abs(volume_from_node(back[f"round-trip-{number}"]).array - original).max() <= 1e-4 * np.ptp(original)
    assert finish(synthesize_nodes(scene, model, nodes, Forward(into=nodes_to_update(first)))) == made
    scene.RemoveNode(second)
    with pytest.raises(ConfigurationError, match="needs T2 and T1, in this order; 1 images were given"):
        finish(decompose_node(scene, model, first, Backward()))


@pytest.fixture
def gan() -> Model:
    configuration = DisentangledGANConfiguration(sources=2, base_channels=2, residual_blocks=1)
    card = ModelCard(
        name="tiny-gan",
        architecture="disentangled-gan",
        configuration=configuration.to_json(),
        task="synthesis",
        inputs=["ADC", "FLAIR"],
        outputs=["T2"],
        intensity={"method": "percentile"},
    )
    return Model(DisentangledGenerator(configuration).eval(), card, "0" * 64)


def test_what_was_shown_of_an_earlier_synthesis_does_not_pass_for_the_new_ones(
    scene: Any, nodes: list[Any], gan: Model
) -> None:
    first = finish(synthesize_nodes(scene, gan, nodes, Forward(inspect=True)))
    image, mixture, table = first["synthetic-1"], first["pseudo-target"], first["adain-statistics"]
    record = record_of(table) or {}
    assert (record["result"]["kind"], record["synthetic"]) == ("adain-statistics", True)
    assert record["model"]["name"] == "tiny-gan"
    again = Forward(inspect=True, into=nodes_to_update(image))
    assert finish(synthesize_nodes(scene, gan, nodes, again)) == first
    assert statistics_of(image) is table
    assert mixture.GetName().startswith("pseudo-target of SYNTHETIC T2")
    finish(synthesize_nodes(scene, gan, nodes, Forward(into=nodes_to_update(image))))
    assert family_of(image).pseudo_target is None
    assert statistics_of(image) is None
    assert nodes_to_update(image).keys() == {"fused", "synthetic-1"}
    for node in (mixture, table):
        assert node.GetScene() is scene
        assert node.GetName().endswith(", of an earlier run")
    shown = finish(synthesize_nodes(scene, gan, nodes, Forward(inspect=True, into=nodes_to_update(image))))
    assert shown["synthetic-1"] is image
    assert statistics_of(image) is shown["adain-statistics"]
    assert not {mixture.GetID(), table.GetID()} & {node.GetID() for node in shown.values()}


def test_a_synthetic_pet_in_grey_is_shown_in_its_colours(scene: Any, nodes: list[Any], synthesis_file: Any) -> None:
    from dataclasses import replace

    model = read_model(synthesis_file("ADC FLAIR", "T2"))
    pet = replace(model, card=replace(model.card, outputs=["FDG-PET"]))
    image = finish(synthesize_nodes(scene, pet, nodes, Forward(latent=False)))["synthetic-1"]
    assert image.GetName() == "SYNTHETIC FDG-PET"
    assert "PET" in image.GetDisplayNode().GetColorNodeID()
