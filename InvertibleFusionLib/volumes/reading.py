"""Reading volumes from files: NRRD, NIfTI, MetaImage, and folders that hold one DICOM series."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from InvertibleFusionLib.errors import UnreadableFileError, UnsuitableVolumeError
from InvertibleFusionLib.volumes.completeness import check_metaimage, check_nrrd
from InvertibleFusionLib.volumes.dicom_series import read_dicom_series
from InvertibleFusionLib.volumes.itk import no_warnings, volume_from_image
from InvertibleFusionLib.volumes.nifti import NiftiContents, check_nifti
from InvertibleFusionLib.volumes.volume import Volume

ENDINGS = (".seg.nrrd", ".nrrd", ".nhdr", ".nii.gz", ".nii", ".mha", ".mhd")
RECORD_KEY = "invertible_fusion_record"
UNITS_KEY = "units"
RECORD_ENDING = ".record.json"

KNOWN_REASONS = {
    r"only (?:got|read)|got only|expected \d+ bytes|hit end|truncated|unexpected": (
        "it is cut short or damaged. Copy or export it again."
    ),
    "Unable to determine ImageIO": "its content is not that of a medical image file, whatever its name says.",
    "orthonormal": (
        "its axes are not at right angles to each other (a sheared image). Resample it onto a regular grid first."
    ),
    "determinant is 0": "its header gives axes that lie in one plane. Export it again.",
    "Refusing to change spacing": "its header gives a voxel spacing that is not a positive number. Export it again.",
    "unsupported image dimension": "it has fewer than 2 or more than 5 dimensions; a volume has 3. Extract a volume.",
    "allocate memory": "there is not enough memory for a volume of its size. Close other programs or crop it.",
    "No such file": "its header is damaged, or a file that it names is missing beside it. Copy or export it again.",
}
"""What ITK's messages mean, by what they contain."""
NOISE = r"^((ITK ERROR|sitk::ERROR): ?)?(\w+\(0x[0-9a-f]+\): ?)?(\[nrrd\] \w+: ?)?"
"""Addresses and names of functions before what a message says."""


def read_volume(path: Path) -> Volume:
    """Read one volume, complete and with its geometry, units and record where the file has them.

    The voxel type is the file's. A two-dimensional image becomes a volume of one slice. The name is the file's name
    without its ending; for results of this library, the name that the result was given.

    Raises:
        UnreadableFileError: missing, cut, damaged, of an unknown type; DICOM series with missing slices.
        UnsuitableVolumeError: a series of volumes (4-D), complex numbers.
    """
    try:
        return read_dicom_series(path) if path.is_dir() else _read_file(path)
    except OSError as error:
        raise UnreadableFileError(
            f"{path} cannot be read: {error.strerror or error}. Check its name and its permissions."
        ) from error


def read_statements(path: Path) -> tuple[dict[str, Any] | None, str]:
    """The record and the units that a volume file states, without reading its voxels; None and "" where it has none.

    For programs that read files themselves and drop both, as Slicer does.

    Raises:
        UnreadableFileError: when the record is damaged.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with no_warnings():
            reader.ReadImageInformation()
    except RuntimeError as error:
        raise UnreadableFileError(f"{path} cannot be read: {_reason(error)}") from error
    return _record(reader, path), _units(reader, path)


def known_ending(path: Path) -> str | None:
    """The part of a file's name that tells its type, such as ".nii.gz"; None for types that are not read."""
    return next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)


def stem(path: Path) -> str:
    """The file's name without the ending that tells its type."""
    ending = known_ending(path)
    return path.name[: -len(ending)] if ending else path.name


def record_path(path: Path) -> Path:
    """Where the record of a volume file lies that cannot hold it itself: ``fused.nii.gz`` → ``fused.record.json``."""
    return path.with_name(stem(path) + RECORD_ENDING)


def _read_file(path: Path) -> Volume:
    if not path.exists():
        raise UnreadableFileError(f"There is no file {path}. Check its name and folder.")
    ending = known_ending(path)
    if ending is None:
        raise UnreadableFileError(
            f"{path} is not a type of file that can be read here. Use NRRD, NIfTI or MetaImage "
            f"({', '.join(ENDINGS[1:])}), or the folder of a DICOM series."
        )
    contents = _check_complete(path, ending)
    image = _read_image(path)
    labels = contents.is_label_map or any(key.startswith("Segment0") for key in image.GetMetaDataKeys())
    try:
        volume = volume_from_image(_three_dimensional(image), stem(path), _units(image, path))
    except ValueError as error:
        raise UnreadableFileError(f"{path} cannot be used: {error} Resample or export it again.") from error
    volume = _with_not_finite(replace(volume, label_map=labels), contents)
    return _with_record(volume, image, path)


def _check_complete(path: Path, ending: str) -> NiftiContents:
    """Check the file's length, and find what SimpleITK does not tell of NIfTI files."""
    if path.stat().st_size == 0:
        raise UnreadableFileError(f"{path} is an empty file (0 bytes). Copy or export it again.")
    if ending in (".nii", ".nii.gz"):
        return check_nifti(path)
    if ending in (".mha", ".mhd"):
        check_metaimage(path)
    else:
        check_nrrd(path)
    return NiftiContents(ending == ".seg.nrrd", np.zeros(0, np.int64), np.zeros(0))


def _with_not_finite(volume: Volume, contents: NiftiContents) -> Volume:
    """Put back what SimpleITK's NIfTI reader made zero; positions count components slowest, then k, j, i."""
    if len(contents.not_finite) == 0:
        return volume
    array = np.array(volume.array)
    in_file_order = array if array.ndim == 3 else np.moveaxis(array, -1, 0)
    in_file_order[np.unravel_index(contents.not_finite, in_file_order.shape)] = contents.not_finite_values
    return volume.with_array(array)


def _read_image(path: Path) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with no_warnings():
            reader.ReadImageInformation()
            _require_one_real_volume(reader, path)
            return reader.Execute()
    except RuntimeError as error:
        raise UnreadableFileError(f"{path} cannot be read: {_reason(error)}") from error


def _require_one_real_volume(reader: sitk.ImageFileReader, path: Path) -> None:
    size = reader.GetSize()
    volumes = math.prod(size[3:])
    if volumes > 1:
        raise UnsuitableVolumeError(
            f"{path} is a series of {volumes} volumes ({'×'.join(map(str, size))}); one volume is needed. "
            "Extract the one you mean."
        )
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise UnsuitableVolumeError(
            f"{path} holds complex numbers (2 values, real and imaginary, per voxel). Export its magnitude."
        )


def _reason(error: RuntimeError) -> str:
    """ITK's many lines as one sentence."""
    text = str(error)
    for sign, sentence in KNOWN_REASONS.items():
        if re.search(sign, text, re.IGNORECASE):
            return sentence
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = re.sub(NOISE, "", lines[-1] if lines else "unknown reason")
    return f"{last.rstrip('.')}. Export it again."


def _three_dimensional(image: sitk.Image) -> sitk.Image:
    dimension = image.GetDimension()
    if dimension == 2:
        return sitk.JoinSeries(image)
    if dimension > 3:
        return sitk.Extract(image, [*image.GetSize()[:3], *([0] * (dimension - 3))])
    return image


def _units(image: sitk.Image | sitk.ImageFileReader, path: Path) -> str:
    """Units as the file states them: our own key, or NRRD's field "sample units", which ITK does not pass on."""
    if image.HasMetaDataKey(UNITS_KEY):
        return str(image.GetMetaData(UNITS_KEY))
    if path.suffix.lower() not in (".nrrd", ".nhdr"):
        return ""
    with path.open("rb") as stream:
        for line in stream:
            if not line.strip():
                break
            if line.lower().startswith(b"sample units:"):
                return line.split(b":", 1)[1].decode("utf-8", "replace").strip().strip('"')
    return ""


def _with_record(volume: Volume, image: sitk.Image, path: Path) -> Volume:
    record = _record(image, path)
    if record is None:
        return volume
    result = record["result"]
    return replace(volume, record=record, name=str(result["name"]), units=str(result["units"]))


def _record(image: sitk.Image | sitk.ImageFileReader, path: Path) -> dict[str, Any] | None:
    text = image.GetMetaData(RECORD_KEY) if image.HasMetaDataKey(RECORD_KEY) else None
    try:
        if text is None and path.suffix.lower() != ".nrrd" and record_path(path).is_file():
            text = record_path(path).read_text(encoding="utf-8")
        if text is None:
            return None
        record: dict[str, Any] = json.loads(text)
        _ = record["result"]["name"], record["result"]["units"]
        return record
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError(
            f"{path} carries a damaged record of how it was made ({str(error).splitlines()[0]}). Copy the file and "
            f"{record_path(path).name}, where there is one, again."
        ) from error
