"""Which slice of a volume a slice view shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from InvertibleFusionLib.mrml.geometry import LPS_FROM_RAS, array_from_matrix, between
from InvertibleFusionLib.mrml.scene import nodes_of_class
from InvertibleFusionLib.volumes.slices import SliceStack

NEARLY_DEGREES = 5.0
"""A view turned by less than this against the slices is taken to show them."""


@dataclass(frozen=True)
class ShownSlice:
    """What a view shows.

    Attributes:
        index: of the slice, along the stack's axis.
        note: a sentence where the view does not really show that slice; else empty.
    """

    index: int
    note: str


def shown_slice(slice_node: Any, stack: SliceStack, parent: Any, name: str) -> ShownSlice:
    """The slice of ``stack`` nearest to the middle of a slice view.

    Args:
        slice_node: of the view.
        stack: the slices, in the coordinates under ``parent``.
        parent: transform node above the volume, or None. It may bend: the middle of the view counts.
        name: of the volume, for the note.
    """
    view = array_from_matrix(slice_node.GetSliceToRAS())
    way = between(None, parent)
    middle = way.point(view[:3, 3])
    ahead = way.point(view[:3, 3] + view[:3, 2]) - middle
    axis = stack.grid.axes[:, 2 - stack.axis]
    spacing = stack.grid.spacing[2 - stack.axis]
    lps = LPS_FROM_RAS[:3, :3]
    exact = float(axis @ (lps @ middle - np.asarray(stack.grid.origin))) / spacing
    index = int(np.clip(round(exact), 0, stack.count - 1))
    cosine = min(abs(float(axis @ lps @ ahead)) / float(np.linalg.norm(ahead)), 1.0)
    degrees = float(np.degrees(np.arccos(cosine)))
    return ShownSlice(index, _note(slice_node.GetName(), degrees, exact, index, stack.count, name))


def slice_to_show(slice_nodes: Sequence[Any], stack: SliceStack, parent: Any, name: str) -> ShownSlice:
    """What the first view shows that really shows a slice; where none does, what is nearest in the first of them.

    Args:
        slice_nodes: of the views, at least one.
        stack: as for ``shown_slice``.
        parent: as for ``shown_slice``.
        name: as for ``shown_slice``.
    """
    found = [shown_slice(node, stack, parent, name) for node in slice_nodes]
    return next((shown for shown in found if not shown.note), found[0])


def visible_slice_nodes(scene: Any) -> list[Any]:
    """The slice nodes of the views in the current layout; all of them where no layout says so."""
    nodes = list(nodes_of_class(scene, "vtkMRMLSliceNode"))
    return [node for node in nodes if node.IsMappedInLayout()] or nodes


def _note(view: str, degrees: float, exact: float, index: int, count: int, name: str) -> str:
    nearest = f"Slice {index + 1} of {count}, the nearest to the middle of the view, is used."
    if degrees > NEARLY_DEGREES:
        return f"The view {view} is turned by {degrees:.0f}° against the slices of {name}. {nearest}"
    if not -0.5 <= exact <= count - 0.5:
        return f"The view {view} shows a place beyond {name}. {nearest}"
    return ""
