"""What scanners add to the truth: receiver noise, uneven coil sensitivity, the blur and noise of PET."""

import math

import numpy as np
import SimpleITK as sitk

from InvertibleFusionLib.phantom.sampling import voxel_centres
from InvertibleFusionLib.phantom.shapes import Floats
from InvertibleFusionLib.phantom.waves import Waves
from InvertibleFusionLib.volumes.grid import Grid

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
VOXELS_AT_ONCE = 200_000


def rician(signal: Floats, sigma: float, generator: np.random.Generator) -> Floats:
    """Magnitude of ``signal`` in two receiver channels, each with Gaussian noise of standard deviation ``sigma``.

    Without signal its mean is sigma · sqrt(π / 2) (Gudbjartsson and Patz, The Rician distribution of noisy MRI data,
    Magn. Reson. Med. 34, 1995). With ``sigma`` 0 it is the magnitude alone.

    Args:
        signal: of any shape, negative values allowed.
        sigma: in the signal's units.
        generator: of the noise.
    """
    if sigma == 0:
        return np.abs(signal)
    real = signal + sigma * generator.standard_normal(signal.shape, dtype=np.float32)
    imaginary = sigma * generator.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, imaginary))


def sensitivity(grid: Grid, strength: float, generator: np.random.Generator) -> Floats:
    """A smooth field between exp(−strength) and exp(strength), shape (k, j, i), the same at the same millimetre."""
    waves = Waves.draw(generator, 6, 180, 360)
    field = np.empty(math.prod(grid.size), dtype=np.float32)
    for part, places in voxel_centres(grid, VOXELS_AT_ONCE):
        field[part] = np.tanh(waves(places))
    return np.asarray(np.exp(strength * field)).reshape(tuple(reversed(grid.size)))


def positron_image(
    uptake: Floats, spacing: float, point_spread: float, noise: float, generator: np.random.Generator
) -> Floats:
    """Uptake as a PET scanner shows it: blurred, with noise that grows with the square root of the uptake.

    Args:
        uptake: shape (k, j, i), on cubic voxels.
        spacing: of the voxels, in mm.
        point_spread: full width at half maximum of a point's image, in mm.
        noise: standard deviation where the uptake is 1, before the noise is blurred to its grain.
        generator: of the noise.

    Returns:
        float32, never negative.
    """
    blurred = _gaussian(uptake, spacing, point_spread)
    if noise:
        grain = _gaussian(generator.standard_normal(uptake.shape, dtype=np.float32), spacing, 0.7 * point_spread)
        blurred = blurred + noise * np.sqrt(np.maximum(blurred, 0)) * grain / grain.std()
    return np.maximum(blurred, 0)


def _gaussian(array: Floats, spacing: float, width: float) -> Floats:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((spacing, spacing, spacing))
    blurred = sitk.DiscreteGaussian(image, [(width / FWHM_PER_SIGMA) ** 2] * 3, 64, 0.005, True)
    return np.asarray(sitk.GetArrayFromImage(blurred), dtype=np.float32)
