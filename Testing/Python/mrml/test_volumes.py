from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume, decompose, fuse
from InvertibleFusionLib.errors import ConfigurationError, RecordMismatchError, SceneError, UnsuitableVolumeError
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.volumes.resampling import resample

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed; it has wheels for Python 3.10 to 3.13")

from InvertibleFusionLib.mrml.images import loose_node  # noqa: E402
from InvertibleFusionLib.mrml.provenance import RECORD  # noqa: E402
from InvertibleFusionLib.mrml.volumes import (  # noqa: E402
    fused_from_nodes,
    sources_from_nodes,
    volume_from_node,
    volume_in,
)


def direction(mirrored: bool, degrees: float = 20.0) -> tuple[float, ...]:
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(*np.radians([degrees, -degrees / 2, 1.5 * degrees]))
    axes = np.array(rotation.GetMatrix()).reshape(3, 3) @ np.diag([1, -1 if mirrored else 1, 1])
    return tuple(axes.ravel())


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_voxel_lies_where_simpleitk_finds_it_in_the_file(
    host: Any, scene: Any, ending: str, mirrored: bool
) -> None:
    array = np.random.default_rng(1).integers(0, 9999, (5, 7, 9)).astype("int16")
    node = host.loaded(scene, Volume(array, (0.9, 1.7, 4.3), (-31.0, 12.5, 88.0), direction(mirrored), "scan"), ending)
    read = volume_from_node(node)
    image = sitk.ReadImage(str(host.folder / f"scan{ending}"))
    assert read.array.dtype == np.int16
    assert read.name == "scan"
    seen = set()
    for k, j, i in np.ndindex(read.array.shape):
        index = image.TransformPhysicalPointToIndex(read.grid.position((i, j, k)).tolist())
        there = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(there, read.grid.position((i, j, k)), atol=1e-3)
        assert image[index] == read.array[k, j, i]
        seen.add(index)
    assert len(seen) == array.size


def test_a_node_made_of_a_volume_is_saved_by_slicer_as_the_same_image(host: Any, scene: Any, bumps: Any) -> None:
    volume = bumps("mine")
    node = scene.AddNode(loose_node(volume))
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(host.folder / "mine.nrrd"))
    assert storage.WriteData(node)
    image = sitk.ReadImage(str(host.folder / "mine.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume.array)
    np.testing.assert_allclose(image.GetSpacing(), volume.spacing, atol=1e-9)
    np.testing.assert_allclose(image.GetOrigin(), volume.origin, atol=1e-9)
    np.testing.assert_allclose(image.GetDirection(), volume.direction, atol=1e-9)


@pytest.mark.parametrize("dtype", ["bool", "float16", "int64", "uint64", "uint8", "int16", ">f4", "float64"])
def test_every_voxel_type_enters_the_scene_with_its_values(scene: Any, dtype: str) -> None:
    array = (np.arange(60).reshape(3, 4, 5) % 7 * (0 if dtype == "bool" else 3) + 1).astype(dtype)
    node = scene.AddNode(loose_node(Volume(array, name="typed")))
    shown = slicer.util.arrayFromVolume(node)  # raises for types that Slicer does not know
    np.testing.assert_array_equal(shown, array)
    np.testing.assert_array_equal(volume_from_node(node).array, array)


def test_large_whole_numbers_are_kept_or_refused_but_never_changed(scene: Any) -> None:
    array = np.zeros((2, 3, 4), np.int64)
    array[0, 0, 0] = 2**40 + 1
    node = scene.AddNode(loose_node(Volume(array, name="large")))
    assert int(slicer.util.arrayFromVolume(node)[0, 0, 0]) == 2**40 + 1
    array[0, 0, 0] = 2**53 + 1
    with pytest.raises(UnsuitableVolumeError, match="large holds whole numbers from 0 to 9007199254740993"):
        loose_node(Volume(array, name="large"))


def test_a_read_volume_is_a_copy_that_later_edits_do_not_reach(host: Any, scene: Any, bumps: Any) -> None:
    node = host.loaded(scene, bumps("scan"))
    read = volume_from_node(node)
    before = read.array.copy()
    slicer.util.arrayFromVolume(node)[:] = 0
    np.testing.assert_array_equal(read.array, before)


def test_units_come_from_the_node_and_else_from_its_file(host: Any, scene: Any, bumps: Any) -> None:
    bumps("ADC").write(host.folder / "plain.nrrd")
    replace(bumps("ADC"), units="1e-6 mm2/s").write(host.folder / "stated.nrrd")
    assert volume_from_node(host.load(scene, host.folder / "plain.nrrd")).units == ""
    node = host.load(scene, host.folder / "stated.nrrd")
    assert volume_from_node(node).units == "1e-6 mm2/s"
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning("um2/s", "UCUM", "um2/s")
    node.SetVoxelValueUnits(entry)
    assert volume_from_node(node).units == "um2/s"


def test_a_rigid_transform_moves_the_copy_as_hardening_does_and_leaves_the_node(
    host: Any, scene: Any, bumps: Any
) -> None:
    node, twin = host.loaded(scene, bumps("scan")), host.loaded(scene, bumps("scan"))
    outer, inner = host.move(scene, host.rigid()), host.move(scene, host.rigid(-70, (1, 2, 3)))
    host.put_under(outer, inner)
    host.put_under(inner, node, twin)
    before = host.contents(scene)
    moved = volume_in(node, None)
    assert host.contents(scene) == before
    twin.HardenTransform()
    hardened = volume_from_node(twin)
    np.testing.assert_array_equal(moved.array, hardened.array)
    np.testing.assert_allclose(moved.grid.corners(), hardened.grid.corners(), atol=1e-9)
    assert np.abs(moved.grid.corners() - volume_from_node(node).grid.corners()).max() > 10


@pytest.mark.parametrize("kind", ["thin plate", "grid", "shear"])
def test_a_transform_that_bends_is_hardened_into_the_copy_only(host: Any, scene: Any, bumps: Any, kind: str) -> None:
    node, twin = host.loaded(scene, bumps("scan", (30, 30, 30))), host.loaded(scene, bumps("scan", (30, 30, 30)))
    corners = volume_from_node(node).grid.corners() * [-1, -1, 1]
    if kind == "thin plate":
        moves = {tuple(point): tuple(np.add(point, (40, 0, 0))) for point in corners}
        centre = tuple(corners.mean(axis=0))
        parent = host.bend(scene, {**moves, centre: (centre[0] + 40, centre[1] + 5, centre[2])})
    elif kind == "grid":
        parent = wave(host, scene)
    else:
        parent = host.move(scene, np.array([[1, 0.3, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    host.put_under(parent, node, twin)
    before = host.contents(scene)
    bent = volume_in(node, None)
    assert host.contents(scene) == before
    # The brightest places of the image must be found where the transform says they went.
    original = volume_from_node(node)
    index = np.unravel_index(original.array.argmax(), original.array.shape)[::-1]
    place = [0.0, 0.0, 0.0]
    node.TransformPointToWorld((original.grid.position(index) * [-1, -1, 1]).tolist(), place)
    found = bent.grid.position(np.unravel_index(bent.array.argmax(), bent.array.shape)[::-1]) * [-1, -1, 1]
    assert np.linalg.norm(found - place) < max(original.spacing)
    assert np.linalg.norm(np.array(place) - original.grid.position(index) * [-1, -1, 1]) > 4
    if kind != "shear":  # there, hardening shears the grid, which no file can store
        twin.HardenTransform()
        hardened = resample(volume_from_node(twin), bent.grid)
        inside = (slice(4, -4),) * 3
        np.testing.assert_allclose(bent.array[inside], hardened.array[inside], atol=0.02 * np.ptp(original.array))
    # Nothing of the head may be cut off: what is bright goes on being so, to its brim.
    assert bent.array.sum() - original.array.min() * bent.array.size == pytest.approx(
        original.array.sum() - original.array.min() * original.array.size, rel=0.05
    )


def test_a_transform_that_tears_a_volume_apart_is_refused_before_memory_runs_out(
    host: Any, scene: Any, bumps: Any
) -> None:
    node = host.loaded(scene, bumps("scan"))
    far = {(0, 0, 0): (9e4, 0, 0), (30, 0, 0): (-9e4, 0, 0), (0, 30, 0): (0, 9e4, 0), (0, 0, 30): (0, 0, 9e4)}
    host.put_under(host.bend(scene, {**far, (9, 9, 9): (0, 0, -9e4)}), node)
    with pytest.raises(UnsuitableVolumeError, match=r"scan would be spread over \d+ times its size"):
        volume_in(node, None)


def wave(host: Any, scene: Any) -> Any:
    """A grid transform of 6 mm towards the left everywhere and a wave towards the front."""
    field = host.vtk.vtkImageData()
    field.SetDimensions(9, 9, 9)
    field.SetOrigin(-90, -90, -150)
    field.SetSpacing(25, 25, 40)
    field.AllocateScalars(host.vtk.VTK_DOUBLE, 3)
    displacements = host.vtk.util.numpy_support.vtk_to_numpy(field.GetPointData().GetScalars()).reshape(9, 9, 9, 3)
    displacements[:] = (-6, 0, 0)
    displacements[..., 1] = 2 * np.sin(np.arange(9) / 2)
    transform = slicer.vtkOrientedGridTransform()
    transform.SetDisplacementGridData(field)
    node = slicer.vtkMRMLGridTransformNode()
    node.SetAndObserveTransformToParent(transform)
    scene.AddNode(node)
    return node


def test_sources_under_one_transform_stay_unhardened_and_others_meet_in_the_world(
    host: Any, scene: Any, bumps: Any
) -> None:
    first, second = host.loaded(scene, bumps("ADC")), host.loaded(scene, bumps("FLAIR", seed=1))
    bent = host.bend(
        scene, {(0, 0, 0): (3, 0, 0), (50, 0, 0): (50, 9, 0), (0, 50, 0): (0, 50, 4), (0, 0, 50): (0, 0, 50)}
    )
    host.put_under(bent, first, second)
    shared = sources_from_nodes([first, second])
    assert shared.parent is bent
    for volume, node in zip(shared.volumes, (first, second), strict=True):
        np.testing.assert_array_equal(volume.array, slicer.util.arrayFromVolume(node))
        np.testing.assert_allclose(volume.grid.corners(), volume_from_node(node).grid.corners())
    host.put_under(host.move(scene, host.rigid()), second)
    different = sources_from_nodes([first, second])
    assert different.parent is None
    assert not np.allclose(different.volumes[1].grid.corners(), shared.volumes[1].grid.corners(), atol=5)


def test_what_cannot_be_a_source_is_refused_in_words(host: Any, scene: Any, bumps: Any, model: Model) -> None:
    good = host.loaded(scene, bumps("ADC"))
    with pytest.raises(ConfigurationError, match="ADC is chosen twice"):
        sources_from_nodes([good, good])
    with pytest.raises(SceneError, match="No volume is chosen as source 2"):
        sources_from_nodes([good, None])
    gone = host.loaded(scene, bumps("FLAIR"))
    scene.RemoveNode(gone)
    with pytest.raises(SceneError, match="FLAIR, the source 2, was deleted from the scene meanwhile"):
        sources_from_nodes([good, gone])
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    with pytest.raises(UnsuitableVolumeError, match="nothing is empty"):
        sources_from_nodes([good, empty])
    with pytest.raises(UnsuitableVolumeError, match="model is not a grey volume but a Model"):
        sources_from_nodes([good, scene.AddNewNodeByClass("vtkMRMLModelNode", "model")])
    labels = scene.AddNode(loose_node(replace(bumps("tumour", dtype="int16"), label_map=True)))
    with pytest.raises(UnsuitableVolumeError, match="tumour looks like a label map"):
        fuse(model, sources_from_nodes([good, labels]).volumes)
    colour = scene.AddNode(loose_node(Volume(np.zeros((3, 4, 5, 3), np.uint8), name="screenshot")))
    with pytest.raises(UnsuitableVolumeError, match="screenshot has 3 values per voxel"):
        fuse(model, sources_from_nodes([good, colour]).volumes, resample=True)
    sheared = host.loaded(scene, bumps("sheared"))
    matrix = np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    sheared.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    with pytest.raises(UnsuitableVolumeError, match="sheared has axes that are not at right angles"):
        sources_from_nodes([good, sheared])


def test_a_sequence_is_refused_with_its_length_and_so_is_the_node_that_shows_it(
    host: Any, scene: Any, bumps: Any
) -> None:
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "perfusion")
    for number in range(4):
        sequence.SetDataNodeAtValue(loose_node(bumps(f"time {number}")), str(number))
    with pytest.raises(UnsuitableVolumeError, match="perfusion is a sequence of 4 items"):
        volume_from_node(sequence)
    scene.RegisterNodeClass(slicer.vtkMRMLSequenceBrowserNode())
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.AddSynchronizedSequenceNode(sequence)
    shown = scene.AddNode(loose_node(bumps("perfusion")))
    browser.AddProxyNode(shown, sequence, False)
    with pytest.raises(UnsuitableVolumeError, match="perfusion is a series of 4 volumes, one of which is shown"):
        volume_from_node(shown)


@pytest.mark.parametrize("axis", ["axial", "sagittal"])
def test_files_of_the_command_line_decompose_exactly_in_the_scene_even_where_slicer_mirrors_them(
    host: Any, scene: Any, model: Model, sources: list[Volume], axis: Any, tmp_path: Path
) -> None:
    fusion = fuse(model, sources, axis=axis)
    fusion.image.write(tmp_path / "fused.nrrd")
    fusion.latent.write(tmp_path / "latent.nrrd")
    fused, latent = (host.load(scene, tmp_path / name) for name in ("fused.nrrd", "latent.nrrd"))
    assert not np.allclose(slicer.util.arrayFromVolume(fused), fusion.image.array)  # mirrored along k by Slicer
    image, kept = fused_from_nodes(fused, latent)
    result = decompose(model, image, latent=kept)
    for estimate, source in zip(result.sources, sources, strict=True):
        error = np.abs(estimate.mean.array - source.array.astype(np.float64)).max()
        assert error <= 1e-5 * float(np.ptp(source.array.astype(np.float64)))
        np.testing.assert_allclose(estimate.mean.grid.corners(), source.grid.corners(), atol=1e-6)


def test_a_damaged_record_is_said_and_an_edited_node_no_longer_speaks_for_its_file(
    host: Any, scene: Any, bumps: Any, tmp_path: Path
) -> None:
    volume = replace(
        bumps("ADC"), record={"task": "phantom", "result": {"kind": "phantom", "name": "ADC", "units": ""}}
    )
    volume.write(tmp_path / "ADC.nrrd")
    node = host.load(scene, tmp_path / "ADC.nrrd")
    assert volume_from_node(node).record == volume.record
    slicer.util.arrayFromVolume(node)[:] += 1
    slicer.util.arrayFromVolumeModified(node)
    assert volume_from_node(node).record is None
    node.SetAttribute(RECORD, '{"task": "fuse"')
    with pytest.raises(RecordMismatchError, match="The record on ADC is damaged"):
        volume_from_node(node)
