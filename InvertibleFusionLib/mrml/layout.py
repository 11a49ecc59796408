"""The compare layout: linked slice views side by side, one for each volume of a family."""

import math
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from InvertibleFusionLib.mrml.scene import nodes_of_class
from InvertibleFusionLib.mrml.views import Layers, composites_of, show

LAYOUT_ID = 5318
"""Slicer's own layouts have numbers up to about 500; extensions take larger ones."""
VIEW_GROUP = 53
"""Views are linked within their group: the compare views do not move the user's other views."""
VIEW_NAME = "InvertibleFusion{number}"


def layout_description(labels: list[str]) -> str:
    """The XML of a layout with one slice view for each label, row by row, nearly as many rows as columns.

    Slicer cuts the label in the bar of a narrow view: four in a row of a window 1600 pixels wide were too many.
    """
    columns = math.isqrt(max(len(labels) - 1, 0)) + 1
    cells = [_view(number, label) for number, label in enumerate(labels, 1)]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    inner = "".join(f'<item><layout type="horizontal">{"".join(row)}</layout></item>' for row in rows)
    return f'<layout type="vertical">{inner}</layout>'


def compare(scene: Any, panes: Mapping[str, Layers], like: Any) -> int:
    """Switch to the compare layout: every pane shows its layers at the slice and zoom of the view ``like``.

    Args:
        scene: with a layout node, as the application has one.
        panes: layers by short labels.
        like: slice node to take place, orientation and zoom from.

    Returns:
        The layout that was shown before, to go back to.
    """
    layout = next(nodes_of_class(scene, "vtkMRMLLayoutNode"))
    before = int(layout.GetViewArrangement())
    description = layout_description(list(panes))
    if layout.IsLayoutDescription(LAYOUT_ID):
        layout.SetLayoutDescription(LAYOUT_ID, description)
    else:
        layout.AddLayoutDescription(LAYOUT_ID, description)
    layout.SetViewArrangement(LAYOUT_ID)
    fill(scene, panes, like)
    return before


def fill(scene: Any, panes: Mapping[str, Layers], like: Any) -> None:
    """Show layers in the views of the compare layout, at the place of ``like``, and link these."""
    for number, layers in enumerate(panes.values(), 1):
        composites = composites_of(scene, [VIEW_NAME.format(number=number)])
        for composite in composites:  # linked views would hand one's volumes on to the others
            composite.SetLinkedControl(0)
        show(composites, layers)
    # Placed only now: the slider of a view without a volume knows no slice but that at 0 mm, and goes there.
    slices = {node.GetLayoutName(): node for node in nodes_of_class(scene, "vtkMRMLSliceNode")}
    for number in range(1, len(panes) + 1):
        name = VIEW_NAME.format(number=number)
        if name in slices:
            _place(slices[name], like)
    for number in range(1, len(panes) + 1):
        for composite in composites_of(scene, [VIEW_NAME.format(number=number)]):
            composite.SetLinkedControl(1)
            composite.SetHotLinkedControl(1)


def ordinary_composites(scene: Any) -> list[Any]:
    """The slice composite nodes of all views but those of the compare layout."""
    ours = VIEW_NAME.format(number="")
    return [node for node in composites_of(scene) if not str(node.GetLayoutName()).startswith(ours)]


def _place(slice_node: Any, like: Any) -> None:
    """The same plane, and all of it that is seen in the other view, whatever the shape of this one."""
    slice_node.GetSliceToRAS().DeepCopy(like.GetSliceToRAS())
    width, height, depth = like.GetFieldOfView()
    columns, rows, _ = (max(pixels, 1) for pixels in slice_node.GetDimensions())
    spacing = max(width / columns, height / rows)
    slice_node.SetFieldOfView(columns * spacing, rows * spacing, depth)
    slice_node.UpdateMatrices()


def _view(number: int, label: str) -> str:
    name = VIEW_NAME.format(number=number)
    return (
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        '<property name="orientation" action="default">Axial</property>'
        f'<property name="viewlabel" action="default">{escape(label)}</property>'
        '<property name="viewcolor" action="default">#8C8C8C</property>'
        f'<property name="viewgroup" action="default">{VIEW_GROUP}</property>'
        "</view></item>"
    )
