from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume, decompose, fuse, synthesize
from InvertibleFusionLib.errors import GridMismatchError, RecordMismatchError
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.model_file import read_model

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.outcomes import decomposition_outcomes, fusion_outcomes, synthesis_outcomes  # noqa: E402
from InvertibleFusionLib.mrml.provenance import keep_record  # noqa: E402
from InvertibleFusionLib.mrml.results import Place, put_results  # noqa: E402
from InvertibleFusionLib.mrml.views import family_of  # noqa: E402
from InvertibleFusionLib.mrml.volumes import (  # noqa: E402
    fused_from_nodes,
    images_from_nodes,
    sources_from_nodes,
    volume_from_node,
)


def put_fusion(scene: Any, nodes: list[Any], model: Model, axis: Any = "axial") -> dict[str, Any]:
    sources = sources_from_nodes(nodes)
    fusion = fuse(model, sources.volumes, axis=axis)
    return put_results(scene, fusion_outcomes(fusion, sources), Place(nodes, None, sources.parent))


def largest_error(back: Volume, node: Any) -> float:
    source = volume_from_node(node).array.astype(np.float64)
    return float(np.abs(back.array - source).max() / np.ptp(source))


@pytest.fixture
def pair(host: Any, scene: Any, bumps: Any) -> list[Any]:
    return [host.loaded(scene, bumps("ADC")), host.loaded(scene, bumps("FLAIR", dtype="int16", seed=1))]


@pytest.mark.parametrize("kind", ["mrb", "mrml"])
def test_a_fused_node_of_a_reopened_scene_decomposes_exactly(
    host: Any, scene: Any, pair: list[Any], model: Model, kind: str
) -> None:
    made = put_fusion(scene, pair, model)
    latent = slicer.util.arrayFromVolume(made["latent"]).copy()
    other = host.reopened(scene) if kind == "mrb" else host.reopened_from_folder(scene)
    family = family_of(other.GetFirstNodeByName("fused ADC + FLAIR"))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(family.latent).view(np.uint32), latent.view(np.uint32))
    for key, node in (("fused", family.fused), ("latent", family.latent)):
        again, before = volume_from_node(node), volume_from_node(made[key])
        np.testing.assert_allclose(again.grid.corners(), before.grid.corners(), atol=1e-9)
        assert again.record == before.record
    image, kept = fused_from_nodes(family.fused, family.latent)
    result = decompose(model, image, latent=kept)
    for number, estimate in enumerate(result.sources, 1):
        assert largest_error(estimate.mean, family.sources[number]) <= 1e-5
    place = Place([family.sources[1], family.sources[2]], family.fused, family.fused.GetParentTransformNode())
    nodes = put_results(other, decomposition_outcomes(result), place)
    assert family_of(family.fused).decomposed == {1: nodes["exact-1"], 2: nodes["exact-2"]}


@pytest.mark.parametrize(("inputs", "outputs", "channels"), [("ADC FLAIR", "T2 DWI PD T1", 4), ("ADC FLAIR", "PET", 6)])
@pytest.mark.parametrize("again", [False, True], ids=["fresh", "into an earlier result"])
@pytest.mark.parametrize("kind", ["mrb", "mrml"])
def test_a_latent_of_many_channels_is_saved_with_its_scene_and_goes_back_exactly(
    host: Any,
    scene: Any,
    pair: list[Any],
    synthesis_file: Any,
    inputs: str,
    outputs: str,
    channels: int,
    again: bool,
    kind: str,
) -> None:
    """Slicer's usual storage node refuses the whole scene from five components on."""
    model = read_model(synthesis_file(inputs, outputs))
    sources = sources_from_nodes(pair)
    synthesis = synthesize(model, sources.volumes)
    place = Place(pair, None, sources.parent)
    made = put_results(scene, synthesis_outcomes(synthesis, sources), place)
    if again:
        made = put_results(scene, synthesis_outcomes(synthesis, sources), place, made)
    assert scene.GetNumberOfNodesByClass("vtkMRMLNRRDStorageNode") == (channels > 4)
    other = host.reopened(scene) if kind == "mrb" else host.reopened_from_folder(scene)
    family = family_of(other.GetFirstNodeByName(made["synthetic-1"].GetName()))
    images, kept = images_from_nodes(family.images, family.latent)
    assert kept is not None
    assert kept.components == channels
    np.testing.assert_array_equal(kept.array.view(np.uint32), synthesis.latent.array.view(np.uint32))
    result = decompose(model, images, latent=kept)
    for estimate, node in zip(result.sources, pair, strict=True):
        assert largest_error(estimate.mean, node) <= 1e-5
        np.testing.assert_allclose(estimate.mean.grid.corners(), volume_from_node(node).grid.corners(), atol=1e-6)


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
def test_left_handed_nodes_decompose_exactly_after_slicer_mirrored_them_on_reopening(
    host: Any, scene: Any, pair: list[Any], model: Model, axis: Any
) -> None:
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    for node in pair:  # as a mirroring transform leaves them when it is hardened
        node.ApplyTransformMatrix(slicer.util.vtkMatrixFromArray(mirror))
    made = put_fusion(scene, pair, model, axis)
    other = host.reopened(scene)
    family = family_of(other.GetFirstNodeByName("fused ADC + FLAIR"))
    before = slicer.util.arrayFromVolume(made["fused"])
    assert not np.array_equal(slicer.util.arrayFromVolume(family.fused), before)
    image, kept = fused_from_nodes(family.fused, family.latent)
    np.testing.assert_array_equal(image.array, before)
    result = decompose(model, image, latent=kept)
    for estimate, node in zip(result.sources, pair, strict=True):
        assert largest_error(estimate.mean, node) <= 1e-5
        np.testing.assert_allclose(estimate.mean.grid.corners(), volume_from_node(node).grid.corners(), atol=1e-6)


def test_a_decomposition_needs_neither_sources_nor_transform_to_be_there_still(
    host: Any, scene: Any, pair: list[Any], model: Model, bumps: Any
) -> None:
    parent = host.move(scene, host.rigid())
    host.put_under(parent, *pair)
    pair[0].GetDisplayNode().SetAutoWindowLevel(0)
    pair[0].GetDisplayNode().SetWindow(321.0)
    put_fusion(scene, pair, model)
    for node in pair:
        scene.RemoveNode(node)
    other = host.reopened(scene)
    fused = other.GetFirstNodeByName("fused ADC + FLAIR")
    assert fused.GetParentTransformNode().GetName() == "moved"
    family = family_of(fused)
    assert family.sources == {}
    fused.HardenTransform()
    image, kept = fused_from_nodes(fused, family.latent)
    with pytest.raises(GridMismatchError, match=r"latent of ADC . FLAIR does not lie on the grid of fused ADC"):
        decompose(model, image, latent=kept)
    family.latent.HardenTransform()
    image, kept = fused_from_nodes(fused, family.latent)
    result = decompose(model, image, latent=kept)
    made = put_results(other, decomposition_outcomes(result), Place((), fused))
    assert np.abs(slicer.util.arrayFromVolume(made["exact-1"]) - bumps("ADC").array).max() <= 1e-5 * 1200
    assert made["exact-1"].GetDisplayNode().GetWindow() == 321.0


def test_an_edited_image_is_refused_and_a_foreign_latent_too(
    host: Any, scene: Any, pair: list[Any], model: Model
) -> None:
    made = put_fusion(scene, pair, model)
    other = put_fusion(scene, pair[::-1], model)
    image, latent = fused_from_nodes(made["fused"], other["latent"])
    with pytest.raises(RecordMismatchError, match="is not the latent that was kept with fused ADC"):
        decompose(model, image, latent=latent)
    slicer.util.arrayFromVolume(made["fused"])[2, 9, 9] += 0.01
    slicer.util.arrayFromVolumeModified(made["fused"])
    image, latent = fused_from_nodes(made["fused"], made["latent"])
    with pytest.raises(RecordMismatchError, match="or it was changed since"):
        decompose(model, image, latent=latent)


def test_files_of_the_command_line_decompose_exactly_after_a_scene_took_them_in(
    host: Any, scene: Any, model: Model, sources: list[Volume]
) -> None:
    fusion = fuse(model, sources)
    for name, volume in (("fused", fusion.image), ("latent", fusion.latent)):
        volume.write(host.folder / f"{name}.nrrd")
        keep_record(host.load(scene, host.folder / f"{name}.nrrd"))
    other = host.reopened(scene)
    image, latent = fused_from_nodes(other.GetFirstNodeByName("fused"), other.GetFirstNodeByName("latent"))
    result = decompose(model, image, latent=latent)
    for estimate, source in zip(result.sources, sources, strict=True):
        values = source.array.astype(np.float64)
        assert np.abs(estimate.mean.array - values).max() <= 1e-5 * np.ptp(values)


def test_a_fused_node_saved_as_a_file_by_slicer_is_the_same_image_for_simpleitk(
    host: Any, scene: Any, pair: list[Any], model: Model
) -> None:
    made = put_fusion(scene, pair, model)
    for key in ("fused", "latent"):
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        storage.SetFileName(str(host.folder / f"{key}.nrrd"))
        assert storage.WriteData(made[key])
        image = sitk.ReadImage(str(host.folder / f"{key}.nrrd"))
        mine = volume_from_node(made[key])
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), mine.array)
        for index in np.ndindex(2, 2, 2):
            corner = [a * (n - 1) for a, n in zip(index, image.GetSize(), strict=True)]
            np.testing.assert_allclose(
                image.TransformIndexToPhysicalPoint(corner), mine.grid.position(tuple(corner)), atol=1e-6
            )


def test_without_its_latent_a_reopened_image_tells_what_it_alone_tells(
    host: Any, scene: Any, pair: list[Any], model: Model
) -> None:
    made = put_fusion(scene, pair, model)
    before = decompose(model, fused_from_nodes(made["fused"])[0], samples=2)
    scene.RemoveNode(made["latent"])
    family = family_of(host.reopened(scene).GetFirstNodeByName("fused ADC + FLAIR"))
    assert family.latent is None
    again = decompose(model, fused_from_nodes(family.fused)[0], samples=2)
    np.testing.assert_array_equal(again.sources[0].mean.array, before.sources[0].mean.array)
