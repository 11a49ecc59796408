"""Voxels in nodes: arrays to vtkImageData and back."""

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util import numpy_support

from InvertibleFusionLib.errors import UnsuitableVolumeError
from InvertibleFusionLib.mrml.geometry import ijk_to_ras_of, matrix_from_array
from InvertibleFusionLib.volumes.volume import Volume

EXACT_IN_FLOAT64 = 2**53


def image_from_array(array: NDArray[Any], name: str) -> Any:
    """A vtkImageData with a copy of (k, j, i[, component]) voxels, in a type that Slicer can show.

    bool becomes uint8, float16 float32, and 64-bit whole numbers int32 or, where they do not fit, float64.

    Raises:
        UnsuitableVolumeError: for whole numbers that not even float64 holds.
    """
    shown = np.ascontiguousarray(_shown_type(array, name))
    k, j, i = shown.shape[:3]
    components = 1 if shown.ndim == 3 else shown.shape[3]
    flat = shown.reshape(-1) if components == 1 else shown.reshape(-1, components)
    image = vtk.vtkImageData()
    image.SetDimensions(i, j, k)
    scalars = numpy_support.numpy_to_vtk(flat, deep=True)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    return image


def array_of(node: Any) -> NDArray[Any]:
    """The node's own voxels, not a copy, as (k, j, i[, component])."""
    return array_of_image(node.GetImageData())


def array_of_image(image: Any) -> NDArray[Any]:
    """The voxels of a vtkImageData, not a copy, as (k, j, i[, component])."""
    i, j, k = image.GetDimensions()
    scalars = image.GetPointData().GetScalars()
    components = scalars.GetNumberOfComponents()
    shape = (k, j, i) if components == 1 else (k, j, i, components)
    return np.asarray(numpy_support.vtk_to_numpy(scalars)).reshape(shape)


def array_changed(node: Any) -> None:
    """Tell views and storage that the voxels behind ``array_of`` were written."""
    image = node.GetImageData()
    image.GetPointData().GetScalars().Modified()
    image.Modified()
    node.StorableModified()


def loose_node(volume: Volume) -> Any:
    """A fresh volume node with the volume's voxels, geometry and name that is in no scene yet.

    Raises:
        UnsuitableVolumeError: for voxels that Slicer has no type for.
    """
    image = image_from_array(volume.array, volume.name)
    node = slicer.vtkMRMLScalarVolumeNode() if volume.components == 1 else slicer.vtkMRMLVectorVolumeNode()
    if volume.label_map:
        node = slicer.vtkMRMLLabelMapVolumeNode()
    node.SetName(volume.name)
    node.SetIJKToRASMatrix(matrix_from_array(ijk_to_ras_of(volume.grid)))
    node.SetAndObserveImageData(image)
    return node


def _shown_type(array: NDArray[Any], name: str) -> NDArray[Any]:
    dtype = array.dtype
    if dtype == np.bool_:
        return array.astype(np.uint8)
    if dtype == np.float16:
        return array.astype(np.float32)
    if dtype.kind == "f":
        return array.astype(np.float64 if dtype.itemsize > 4 else np.float32, copy=False)
    if dtype.itemsize < 8:
        return array.astype(dtype.newbyteorder("="), copy=False)
    smallest, largest = int(array.min()), int(array.max())
    if np.iinfo(np.int32).min <= smallest and largest <= np.iinfo(np.int32).max:
        return array.astype(np.int32)
    if max(-smallest, largest) <= EXACT_IN_FLOAT64:
        return array.astype(np.float64)
    raise UnsuitableVolumeError(
        f"{name} holds whole numbers from {smallest} to {largest}; Slicer shows none so large without changing them. "
        "Divide them first."
    )
