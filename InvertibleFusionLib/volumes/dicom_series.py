"""Reading a folder that holds one DICOM series, refusing what SimpleITK would stack wrongly without an error."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from InvertibleFusionLib.errors import UnreadableFileError, UnsuitableVolumeError
from InvertibleFusionLib.volumes.itk import no_warnings, volume_from_image
from InvertibleFusionLib.volumes.volume import Volume

POSITION, ORIENTATION, THICKNESS, DESCRIPTION = "0020|0032", "0020|0037", "0018|0050", "0008|103e"
INTERCEPT, SLOPE, RESCALE_TYPE, PET_UNITS = "0028|1052", "0028|1053", "0028|1054", "0054|1001"
UNSPECIFIED = "US"
"""What the attribute Rescale Type says of units that are none."""
DICOMDIR = b"1.2.840.10008.1.3.10"
"""The class of a directory file, which lists the others."""
UNEVEN_MM = 0.1
"""Slices farther than this from an even spacing are refused; headers round to about 0.01 mm."""
SHIFTED_MM = 0.5
"""Slices whose first voxels leave the line along their normal by more than this are refused."""


@dataclass(frozen=True)
class _SliceHeader:
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    description: str
    units: str
    rescaling: tuple[str, str]
    thickness: float


def read_dicom_series(folder: Path) -> Volume:
    """Read the one DICOM series in a folder, its slices in order of position.

    The name is the series description, else the folder's name; units are those of the rescale type (such as HU) or,
    for PET, of the attribute Units. Nothing that identifies the patient is read or logged.

    Raises:
        UnreadableFileError: no DICOM in the folder, several series, a damaged file, slices that are missing, turned or
            shifted against each other.
        UnsuitableVolumeError: several images at one position (a time or b-value series).
    """
    with no_warnings():
        names = _file_names(folder)
        headers = [_slice_header(Path(name)) for name in names]
        _require_even_stack(headers, folder)
        image = _read_image(names, headers, folder)
    try:
        return volume_from_image(image, headers[0].description or folder.name, headers[0].units)
    except ValueError as error:
        raise UnreadableFileError(
            f"The DICOM series in {folder} cannot be used: {error} Export the series again."
        ) from error


def _file_names(folder: Path) -> tuple[str, ...]:
    """The files of the one series in a folder, in order of position."""
    try:
        identifiers = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    except RuntimeError as error:
        raise UnreadableFileError(
            f"The folder {folder} holds a damaged DICOM file: {str(error).splitlines()[-1]}. Copy or export the series "
            "again."
        ) from error
    if len(identifiers) > 1:
        raise UnreadableFileError(
            f"The folder {folder} holds {len(identifiers)} DICOM series; put the one you mean in a folder of its own."
        )
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), identifiers[0]) if identifiers else ()
    _require_nothing_left_out(folder, {Path(name).name for name in names})
    if not names:
        raise UnreadableFileError(
            f"The folder {folder} holds no DICOM series. Choose the folder in which its files lie, or a NRRD, NIfTI "
            "or MetaImage file."
        )
    return tuple(names)


def _require_nothing_left_out(folder: Path, names: set[str]) -> None:
    """Refuse files that look like DICOM but cannot be parsed: GDCM leaves them out, so a cut end slice would vanish."""
    endings = {Path(name).suffix.lower() for name in names} | {".dcm"}
    for path in sorted(folder.iterdir()):
        if path.name in names or path.name.startswith(".") or path.name == "DICOMDIR" or not path.is_file():
            continue
        with path.open("rb") as stream:
            head = stream.read(512)
        suffix = path.suffix.lower()
        named_so = suffix in endings and (suffix != "" or not head.strip(b"\0"))
        if (named_so or head[128:132] == b"DICM") and DICOMDIR not in head:
            raise UnreadableFileError(
                f"The DICOM file {path} is cut short or damaged ({path.stat().st_size} bytes). Copy or export the "
                "series again."
            )


def _read_image(names: tuple[str, ...], headers: list[_SliceHeader], folder: Path) -> sitk.Image:
    """The image with three dimensions."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    if len({header.rescaling for header in headers}) > 1:
        reader.SetOutputPixelType(sitk.sitkFloat64)  # else all slices get the type that suits the first one's slope
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise UnreadableFileError(
            f"The DICOM series in {folder} cannot be read: one of its {len(names)} files is cut or damaged, or its "
            "slices differ in size. Copy or export the series again."
        ) from error
    if image.GetDimension() > 3:
        image = sitk.Extract(image, [*image.GetSize()[:3], *([0] * (image.GetDimension() - 3))])
    if len(headers) == 1 and headers[0].thickness > 0:  # one slice has no distance to a next one
        image.SetSpacing([*image.GetSpacing()[:2], headers[0].thickness])
    return image


def _slice_header(path: Path) -> _SliceHeader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        position = _numbers(reader, POSITION, 3)
        orientation = _numbers(reader, ORIENTATION, 6)
    except (RuntimeError, ValueError) as error:
        raise UnreadableFileError(
            f"The DICOM file {path} is damaged or does not say where its slice lies. Export the series again, as one "
            "file per slice."
        ) from error
    rescale_type = _text(reader, RESCALE_TYPE)
    return _SliceHeader(
        position,
        orientation,
        _text(reader, DESCRIPTION),
        rescale_type if rescale_type not in ("", UNSPECIFIED) else _text(reader, PET_UNITS),
        (_text(reader, SLOPE), _text(reader, INTERCEPT)),
        _number(reader, THICKNESS),
    )


def _require_even_stack(headers: list[_SliceHeader], folder: Path) -> None:
    first = headers[0].orientation
    if any(not np.allclose(header.orientation, first, atol=1e-3) for header in headers):
        raise UnreadableFileError(
            f"The {len(headers)} slices of the DICOM series in {folder} are turned against each other (a localizer, or "
            "several stacks). Export one stack."
        )
    normal = np.cross(first[:3], first[3:])
    positions = np.array([header.position for header in headers])
    heights = np.sort(positions @ normal)
    steps = np.diff(heights)
    if len(steps) == 0:
        return
    if steps.min() < 1e-3:
        places = 1 + int((steps >= 1e-3).sum())
        raise UnsuitableVolumeError(
            f"The DICOM series in {folder} has {len(headers)} images at {places} positions: a series over time, echo "
            "or b-value. Extract one volume."
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
    shifts = positions - positions[0]
    shift = float(np.linalg.norm(shifts - np.outer(shifts @ normal, normal), axis=1).max())
    if shift > SHIFTED_MM:
        raise UnreadableFileError(
            f"The {len(headers)} slices of the DICOM series in {folder} are shifted sideways against each other, by up "
            f"to {shift:.2f} mm (a tilted gantry). Resample it to straight slices first."
        )


def _number(reader: sitk.ImageFileReader, key: str) -> float:
    """One number; 0 where the attribute is missing or none."""
    try:
        return float(_text(reader, key))
    except ValueError:
        return 0.0


def _numbers(reader: sitk.ImageFileReader, key: str, count: int) -> NDArray[np.float64]:
    values = np.array([float(part) for part in _text(reader, key).split("\\") if part.strip()])
    if len(values) != count:
        raise ValueError(f"DICOM attribute {key} has {len(values)} values instead of {count}")
    return values


def _text(reader: sitk.ImageFileReader, key: str) -> str:
    # GDCM pads texts to an even length; the decoding of other character sets can leave surrogates.
    text = reader.GetMetaData(key) if reader.HasMetaDataKey(key) else ""
    return str(text).encode("utf-8", "replace").decode("utf-8").strip()
