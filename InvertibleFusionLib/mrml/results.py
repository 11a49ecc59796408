"""Putting results into the scene: complete nodes, or none."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import slicer

from InvertibleFusionLib.errors import SceneError
from InvertibleFusionLib.mrml import hierarchy as items
from InvertibleFusionLib.mrml.images import loose_node
from InvertibleFusionLib.mrml.outcomes import Outcome
from InvertibleFusionLib.mrml.provenance import (
    GREY,
    RECORD,
    SYNTHETIC,
    Look,
    dicom_attributes,
    is_synthetic,
    set_numbers,
    write_record,
)
from InvertibleFusionLib.mrml.scene import attribute, nodes_of_class

SOURCE = "InvertibleFusion.source{number}"
"""Node references from a result to the nodes it was made of, by number from 1: one role each, since Slicer takes a
deleted node out of a role's list and the others would move up."""
FUSED = "InvertibleFusion.fused"
"""Node reference from a latent and from whatever was decomposed to the fused image."""
LATENT = "InvertibleFusion.latent"
"""Node reference from a fused image to its latent."""
IMAGES = ("fused", "synthetic-1")
"""Keys of the result that the others of a run belong to; that of a synthesis stands where the fused image does."""
STORABLE = 4
"""Components of a volume that Slicer's usual storage node writes into a saved scene; with more it saves no scene."""


@dataclass(frozen=True)
class Place:
    """Where results go.

    Attributes:
        sources: nodes they were made of, the first one's study takes them; may be empty for a reopened scene.
        fused: the fused image's node, for what is decomposed from it.
        parent: transform node above them, or None.
    """

    sources: Sequence[Any] = ()
    fused: Any = None
    parent: Any = None


def put_results(
    scene: Any, outcomes: Sequence[Outcome], place: Place, into: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Put results into the scene, as fresh nodes or, where chosen, into nodes of earlier results.

    Nodes enter the scene complete: voxels, geometry, units, record, display. When anything fails the scene is as it
    was. Results never take over what identifies their sources (``DICOM.instanceUIDs``).

    Args:
        scene: to put them into.
        outcomes: see ``outcomes.fusion_outcomes`` and ``outcomes.decomposition_outcomes``; leave out what is unwanted.
        place: where they go.
        into: by the outcome's key, the node to fill instead of making one; its name follows its content.

    Returns:
        The nodes by their outcome's key.

    Raises:
        SceneError: a chosen output node that is none of this library's, or of another kind, or deleted.
        UnsuitableVolumeError: voxels that Slicer has no type for.
    """
    chosen = {key: node for key, node in (into or {}).items() if node is not None}
    prepared = {outcome.key: _prepared(scene, outcome, place) for outcome in outcomes}
    for key, node in chosen.items():
        if key in prepared:
            others = [other for name, other in chosen.items() if name != key]
            _require_replaceable(node, prepared[key], [*place.sources, place.fused], others)
    nodes: dict[str, Any] = {}
    with ExitStack() as undo:
        for outcome in outcomes:
            if outcome.key not in chosen:
                nodes[outcome.key] = _add(scene, prepared[outcome.key], outcome.look, undo)
        folder = _folder(scene, place, undo)
        # From here on nothing can fail but the machine itself.
        for outcome in outcomes:
            if outcome.key in chosen:
                nodes[outcome.key] = _replace(chosen[outcome.key], prepared[outcome.key], outcome.look)
                _make_storable(scene, nodes[outcome.key], undo)
        _connect(nodes, place)
        hierarchy = items.subject_hierarchy(scene)
        for outcome in outcomes:
            node = nodes[outcome.key]
            items.file_node(hierarchy, node, folder, dicom_attributes(node.GetName(), outcome.record))
        undo.pop_all()
    return nodes


def _prepared(scene: Any, outcome: Outcome, place: Place) -> Any:
    """A complete node that is not in the scene yet."""
    node = loose_node(outcome.volume)
    record = outcome.record
    name = outcome.volume.name
    if is_synthetic(record) and SYNTHETIC not in name:
        name = f"{SYNTHETIC} {name}"
    node.SetName(name)
    set_numbers(node, outcome.look, outcome.volume.units)
    write_record(node, record)
    for attribute_name, value in dicom_attributes(name, record).items():
        node.SetAttribute(attribute_name, value)
    if place.parent is not None and place.parent.GetScene() is scene:
        node.SetAndObserveTransformNodeID(place.parent.GetID())
    return node


def _add(scene: Any, node: Any, look: Look, undo: ExitStack) -> Any:
    vector = node.IsA("vtkMRMLVectorVolumeNode")
    display = slicer.vtkMRMLVectorVolumeDisplayNode() if vector else slicer.vtkMRMLScalarVolumeDisplayNode()
    _dress(scene, display, look)
    added = scene.AddNode(display)
    undo.callback(scene.RemoveNode, added)
    node.SetAndObserveDisplayNodeID(added.GetID())
    node.SetName(scene.GenerateUniqueName(node.GetName()))
    added_node = scene.AddNode(node)
    undo.callback(scene.RemoveNode, added_node)
    _make_storable(scene, added_node, undo)
    return added_node


def _make_storable(scene: Any, node: Any, undo: ExitStack) -> None:
    """Let a latent of many channels be saved as NRRD by itself, since Slicer's usual storage node cannot."""
    few = node.GetImageData().GetNumberOfScalarComponents() <= STORABLE
    if few or isinstance(node.GetStorageNode(), slicer.vtkMRMLNRRDStorageNode):
        return
    storage = scene.AddNode(slicer.vtkMRMLNRRDStorageNode())
    undo.callback(scene.RemoveNode, storage)
    node.SetAndObserveStorageNodeID(storage.GetID())


def _dress(scene: Any, display: Any, look: Look) -> None:
    colour = look.colour if scene.GetNodeByID(look.colour) is not None else GREY
    display.SetAndObserveColorNodeID(colour)
    if look.window is None or look.level is None:
        display.SetAutoWindowLevel(1)
        return
    display.SetAutoWindowLevel(0)
    display.SetWindow(look.window)
    display.SetLevel(look.level)


def _replace(node: Any, fresh: Any, look: Look) -> Any:
    """Fill a node of an earlier result with what ``fresh`` holds; views that show it go on showing it."""
    before = node.StartModify()
    if not re.fullmatch(re.escape(fresh.GetName()) + r"(_\d+)?", node.GetName()):
        node.SetName(node.GetScene().GenerateUniqueName(fresh.GetName()))
    node.CopyOrientation(fresh)
    node.SetAndObserveImageData(fresh.GetImageData())
    node.SetVoxelValueQuantity(fresh.GetVoxelValueQuantity())
    node.SetVoxelValueUnits(fresh.GetVoxelValueUnits())
    for name in fresh.GetAttributeNames():
        node.SetAttribute(name, fresh.GetAttribute(name))
    node.SetAndObserveTransformNodeID(fresh.GetTransformNodeID())
    _forget(node)
    display = node.GetDisplayNode()
    if display is not None and look.window is not None:  # else what the user set for earlier results stays
        _dress(node.GetScene(), display, look)
    node.EndModify(before)
    return node


def _forget(node: Any) -> None:
    """Let go of what belonged to a node's earlier content, in both directions."""
    roles = [node.GetNthNodeReferenceRole(number) for number in range(node.GetNumberOfNodeReferenceRoles())]
    for role in roles:
        if role.startswith("InvertibleFusion."):
            node.RemoveNodeReferenceIDs(role)
    for kind in ("vtkMRMLVolumeNode", "vtkMRMLTableNode"):
        for other in nodes_of_class(node.GetScene(), kind):
            if other.GetNodeReference(FUSED) is node:
                other.RemoveNodeReferenceIDs(FUSED)


def _require_replaceable(node: Any, fresh: Any, made_of: Sequence[Any], others: Sequence[Any]) -> None:
    name = node.GetName()
    if node.GetScene() is None:
        raise SceneError(f"The output {name} was deleted from the scene meanwhile. Choose another one, or a new one.")
    if node in made_of:
        raise SceneError(f"{name} is what the result is made of and is never changed. Choose another output.")
    if node in others:
        raise SceneError(f"{name} is chosen for two outputs. Choose another one for one of them.")
    if node.GetClassName() != fresh.GetClassName():
        raise SceneError(f"{name} cannot hold {fresh.GetName()}, which is of another type. Choose a new output.")
    if node.GetImageData() is not None and not attribute(node, RECORD):
        raise SceneError(f"{name} was not made here and is not overwritten. Choose another output, or a new one.")


def _folder(scene: Any, place: Place, undo: ExitStack) -> int:
    hierarchy = items.subject_hierarchy(scene)
    beside = [node for node in (*place.sources, place.fused) if node is not None and node.GetScene() is scene]
    where = items.results_place(hierarchy, beside[0]) if beside else int(hierarchy.GetSceneItemID())
    found = items.find_folder(hierarchy, where)
    if found is None:
        found = int(hierarchy.CreateFolderItem(where, items.FOLDER))
        undo.callback(hierarchy.RemoveItem, found, False, False)
    return found


def _connect(nodes: Mapping[str, Any], place: Place) -> None:
    """Let results know what they were made of and what belongs to them; saved with the scene."""
    made = next((nodes[key] for key in IMAGES if key in nodes), None)
    fused = made or place.fused
    for node in nodes.values():
        for number, source in enumerate(place.sources, 1):
            if source.GetScene() is not None:  # else deleted during the run
                node.SetNodeReferenceID(SOURCE.format(number=number), source.GetID())
        if node is not fused and fused is not None:
            node.SetNodeReferenceID(FUSED, fused.GetID())
    if made is not None and "latent" in nodes:
        made.SetNodeReferenceID(LATENT, nodes["latent"].GetID())
