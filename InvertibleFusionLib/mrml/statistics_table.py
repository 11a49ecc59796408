"""The statistics of AdaIN as a table in the scene."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk

from InvertibleFusionLib.inference.synthesis_grounds import STATISTICS
from InvertibleFusionLib.mrml import hierarchy as items
from InvertibleFusionLib.mrml.provenance import write_record
from InvertibleFusionLib.mrml.results import FUSED
from InvertibleFusionLib.mrml.scene import nodes_of_class


def statistics_of(image: Any) -> Any:
    """The table behind a synthetic image; None where there is none."""
    tables = nodes_of_class(image.GetScene(), "vtkMRMLTableNode")
    return next((node for node in tables if node.GetNodeReference(FUSED) is image), None)


def put_statistics(
    scene: Any, statistics: NDArray[np.float32], record: Mapping[str, Any], image: Any, into: Any = None
) -> Any:
    """The statistics behind a synthetic image as a table node beside it.

    Args:
        scene: of the image.
        statistics: (slices, 2, layers, channels): means, then standard deviations.
        record: how they came to be.
        image: the synthetic image's node.
        into: the table of an earlier run, which is filled again; None makes one.

    Returns:
        A table node with one row for each slice, layer and channel, all counted from 0.
    """
    slices, _, layers, channels = statistics.shape
    place = np.indices((slices, layers, channels), dtype=np.int32).reshape(3, -1)
    columns = [*place, *statistics.transpose(1, 0, 2, 3).reshape(2, -1)]
    node = into
    if node is None or node.GetScene() is not scene:
        node = scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GenerateUniqueName(f"AdaIN of {image.GetName()}"))
    node.SetNodeReferenceID(FUSED, image.GetID())
    write_record(node, record)
    before = node.StartModify()
    node.RemoveAllColumns()
    for name, values in zip(STATISTICS, columns, strict=True):
        column = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        column.SetName(name)
        node.AddColumn(column)
    node.EndModify(before)
    hierarchy = items.subject_hierarchy(scene)
    items.file_node(hierarchy, node, int(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(image))), {})
    return node
