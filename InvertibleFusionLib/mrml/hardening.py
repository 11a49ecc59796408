"""Resampling a volume through a transform that bends or shears it, as hardening does, but into a copy."""

from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray

from InvertibleFusionLib.errors import UnsuitableVolumeError
from InvertibleFusionLib.mrml.geometry import (
    Between,
    Matrix,
    grid_from_matrix,
    ijk_to_ras,
    matrix_from_array,
)
from InvertibleFusionLib.mrml.images import array_of_image
from InvertibleFusionLib.volumes.grid import Grid

MOST_GROWTH = 30.0
"""A volume that is spread over more than so many times its size is torn apart rather than bent."""

POINTS_ON_EDGE = 9
"""The volume's surface is followed at so many points along every edge to see how far it comes."""


def bent_copy(node: Any, way: Between) -> tuple[NDArray[Any], Grid]:
    """The node's voxels where ``way`` takes them, on a lattice of its axes and spacing that holds them all.

    Linear interpolation (nearest neighbour for label maps); the volume's minimum where nothing comes from, which is
    air in any scan. Slicer's hardening puts 0 or a corner's value there.
    """
    image = node.GetImageData()
    before = ijk_to_ras(node)
    low, high = _reach(before, image.GetDimensions(), way)
    size = high - low + 1
    growth = float(np.prod(size)) / image.GetNumberOfPoints()
    if not growth <= MOST_GROWTH:  # NaN, too
        raise UnsuitableVolumeError(
            f"{node.GetName()} would be spread over {growth:.0f} times its size by the transform above it. Check that "
            "transform, or take the volume out of it."
        )
    after = before.copy()
    after[:3, 3] += before[:3, :3] @ low
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(image)
    reslice.SetResliceTransform(_back(after, way, before))
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        reslice.SetInterpolationModeToNearestNeighbor()
    else:
        reslice.SetInterpolationModeToLinear()
    background = float(image.GetScalarRange()[0])
    reslice.SetBackgroundColor(background, background, background, background)
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.SetOutputSpacing(1, 1, 1)
    reslice.SetOutputExtent(0, int(size[0]) - 1, 0, int(size[1]) - 1, 0, int(size[2]) - 1)
    reslice.Update()
    grid = grid_from_matrix(after, (int(size[0]), int(size[1]), int(size[2])), node.GetName())
    return np.array(array_of_image(reslice.GetOutput())), grid


def _reach(matrix: Matrix, size: tuple[int, int, int], way: Between) -> tuple[Matrix, Matrix]:
    """The first and last lattice index (i, j, k) that the moved volume comes to."""
    ticks = [np.linspace(-0.5, n - 0.5, POINTS_ON_EDGE) for n in size]
    points = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, 3)
    ras = points @ matrix[:3, :3].T + matrix[:3, 3]
    moved = np.array([way.point(point) for point in ras])
    indices = (moved - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
    low, high = np.ceil(indices.min(axis=0) - 1e-6), np.floor(indices.max(axis=0) + 1e-6)
    return low, np.maximum(high, low)


def _back(after: Matrix, way: Between, before: Matrix) -> Any:
    """From an index of the new lattice to the index of the old one."""
    transform = vtk.vtkGeneralTransform()
    transform.PostMultiply()
    transform.Concatenate(matrix_from_array(after))
    transform.Concatenate(way.transform.GetInverse())
    transform.Concatenate(matrix_from_array(np.linalg.inv(before).astype(np.float64)))
    return transform
