"""Bringing a volume onto another's grid."""

import math

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from InvertibleFusionLib.errors import GridMismatchError
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.itk import image_from_volume
from InvertibleFusionLib.volumes.volume import Volume

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))


def resample(volume: Volume, grid: Grid) -> Volume:
    """Put an image on ``grid``: smoothed along axes that get coarser, then linear; background = the volume's minimum.

    The smoothing widens a voxel of the source to one of the target (Cardoso et al. 2015, scale factor point spread
    function: σ² = (target² − source²) / (8 ln 2), spacings in mm). Components are resampled one by one.

    Returns:
        A float32 volume (float64 from float64) on ``grid`` with the same name and units.

    Raises:
        GridMismatchError: when no voxel of the grid lies inside the volume.
    """
    # A thin or small volume can lie between the sampled points.
    if coverage(volume.grid, grid) == 0 and coverage(volume.grid, grid, points=max(grid.size)) == 0:
        raise GridMismatchError(
            f"{volume.name} does not overlap the grid it shall be resampled onto: it spans {_span(volume.grid)} mm, "
            f"the grid {_span(grid)} mm. Register the volumes first, or check that both are of one patient."
        )
    background = float(volume.array.min())
    pixel = sitk.sitkFloat64 if volume.array.dtype == np.float64 else sitk.sitkFloat32
    if volume.components > 1:
        pixel = sitk.sitkVectorFloat64 if volume.array.dtype == np.float64 else sitk.sitkVectorFloat32
    image = sitk.Cast(image_from_volume(volume), pixel)
    image = _smooth(image, [value * value for value in smoothing_sigmas(volume.grid, grid)])
    return _on(grid, image, sitk.sitkLinear, background, volume)


def resample_labels(volume: Volume, grid: Grid) -> Volume:
    """Put a mask or label map on ``grid`` by nearest neighbour, 0 outside, the type unchanged."""
    placed = _on(grid, image_from_volume(volume), sitk.sitkNearestNeighbor, 0.0, volume)
    return placed.with_array(placed.array.astype(volume.array.dtype, copy=False))


def coverage(source: Grid, target: Grid, points: int = 32) -> float:
    """Share of the target's voxels whose centres lie inside the source's voxels, sampled at ``points`` an axis."""
    last = np.asarray(source.size) - 0.5
    corners = _voxels_of(source, target.corners())
    if (corners.max(axis=0) < -0.5).any() or (corners.min(axis=0) > last).any():
        return 0.0
    i, j, k = (np.unique(np.linspace(0, n - 1, min(n, points)).round()) for n in target.size)
    start = _voxels_of(source, target.position((0, 0, 0)))
    steps = [_voxels_of(source, target.position(index)) - start for index in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    plane = start + i[:, None, None] * steps[0] + j[None, :, None] * steps[1]
    inside = 0
    for shift in k[:, None] * steps[2]:
        voxels = plane + shift
        inside += int(((voxels >= -0.5) & (voxels <= last)).all(axis=-1).sum())
    return inside / (len(i) * len(j) * len(k))


def _voxels_of(grid: Grid, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Continuous voxel indices (i, j, k) of positions in mm, shape (…, 3)."""
    return np.asarray((positions - np.asarray(grid.origin)) @ np.linalg.inv(grid.axes).T / np.asarray(grid.spacing))


def smoothing_sigmas(source: Grid, target: Grid) -> list[float]:
    """Standard deviation in mm of the smoothing along the source's i, j, k before sampling on ``target``."""
    cosines = source.axes.T @ target.axes
    wanted = np.sqrt(((cosines * np.asarray(target.spacing)) ** 2).sum(axis=1))
    excess = np.maximum(wanted**2 - np.asarray(source.spacing) ** 2, 0)
    # A few per cent coarser is a rotation or a rounding of headers, not a change of resolution worth a blur.
    excess[wanted <= 1.05 * np.asarray(source.spacing)] = 0
    return [float(value) for value in np.sqrt(excess) / FWHM_PER_SIGMA]


def _smooth(image: sitk.Image, variances: list[float]) -> sitk.Image:
    if not any(variances):
        return image
    blur = sitk.DiscreteGaussianImageFilter()
    blur.SetVariance(variances)
    blur.SetUseImageSpacing(True)
    blur.SetMaximumError(0.001)
    blur.SetMaximumKernelWidth(256)
    if image.GetNumberOfComponentsPerPixel() == 1:
        return blur.Execute(image)
    channels = [
        blur.Execute(sitk.VectorIndexSelectionCast(image, c)) for c in range(image.GetNumberOfComponentsPerPixel())
    ]
    return sitk.Compose(channels)


def _on(grid: Grid, image: sitk.Image, interpolator: int, background: float, volume: Volume) -> Volume:
    placed = sitk.Resample(
        image,
        list(grid.size),
        sitk.Transform(3, sitk.sitkIdentity),
        interpolator,
        list(grid.origin),
        list(grid.spacing),
        list(grid.direction),
        background,
        image.GetPixelID(),
    )
    return Volume.on_grid(
        sitk.GetArrayFromImage(placed), grid, name=volume.name, units=volume.units, label_map=volume.label_map
    )


def _span(grid: Grid) -> str:
    corners = grid.corners()
    pairs = zip(corners.min(axis=0), corners.max(axis=0), strict=True)
    return " × ".join(f"{low:.0f} to {high:.0f}" for low, high in pairs)
