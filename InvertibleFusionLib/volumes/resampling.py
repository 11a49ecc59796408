"""Bringing a volume onto another's grid."""

import math

import numpy as np
import SimpleITK as sitk

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
    covered = coverage(volume.grid, grid)
    if covered == 0:
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
    image = image_from_volume(volume)
    return _on(grid, image, sitk.sitkNearestNeighbor, 0.0, volume)


def coverage(source: Grid, target: Grid) -> float:
    """Share of the target's voxels whose centres lie inside the source's voxels, sampled at 32 points an axis."""
    picks = [np.unique(np.linspace(0, n - 1, min(n, 32)).round()) for n in target.size]
    index = np.stack(np.meshgrid(*picks, indexing="ij"), axis=-1).reshape(-1, 3)
    position = np.asarray(target.origin) + (index * np.asarray(target.spacing)) @ target.axes.T
    inside = (position - np.asarray(source.origin)) @ np.linalg.inv(source.axes).T / np.asarray(source.spacing)
    within = (inside >= -0.5) & (inside <= np.asarray(source.size) - 0.5)
    return float(within.all(axis=1).mean())


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
    blur.SetMaximumKernelWidth(128)
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
