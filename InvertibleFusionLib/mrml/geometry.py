"""Matrices and parent transforms as grids: Slicer speaks RAS, the library LPS."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from InvertibleFusionLib.errors import UnsuitableVolumeError
from InvertibleFusionLib.volumes.grid import RIGHT_ANGLE, Grid

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Its own inverse."""

Matrix = NDArray[np.float64]


def array_from_matrix(matrix: Any) -> Matrix:
    """A vtkMatrix4x4 as a 4×4 array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def matrix_from_array(array: Matrix) -> Any:
    """A 4×4 array as a vtkMatrix4x4."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy([float(value) for value in array.ravel()])
    return matrix


def ijk_to_ras(node: Any) -> Matrix:
    """From voxel indices to the node's own coordinates in mm; parent transforms are left out."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return array_from_matrix(matrix)


def ijk_to_ras_of(grid: Grid) -> Matrix:
    """The matrix that puts a volume node on ``grid``."""
    matrix = np.eye(4)
    matrix[:3, :3] = grid.axes * np.asarray(grid.spacing)
    matrix[:3, 3] = grid.origin
    return LPS_FROM_RAS @ matrix


def grid_from_matrix(matrix: Matrix, size: tuple[int, int, int], name: str) -> Grid:
    """The grid of ``size`` (i, j, k) voxels that ``matrix`` (IJK to RAS) describes.

    Raises:
        UnsuitableVolumeError: when its axes are not at right angles.
    """
    lps = LPS_FROM_RAS @ matrix
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    if not is_lattice(matrix):
        raise UnsuitableVolumeError(
            f"{name} has axes that are not at right angles to each other (a sheared or flattened volume). Resample it "
            "onto a regular grid first, with Slicer's module Resample Scalar/Vector/DWI Volume."
        )
    axes = lps[:3, :3] / spacing
    i, j, k = (float(value) for value in spacing)
    x, y, z = (float(value) for value in lps[:3, 3])
    return Grid(size, (i, j, k), (x, y, z), tuple(float(value) for value in axes.ravel()))


def is_lattice(matrix: Matrix) -> bool:
    """Whether the matrix keeps voxel axes at right angles, as files can store them."""
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.isfinite(matrix).all() or spacing.min() <= 0:
        return False
    axes = matrix[:3, :3] / spacing
    return float(np.abs(axes.T @ axes - np.eye(3)).max()) <= RIGHT_ANGLE


@dataclass(frozen=True)
class Between:
    """How to get from one node's coordinates into another's.

    Attributes:
        matrix: RAS to RAS, or None where no matrix does it.
        transform: the same as a vtkGeneralTransform.
    """

    matrix: Matrix | None
    transform: Any

    def point(self, position: Matrix) -> Matrix:
        """Where a position in RAS mm goes."""
        return np.array(self.transform.TransformPoint([float(value) for value in position]))


def between(source: Any, target: Any) -> Between:
    """From the coordinates under the transform node ``source`` to those under ``target``; None stands for the world."""
    transform = vtk.vtkGeneralTransform()
    nodes = slicer.vtkMRMLTransformNode
    nodes.GetTransformBetweenNodes(source, target, transform)
    if not nodes.IsGeneralTransformLinear(transform):
        return Between(None, transform)
    matrix = vtk.vtkMatrix4x4()
    nodes.GetMatrixTransformBetweenNodes(source, target, matrix)
    return Between(array_from_matrix(matrix), transform)
