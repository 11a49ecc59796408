"""Whether nodes lie on one grid, in words."""

from collections.abc import Sequence
from typing import Any

from InvertibleFusionLib.mrml.geometry import between
from InvertibleFusionLib.mrml.scene import require_in_scene
from InvertibleFusionLib.mrml.volumes import moved_grid, own_grid, shared_parent
from InvertibleFusionLib.volumes.grid import Grid, describe_difference, same_grid
from InvertibleFusionLib.volumes.resampling import coverage


def describe_grids(nodes: Sequence[Any], reference: int = 0) -> tuple[bool, str]:
    """Whether all nodes lie on the grid of number ``reference``, and sentences that say so. No voxel is read.

    Slicer's own comparison reports a mismatch for volumes that share a parent transform; this one does not, and it
    gives millimetres.

    Raises:
        SceneError: a node that is missing or was deleted.
        UnsuitableVolumeError: what is no volume, or is empty, 4-D or sheared.
    """
    for number, node in enumerate(nodes, 1):
        require_in_scene(node, f"source {number}")
    parent, target = shared_parent(nodes), nodes[reference]
    grid = _grid_in(target, parent)
    found = [_difference(grid, target, node, parent) for node in nodes if node is not target]
    sentences = [sentence for sentence in found if sentence]
    return not sentences, " ".join(sentences) or f"All volumes lie on the grid of {target.GetName()}."


def lies_apart(nodes: Sequence[Any], reference: int = 0) -> bool:
    """Whether any node has nothing in common with the grid of number ``reference``, so that resampling is no help.

    Raises:
        UnsuitableVolumeError: as ``describe_grids``.
    """
    parent = shared_parent(nodes)
    grid = _grid_in(nodes[reference], parent)
    others = [_grid_in(node, parent) for node in nodes]
    return grid is not None and any(other is not None and coverage(other, grid) == 0 for other in others)


def _difference(grid: Grid | None, target: Any, node: Any, parent: Any) -> str:
    name, reference = node.GetName(), target.GetName()
    own = _grid_in(node, parent)
    if grid is None or own is None:
        return f"{reference if grid is None else name} is bent by the transform above it; a copy has to be resampled."
    if same_grid(grid, own):
        return ""
    share = coverage(own, grid)
    if share == 0:
        return f"{name} does not overlap {reference}. Register the volumes first."
    return (
        f"{name} is not on the grid of {reference}: it has {describe_difference(grid, own)}. Resampled, it covers "
        f"{100 * share:.0f} % of it."
    )


def _grid_in(node: Any, parent: Any) -> Grid | None:
    """The grid of a node in the coordinates under ``parent``; None where a transform bends it on the way."""
    own_grid(node)  # refuses what has none
    return moved_grid(node, between(node.GetParentTransformNode(), parent))
