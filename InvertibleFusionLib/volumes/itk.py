"""Volume ↔ SimpleITK image, geometry included."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import SimpleITK as sitk

from InvertibleFusionLib.volumes.volume import Volume


@contextmanager
def no_warnings() -> Iterator[None]:
    """Keep ITK's warnings off the terminal: what matters in them is checked here and said in a sentence."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def image_from_volume(volume: Volume) -> sitk.Image:
    """A SimpleITK image with the volume's voxels (copied) and geometry; bool as uint8, float16 as float32."""
    array = volume.array.astype(volume.array.dtype.newbyteorder("="), copy=False)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    elif array.dtype == np.longdouble:
        array = array.astype(np.float64)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array), isVector=volume.components > 1)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    return image


def volume_from_image(image: sitk.Image, name: str, units: str = "") -> Volume:
    """A volume with a SimpleITK image's voxels (copied) and geometry; the image has three dimensions."""
    return Volume(
        sitk.GetArrayFromImage(image),
        spacing=image.GetSpacing(),
        origin=image.GetOrigin(),
        direction=image.GetDirection(),
        name=name,
        units=units,
    )
