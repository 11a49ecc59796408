"""The statistics of AdaIN as a table in the scene."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk

from InvertibleFusionLib.inference.synthesis_grounds import STATISTICS
from InvertibleFusionLib.mrml import hierarchy as items
from InvertibleFusionLib.mrml.results import FUSED
from InvertibleFusionLib.mrml.scene import nodes_of_class


def put_statistics(scene: Any, statistics: NDArray[np.float32], image: Any) -> Any:
    """The statistics behind a synthetic image as a table node beside it; that of an earlier run is filled again.

    Args:
        scene: of the image.
        statistics: (slices, 2, layers, channels): means, then standard deviations.
        image: the synthetic image's node.

    Returns:
        A table node with one row for each slice, layer and channel, all counted from 0.
    """
    slices, _, layers, channels = statistics.shape
    place = np.indices((slices, layers, channels), dtype=np.int32).reshape(3, -1)
    columns = [*place, *statistics.transpose(1, 0, 2, 3).reshape(2, -1)]
    earlier = nodes_of_class(scene, "vtkMRMLTableNode")
    node = next((node for node in earlier if node.GetNodeReference(FUSED) is image), None)
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GenerateUniqueName(f"AdaIN of {image.GetName()}"))
        node.SetNodeReferenceID(FUSED, image.GetID())
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
