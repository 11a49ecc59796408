import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from InvertibleFusionLib import Volume, decompose, fuse
from InvertibleFusionLib.errors import SceneError, UnsuitableVolumeError
from InvertibleFusionLib.models.model import Model

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.images import loose_node  # noqa: E402
from InvertibleFusionLib.mrml.outcomes import (  # noqa: E402
    Outcome,
    decomposition_outcomes,
    difference_outcome,
    fusion_outcomes,
)
from InvertibleFusionLib.mrml.provenance import RECORD, Look  # noqa: E402
from InvertibleFusionLib.mrml.results import Place, put_results  # noqa: E402
from InvertibleFusionLib.mrml.views import family_of  # noqa: E402
from InvertibleFusionLib.mrml.volumes import fused_from_nodes, sources_from_nodes, volume_from_node  # noqa: E402

ADC_QUANTITY = ("113041", "DCM", "Apparent Diffusion Coefficient")
ADC_UNITS = ("um2/s", "UCUM", "um2/s")


def coded(value: str, scheme: str, meaning: str) -> Any:
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(value, scheme, meaning)
    return entry


@pytest.fixture
def nodes(host: Any, scene: Any, bumps: Any) -> list[Any]:
    """An ADC and a FLAIR in a study, as a radiologist has windowed them."""
    adc, flair = host.loaded(scene, bumps("ADC")), host.loaded(scene, bumps("FLAIR", dtype="int16", seed=1))
    adc.SetVoxelValueQuantity(coded(*ADC_QUANTITY))
    adc.SetVoxelValueUnits(coded(*ADC_UNITS))
    adc.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    adc.GetDisplayNode().SetAutoWindowLevel(0)
    adc.GetDisplayNode().SetWindow(512.0)
    adc.GetDisplayNode().SetLevel(300.0)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    study = hierarchy.CreateStudyItem(patient, "study")
    for node in (adc, flair):
        hierarchy.CreateItem(study, node)
    return [adc, flair]


def fused_nodes(scene: Any, nodes: list[Any], model: Model, into: Any = None) -> dict[str, Any]:
    sources = sources_from_nodes(nodes)
    fusion = fuse(model, sources.volumes, resample=True)
    return put_results(scene, fusion_outcomes(fusion, sources), Place(nodes, None, sources.parent), into)


def decomposed_nodes(scene: Any, nodes: list[Any], fused: dict[str, Any], model: Model, exact: bool) -> dict[str, Any]:
    image, latent = fused_from_nodes(fused["fused"], fused["latent"])
    result = decompose(model, image, latent=latent) if exact else decompose(model, image, samples=2)
    parent = fused["fused"].GetParentTransformNode()
    differences = [difference_outcome(result, number, node, parent) for number, node in enumerate(nodes, 1)]
    return put_results(scene, decomposition_outcomes(result) + differences, Place(nodes, fused["fused"], parent))


def test_a_fusion_becomes_two_complete_nodes_in_the_study_of_the_first_source(
    scene: Any, nodes: list[Any], model: Model
) -> None:
    made = fused_nodes(scene, nodes, model)
    fused, latent = made["fused"], made["latent"]
    assert fused.GetName() == "fused ADC + FLAIR"
    assert latent.GetClassName() == "vtkMRMLVectorVolumeNode"
    assert latent.GetImageData().GetNumberOfScalarComponents() == 2
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(fused)
    folder = hierarchy.GetItemParent(item)
    assert hierarchy.GetItemName(folder) == "InvertibleFusion"
    assert hierarchy.GetItemName(hierarchy.GetItemParent(folder)) == "study"
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(latent)) == folder
    assert fused.GetDisplayNode().GetAutoWindowLevel()
    record = json.loads(fused.GetAttribute("InvertibleFusion.record"))
    assert record["task"] == "fuse"
    assert [source["name"] for source in record["sources"]] == ["ADC", "FLAIR"]
    assert fused.GetNodeReference("InvertibleFusion.latent") is latent
    fused_nodes(scene, nodes, model)
    assert hierarchy.GetNumberOfItemChildren(folder) == 4  # no second folder


def test_a_result_never_passes_for_the_scan_it_was_made_of(scene: Any, nodes: list[Any], model: Model) -> None:
    fused = fused_nodes(scene, nodes, model)
    decomposed = decomposed_nodes(scene, nodes, fused, model, exact=True)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for node in (*fused.values(), *decomposed.values()):
        assert node.GetAttribute("DICOM.instanceUIDs") is None
        item = hierarchy.GetItemByDataNode(node)
        for read in (node.GetAttribute, lambda name, item=item: hierarchy.GetItemAttribute(item, name)):
            assert read("DICOM.Modality") == "SC"
            assert read("DICOM.Manufacturer") == "InvertibleFusion, research use only"
            assert read("DICOM.SeriesDescription").startswith("DERIVED ")
            assert read("DICOM.ImageType") == "DERIVED\\SECONDARY"
            assert "Research use only" in read("DICOM.DerivationDescription")
            assert len(read("DICOM.SeriesDescription")) <= 64
        assert node.GetName() not in ("ADC", "FLAIR")


def test_what_is_decomposed_looks_and_measures_like_its_source(scene: Any, nodes: list[Any], model: Model) -> None:
    fused = fused_nodes(scene, nodes, model)
    exact = decomposed_nodes(scene, nodes, fused, model, exact=True)
    seen = decomposed_nodes(scene, nodes, fused, model, exact=False)
    assert exact.keys() == {"exact-1", "exact-2", "difference-1", "difference-2"}
    assert seen.keys() == {"mean-1", "mean-2", "spread-1", "spread-2", "difference-1", "difference-2"}
    for node in (exact["exact-1"], seen["mean-1"]):
        assert node.GetVoxelValueQuantity().GetCodeValue() == "113041"
        assert node.GetVoxelValueUnits().GetCodeValue() == "um2/s"
        display = node.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (512.0, 300.0, 0)
    flair = nodes[1].GetDisplayNode()
    assert exact["exact-2"].GetDisplayNode().GetWindow() == pytest.approx(flair.GetWindow())
    assert exact["exact-2"].GetVoxelValueUnits() is None
    assert seen["spread-1"].GetVoxelValueUnits().GetCodeValue() == "um2/s"
    difference = slicer.util.arrayFromVolume(exact["difference-1"])
    assert 0 < np.abs(difference).max() <= 1e-5 * 1200
    assert exact["difference-1"].GetDisplayNode().GetLevel() == 0
    expected = slicer.util.arrayFromVolume(seen["mean-1"]) - slicer.util.arrayFromVolume(nodes[0])
    np.testing.assert_allclose(slicer.util.arrayFromVolume(seen["difference-1"]), expected, atol=1e-3)


def test_a_source_keeps_its_colours_and_a_pet_without_any_gets_those_of_pet(
    scene: Any, nodes: list[Any], model: Model
) -> None:
    hot = slicer.vtkMRMLColorLogic.GetPETColorNodeID(slicer.vtkMRMLPETProceduralColorNode.PETheat)
    nodes[1].GetDisplayNode().SetAndObserveColorNodeID(hot)
    fused = fused_nodes(scene, nodes, model)
    made = decomposed_nodes(scene, nodes, fused, model, exact=True)
    assert made["exact-2"].GetDisplayNode().GetColorNodeID() == hot
    assert made["exact-1"].GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeGrey"
    image, _ = fused_from_nodes(fused["fused"])
    record = json.loads(json.dumps(image.record))
    for source, name in zip(record["sources"], ("T1", "FDG-PET"), strict=True):
        source["name"] = name
        del source["shown"]
    outcomes = decomposition_outcomes(decompose(model, replace(image, record=record), samples=1))
    pet = slicer.vtkMRMLColorLogic.GetPETColorNodeID(slicer.vtkMRMLPETProceduralColorNode.PETDICOM)
    assert [outcome.look.colour for outcome in outcomes] == ["vtkMRMLColorTableNodeGrey", pet]


def test_results_move_with_sources_under_one_transform_and_stay_where_others_were_seen(
    host: Any, scene: Any, nodes: list[Any], model: Model
) -> None:
    parent = host.move(scene, host.rigid())
    host.put_under(parent, *nodes)
    before = host.contents(scene)
    shared = fused_nodes(scene, nodes, model)
    decomposed = decomposed_nodes(scene, nodes, shared, model, exact=True)
    for node in (*shared.values(), *decomposed.values()):
        assert node.GetParentTransformNode() is parent
    host.put_under(None, nodes[1])
    host.put_under(parent, nodes[0])
    apart = fused_nodes(scene, nodes, model)
    assert apart["fused"].GetParentTransformNode() is None
    nodes[0].HardenTransform()
    expected = volume_from_node(nodes[0]).grid.corners()
    np.testing.assert_allclose(volume_from_node(apart["fused"]).grid.corners(), expected, atol=1e-6)
    after = host.contents(scene)
    assert {key: after[key] for key in before if key != nodes[0].GetID() and key != nodes[1].GetID()} == {
        key: facts for key, facts in before.items() if key not in (nodes[0].GetID(), nodes[1].GetID())
    }


def test_running_again_fills_the_chosen_nodes_and_keeps_what_the_user_set(
    host: Any, scene: Any, nodes: list[Any], model: Model, bumps: Any
) -> None:
    first = fused_nodes(scene, nodes, model)
    display = first["fused"].GetDisplayNode()
    display.SetAutoWindowLevel(0)
    display.SetWindow(0.25)
    other = host.loaded(scene, replace(bumps("T1", (20, 16, 4)), spacing=(2.0, 2.0, 6.0)))
    mate = host.loaded(scene, replace(bumps("T2", (20, 16, 4), seed=3), spacing=(2.0, 2.0, 6.0)))
    count = scene.GetNumberOfNodes()
    again = fused_nodes(scene, [other, mate], model, into=first)
    assert scene.GetNumberOfNodes() == count
    assert again["fused"] is first["fused"]
    assert again["fused"].GetName() == "fused T1 + T2"
    assert display.GetWindow() == 0.25
    fresh = fused_nodes(scene, [other, mate], model)
    for key in ("fused", "latent"):
        mine, new = volume_from_node(again[key]), volume_from_node(fresh[key])
        np.testing.assert_array_equal(mine.array, new.array)
        np.testing.assert_allclose(mine.grid.corners(), new.grid.corners())
        assert mine.record is not None
        assert [source["name"] for source in mine.record["sources"]] == ["T1", "T2"]
    image, latent = fused_from_nodes(again["fused"], again["latent"])
    assert decompose(model, image, latent=latent).sources[0].mean.name == "T1"


def test_what_belonged_to_an_overwritten_image_no_longer_belongs_to_it(
    host: Any, scene: Any, nodes: list[Any], model: Model
) -> None:
    first = fused_nodes(scene, nodes, model)
    old = decomposed_nodes(scene, nodes, first, model, exact=True)
    assert family_of(first["fused"]).decomposed == {1: old["exact-1"], 2: old["exact-2"]}
    again = fused_nodes(scene, nodes[::-1], model, into={"fused": first["fused"]})
    family = family_of(first["fused"])
    assert family.decomposed == {}
    assert family.differences == {}
    assert family.latent is again["latent"]
    assert family.sources == {1: nodes[1], 2: nodes[0]}


def test_a_source_deleted_during_the_run_leaves_the_others_their_numbers(
    host: Any, scene: Any, nodes: list[Any], model: Model
) -> None:
    sources = sources_from_nodes(nodes)
    fusion = fuse(model, sources.volumes)
    outcomes = fusion_outcomes(fusion, sources)
    scene.RemoveNode(nodes[0])
    made = put_results(scene, outcomes, Place(nodes, None, sources.parent))
    assert family_of(made["fused"]).sources == {2: nodes[1]}
    assert family_of(host.reopened(scene).GetFirstNodeByName("fused ADC + FLAIR")).sources.keys() == {2}


def test_scans_and_other_nodes_are_never_overwritten(
    host: Any, scene: Any, nodes: list[Any], model: Model, bumps: Any
) -> None:
    bystander = host.loaded(scene, bumps("T1"))
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "output")
    deleted = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "output 2")
    scene.RemoveNode(deleted)
    before = host.contents(scene)
    for chosen, reason in [
        ({"fused": nodes[0]}, "ADC is what the result is made of and is never changed"),
        ({"fused": bystander}, "T1 was not made here and is not overwritten"),
        ({"fused": empty, "latent": empty}, "output is chosen for two outputs"),
        ({"latent": empty}, "output cannot hold latent of ADC"),
        ({"fused": deleted}, "The output output 2 was deleted"),
    ]:
        with pytest.raises(SceneError, match=reason):
            fused_nodes(scene, nodes, model, into=chosen)
        assert host.contents(scene) == before
    assert fused_nodes(scene, nodes, model, into={"fused": empty})["fused"] is empty
    assert empty.GetAttribute(RECORD)


def test_a_failure_half_way_leaves_the_scene_as_it_was(
    host: Any, scene: Any, nodes: list[Any], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = sources_from_nodes(nodes)
    outcomes = fusion_outcomes(fuse(model, sources.volumes), sources)
    large = Volume(np.full((2, 2, 2), 2**60 + 1, np.int64), name="large")
    before = host.contents(scene)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = hierarchy.GetNumberOfItems()
    with pytest.raises(UnsuitableVolumeError, match="large"):
        put_results(scene, [*outcomes, Outcome("exact-1", large, Look())], Place(nodes))
    assert host.contents(scene) == before

    def out_of_memory(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("InvertibleFusionLib.mrml.results._connect", out_of_memory)
    with pytest.raises(MemoryError):
        put_results(scene, outcomes, Place(nodes))
    assert host.contents(scene) == before
    assert hierarchy.GetNumberOfItems() == items


def test_nodes_are_complete_when_observers_first_see_them(scene: Any, nodes: list[Any], model: Model) -> None:
    seen: list[tuple[bool, bool, bool]] = []

    def added(*_: Any) -> None:
        node = scene.GetNthNode(scene.GetNumberOfNodes() - 1)
        if node.IsA("vtkMRMLVolumeNode"):
            whole = node.GetImageData() is not None and node.GetImageData().GetNumberOfPoints() > 0
            seen.append((whole, node.GetDisplayNode() is not None, bool(node.GetAttribute(RECORD))))

    scene.AddObserver(scene.NodeAddedEvent, added)
    fused_nodes(scene, nodes, model)
    assert seen == [(True, True, True)] * 2


def test_synthesized_images_say_so_in_their_name_and_nothing_else_does(scene: Any, bumps: Any) -> None:
    record = {
        "task": "synthesize",
        "model": {"name": "m"},
        "sources": [],
        "result": {"kind": "synthetic", "name": "T2"},
    }
    made = put_results(scene, [Outcome("synthetic", replace(bumps("T2"), record=record), Look())], Place())
    assert made["synthetic"].GetName() == "SYNTHETIC T2"
    assert made["synthetic"].GetAttribute("DICOM.SeriesDescription") == "DERIVED SYNTHETIC T2"
    record = {"task": "decompose", "model": {"name": "m"}, "sources": [], "result": {"kind": "exact", "name": "T2"}}
    made = put_results(scene, [Outcome("exact-1", replace(bumps("T2"), record=record), Look())], Place())
    assert made["exact-1"].GetName() == "T2"


def test_a_source_that_is_gone_has_no_difference(scene: Any, nodes: list[Any], model: Model) -> None:
    fused = fused_nodes(scene, nodes, model)
    image, latent = fused_from_nodes(fused["fused"], fused["latent"])
    result = decompose(model, image, latent=latent)
    scene.RemoveNode(nodes[1])
    with pytest.raises(SceneError, match="FLAIR, the source 2, was deleted from the scene meanwhile"):
        difference_outcome(result, 2, nodes[1], None)
    assert loose_node(image).GetScene() is None


def test_without_a_study_results_stand_in_one_folder_beside_their_source(
    host: Any, scene: Any, bumps: Any, model: Model
) -> None:
    nodes = [host.loaded(scene, bumps("ADC")), host.loaded(scene, bumps("FLAIR", seed=1))]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    own = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "my folder")
    hierarchy.CreateItem(own, nodes[0])
    fused = fused_nodes(scene, nodes, model)
    result = decompose(model, fused_from_nodes(fused["fused"])[0], samples=2)
    made = put_results(scene, decomposition_outcomes(result), Place((), fused["fused"]))
    parents = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in (*fused.values(), *made.values())}
    (folder,) = parents
    assert hierarchy.GetItemName(folder) == "InvertibleFusion"
    assert hierarchy.GetItemParent(folder) == own
