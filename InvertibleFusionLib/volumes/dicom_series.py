"""Reading a folder that holds one DICOM series, refusing what SimpleITK would stack wrongly without an error."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from InvertibleFusionLib.errors import UnreadableFileError, UnsuitableVolumeError
from InvertibleFusionLib.volumes.itk import volume_from_image
from InvertibleFusionLib.volumes.volume import Volume

POSITION, ORIENTATION, DESCRIPTION, RESCALE_TYPE, PET_UNITS = (
    "0020|0032",
    "0020|0037",
    "0008|103e",
    "0028|1054",
    "0054|1001",
)
UNEVEN_MM = 0.1
"""Slices farther than this from an even spacing are refused; headers round to about 0.01 mm."""


@dataclass(frozen=True)
class _SliceHeader:
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    description: str
    units: str


def read_dicom_series(folder: Path) -> Volume:
    """Read the one DICOM series in a folder, its slices in order of position.

    The name is the series description, else the folder's name; units are those of the rescale type (such as HU) or,
    for PET, of the attribute Units. Nothing that identifies the patient is read or logged.

    Raises:
        UnreadableFileError: no DICOM in the folder, several series, slices missing or turned against each other.
        UnsuitableVolumeError: several images at one position (a time or b-value series).
    """
    identifiers = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not identifiers:
        raise UnreadableFileError(f"The folder {folder} holds no DICOM series.")
    if len(identifiers) > 1:
        raise UnreadableFileError(
            f"The folder {folder} holds {len(identifiers)} DICOM series; put the one you mean in a folder of its own."
        )
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), identifiers[0])
    headers = [_slice_header(Path(name)) for name in names]
    _require_even_stack(headers, folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise UnreadableFileError(f"The DICOM series in {folder} cannot be read: a file is cut or damaged.") from error
    if image.GetDimension() > 3:
        image = sitk.Extract(image, [*image.GetSize()[:3], *([0] * (image.GetDimension() - 3))])
    return volume_from_image(image, headers[0].description or folder.name, headers[0].units)


def _slice_header(path: Path) -> _SliceHeader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        position = _numbers(reader, POSITION, 3)
        orientation = _numbers(reader, ORIENTATION, 6)
    except (RuntimeError, ValueError) as error:
        raise UnreadableFileError(
            f"The DICOM file {path} is damaged or does not say where its slice lies. Export the series again."
        ) from error
    return _SliceHeader(
        position, orientation, _text(reader, DESCRIPTION), _text(reader, RESCALE_TYPE) or _text(reader, PET_UNITS)
    )


def _require_even_stack(headers: list[_SliceHeader], folder: Path) -> None:
    first = headers[0].orientation
    if any(not np.allclose(header.orientation, first, atol=1e-3) for header in headers):
        raise UnreadableFileError(
            f"The slices of the DICOM series in {folder} are turned against each other (a localizer, or several stacks)."
        )
    normal = np.cross(first[:3], first[3:])
    heights = np.sort([float(normal @ header.position) for header in headers])
    steps = np.diff(heights)
    if len(steps) == 0:
        return
    if steps.min() < 1e-3:
        places = 1 + int((steps >= 1e-3).sum())
        raise UnsuitableVolumeError(
            f"The DICOM series in {folder} has {len(headers)} images at {places} positions: a series over time, echo or "
            "b-value. Extract one volume."
        )
    step = float(np.median(steps))
    # With one slice missing the median is the true step; with most missing evenly, nothing can tell.
    wrong = np.flatnonzero(np.abs(steps - step) > UNEVEN_MM)
    if len(wrong):
        gap = wrong[int(np.argmax(steps[wrong]))]
        missing = int(sum(max(round(steps[index] / step) - 1, 0) for index in wrong))
        what = f"about {missing} slices are missing" if missing > 1 else "a slice is missing"
        what = what if missing else "its slices are unevenly spaced"
        raise UnreadableFileError(
            f"The DICOM series in {folder} is not complete: {what}. {len(headers)} slices were found, {step:.2f} mm "
            f"apart, but {steps[gap]:.2f} mm lie between slices {gap + 1} and {gap + 2}. Export the series again."
        )


def _numbers(reader: sitk.ImageFileReader, key: str, count: int) -> NDArray[np.float64]:
    values = np.array([float(part) for part in _text(reader, key).split("\\") if part.strip()])
    if len(values) != count:
        raise ValueError(f"DICOM attribute {key} has {len(values)} values instead of {count}")
    return values


def _text(reader: sitk.ImageFileReader, key: str) -> str:
    # GDCM pads texts to an even length; the decoding of other character sets can leave surrogates.
    text = reader.GetMetaData(key) if reader.HasMetaDataKey(key) else ""
    return str(text).encode("utf-8", "replace").decode("utf-8").strip()
