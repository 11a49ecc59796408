"""Reading volume nodes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from InvertibleFusionLib.errors import ConfigurationError, UnsuitableVolumeError
from InvertibleFusionLib.mrml.geometry import (
    Between,
    between,
    grid_from_matrix,
    ijk_to_ras,
    is_lattice,
)
from InvertibleFusionLib.mrml.hardening import bent_copy
from InvertibleFusionLib.mrml.images import array_of
from InvertibleFusionLib.mrml.provenance import record_of, statements_of_file, units_of
from InvertibleFusionLib.mrml.scene import nodes_of_class, require_in_scene
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.slices import Axis, SliceStack, slice_axis
from InvertibleFusionLib.volumes.volume import Volume

READABLE = ("vtkMRMLScalarVolumeNode", "vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode")


@dataclass(frozen=True)
class SceneSources:
    """Sources as they lie in the scene.

    Attributes:
        nodes: the user's own, never changed.
        volumes: copies of their voxels, in one coordinate system.
        parent: transform node above that coordinate system; results go under it, too. None is the world.
    """

    nodes: list[Any]
    volumes: list[Volume]
    parent: Any


def sources_from_nodes(nodes: Sequence[Any]) -> SceneSources:
    """Copies of the chosen nodes' volumes in one coordinate system.

    Under one shared parent transform (or none) they stay as they are, and so will the results, which then move with
    them. Otherwise each copy is hardened: it lies in the world where its node is seen.

    Raises:
        SceneError: a node that is missing or was deleted.
        ConfigurationError: a node chosen twice.
        UnsuitableVolumeError: what is no volume, or is empty, 4-D or sheared.
    """
    for number, node in enumerate(nodes, 1):
        require_in_scene(node, f"source {number}")
        if node in nodes[: number - 1]:
            raise ConfigurationError(f"{node.GetName()} is chosen twice. Choose two different volumes.")
    parent = shared_parent(nodes)
    return SceneSources(list(nodes), [volume_in(node, parent) for node in nodes], parent)


def fused_from_nodes(fused: Any, latent: Any = None) -> tuple[Volume, Volume | None]:
    """A fused image and its latent as they were made, whatever transform they have been put under since.

    Slicer mirrors volumes with left-handed axes along k when it reads them; what the record says undoes it.

    Raises:
        SceneError: a node that is missing or was deleted.
        UnsuitableVolumeError: what is no volume, or is empty.
    """
    image = _as_recorded(volume_from_node(fused, "fused image"))
    if latent is None:
        return image, None
    kept = volume_from_node(latent, "latent")
    return image, _as_recorded(kept if kept.record else replace(kept, record=image.record))


def images_from_nodes(nodes: Sequence[Any], latent: Any = None) -> tuple[list[Volume], Volume | None]:
    """All images of one synthesis, or the one of a fusion, and their latent, each as ``fused_from_nodes``.

    Raises:
        as ``fused_from_nodes``.
    """
    first, kept = fused_from_nodes(nodes[0], latent)
    return [first, *(fused_from_nodes(node)[0] for node in nodes[1:])], kept


def shared_parent(nodes: Sequence[Any]) -> Any:
    """The transform node that all nodes are under; None where they differ or are under none."""
    parents = {node.GetTransformNodeID() for node in nodes}
    return nodes[0].GetParentTransformNode() if len(parents) == 1 else None


def volume_from_node(node: Any, role: str = "volume") -> Volume:
    """A copy of a node's voxels with its geometry, name, units and record, in its own coordinates.

    Args:
        node: a scalar, label map or vector volume node.
        role: what it is for, in case it is missing.

    Raises:
        SceneError: a node that is missing or was deleted.
        UnsuitableVolumeError: what is no volume, or is empty, 4-D or sheared.
        RecordMismatchError: a damaged record.
    """
    require_in_scene(node, role)
    return _described(node, np.array(array_of(_checked(node))), own_grid(node))


def volume_in(node: Any, target: Any) -> Volume:
    """A copy of a node's volume in the coordinates under the transform node ``target`` (None: the world).

    A transform that keeps axes at right angles moves the grid and leaves the voxels alone; any other one resamples.

    Raises:
        as ``volume_from_node``.
    """
    require_in_scene(node, "volume")
    own_grid(node)  # refuses a node that is sheared itself
    way = between(node.GetParentTransformNode(), target)
    grid = moved_grid(node, way)
    if grid is not None:
        return _described(node, np.array(array_of(node)), grid)
    return _described(node, *bent_copy(node, way))


def own_grid(node: Any) -> Grid:
    """The grid of a node's voxels in its own coordinates.

    Raises:
        UnsuitableVolumeError: what is no volume, or is empty, 4-D or sheared.
    """
    size = _checked(node).GetImageData().GetDimensions()
    return grid_from_matrix(ijk_to_ras(node), size, node.GetName())


def moved_grid(node: Any, way: Between) -> Grid | None:
    """The grid of a node's voxels after a transform; None where that bends or shears it."""
    if way.matrix is None or not is_lattice(way.matrix @ ijk_to_ras(node)):
        return None
    return grid_from_matrix(way.matrix @ ijk_to_ras(node), node.GetImageData().GetDimensions(), node.GetName())


def stack_of_results(nodes: Sequence[Any], reference: int, axis: Axis) -> tuple[SliceStack, Any] | None:
    """How the results of sources will be cut into slices, and the transform node above them. No voxel is read.

    Args:
        nodes: the sources.
        reference: number from 0 of the one whose grid the results get.
        axis: along which slices run.

    Returns:
        None where a transform bends the reference, so that only hardening tells.

    Raises:
        UnsuitableVolumeError: what is no volume, or is empty, 4-D or sheared.
    """
    parent, node = shared_parent(nodes), nodes[reference]
    own_grid(node)  # refuses what has none
    grid = moved_grid(node, between(node.GetParentTransformNode(), parent))
    return None if grid is None else (SliceStack(grid, slice_axis(grid, axis), 1), parent)


def _checked(node: Any) -> Any:
    name = node.GetName()
    if node.IsA("vtkMRMLSequenceNode"):
        raise UnsuitableVolumeError(
            f"{name} is a sequence of {node.GetNumberOfDataNodes()} items; one volume is needed. Choose one volume."
        )
    if node.GetClassName() not in READABLE:
        raise UnsuitableVolumeError(
            f"{name} is not a grey volume but a {node.GetNodeTagName()}. Choose a scalar volume."
        )
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise UnsuitableVolumeError(f"{name} is empty: it has no voxels. Load or compute it first.")
    _require_single(node)
    return node


def _require_single(node: Any) -> None:
    """Refuse the node that stands for whichever item of a sequence is being shown."""
    for browser in nodes_of_class(node.GetScene(), "vtkMRMLSequenceBrowserNode") if node.GetScene() else ():
        sequence = browser.GetSequenceNode(node)
        if sequence is not None and sequence.GetNumberOfDataNodes() > 1:
            raise UnsuitableVolumeError(
                f"{node.GetName()} is a series of {sequence.GetNumberOfDataNodes()} volumes, one of which is shown; "
                "one volume is needed. Clone the one you mean (Data module, Clone) and choose the copy."
            )


def _described(node: Any, array: Any, grid: Grid) -> Volume:
    record = record_of(node)
    units = units_of(node)
    if record is None or not units:
        stated, stated_units = statements_of_file(node)
        record, units = record or stated, units or stated_units
    labels = bool(node.IsA("vtkMRMLLabelMapVolumeNode"))
    return Volume.on_grid(array, grid, name=node.GetName(), units=units, record=record, label_map=labels)


def _as_recorded(volume: Volume) -> Volume:
    """The volume with its k axis the way round in which it was fused."""
    handedness = _recorded_handedness(volume)
    if handedness is None or handedness == _handedness(volume.grid.axes):
        return volume
    axes = volume.grid.axes * [1.0, 1.0, -1.0]
    return replace(
        volume,
        array=volume.array[::-1],
        origin=tuple(volume.grid.position((0, 0, volume.grid.size[2] - 1))),
        direction=tuple(axes.ravel()),
    )


def _recorded_handedness(volume: Volume) -> bool | None:
    try:
        for source in (volume.record or {}).get("sources", []):
            # The first source that was not resampled is the one whose grid the results have.
            if source["resampled"] is None:
                return _handedness(np.asarray(source["grid"]["direction_lps"], dtype=np.float64).reshape(3, 3))
    except (LookupError, TypeError, ValueError):
        return None  # decompose says what is wrong with the record
    return None


def _handedness(axes: Any) -> bool:
    return bool(np.linalg.det(axes) > 0)
