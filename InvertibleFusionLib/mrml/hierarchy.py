"""Where results stand in the subject hierarchy."""

from typing import Any

import slicer
import vtk

FOLDER = "InvertibleFusion"


def subject_hierarchy(scene: Any) -> Any:
    """The scene's subject hierarchy node."""
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def results_place(hierarchy: Any, beside: Any) -> int:
    """The item under which results of ``beside`` belong: its study, else its folder, else the scene."""
    item = hierarchy.GetItemByDataNode(beside)
    if not item:
        return int(hierarchy.GetSceneItemID())
    study = hierarchy.GetItemAncestorAtLevel(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy())
    if study:
        return int(study)
    parent = int(hierarchy.GetItemParent(item))
    # Results of results stand beside them, not in a folder of their own.
    return int(hierarchy.GetItemParent(parent)) if hierarchy.GetItemName(parent) == FOLDER else parent


def find_folder(hierarchy: Any, place: int) -> int | None:
    """The results' folder under an item; None where there is none yet."""
    children = vtk.vtkIdList()
    hierarchy.GetItemChildren(place, children, False)
    for number in range(children.GetNumberOfIds()):
        child = int(children.GetId(number))
        if hierarchy.GetItemDataNode(child) is None and hierarchy.GetItemName(child) == FOLDER:
            return child
    return None


def file_node(hierarchy: Any, node: Any, folder: int, attributes: dict[str, str]) -> None:
    """Put a node's item into a folder, with attributes."""
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, folder)
    else:  # in the application, an item appears with the node
        item = hierarchy.CreateItem(folder, node)
    for name, value in attributes.items():
        hierarchy.SetItemAttribute(item, name, value)
