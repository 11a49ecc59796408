"""Reading volumes from files: NRRD, NIfTI, MetaImage, and folders that hold one DICOM series."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from InvertibleFusionLib.errors import UnreadableFileError, UnsuitableVolumeError
from InvertibleFusionLib.volumes.completeness import check_metaimage, check_nifti
from InvertibleFusionLib.volumes.dicom_series import read_dicom_series
from InvertibleFusionLib.volumes.itk import volume_from_image
from InvertibleFusionLib.volumes.volume import Volume

ENDINGS = (".seg.nrrd", ".nrrd", ".nhdr", ".nii.gz", ".nii", ".mha", ".mhd")
RECORD_KEY = "invertible_fusion_record"
UNITS_KEY = "units"
RECORD_ENDING = ".record.json"


def read_volume(path: Path) -> Volume:
    """Read one volume, complete and with its geometry, units and record where the file has them.

    The voxel type is the file's. A two-dimensional image becomes a volume of one slice. The name is the file's name
    without its ending; for results of this library, the name that the result was given.

    Raises:
        UnreadableFileError: missing, cut, damaged, of an unknown type; DICOM series with missing slices.
        UnsuitableVolumeError: a series of volumes (4-D).
    """
    if path.is_dir():
        return read_dicom_series(path)
    if not path.exists():
        raise UnreadableFileError(f"There is no file {path}.")
    ending = known_ending(path)
    if ending is None:
        raise UnreadableFileError(
            f"{path} is not a type of file that can be read here. Use NRRD, NIfTI or MetaImage "
            f"({', '.join(ENDINGS[1:])}), or the folder of a DICOM series."
        )
    try:
        label_map = _check_complete(path, ending)
        image = _read_image(path)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    label_map = label_map or any(key.startswith("Segment0") for key in image.GetMetaDataKeys())
    volume = volume_from_image(_three_dimensional(image, path), stem(path), _units(image, path))
    return _with_record(replace(volume, label_map=label_map), image, path)


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


def _check_complete(path: Path, ending: str) -> bool:
    """Check the file's length; whether its header calls it a label map."""
    if path.stat().st_size == 0:
        raise UnreadableFileError(f"{path} is an empty file.")
    if ending in (".nii", ".nii.gz"):
        return check_nifti(path).is_label_map
    if ending in (".mha", ".mhd"):
        check_metaimage(path)
    return ending == ".seg.nrrd"


def _read_image(path: Path) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        size = reader.GetSize()
        if len(size) > 3 and any(n > 1 for n in size[3:]):
            raise UnsuitableVolumeError(
                f"{path} is a series of {size[3]} volumes ({'×'.join(map(str, size))}); one volume is needed. "
                "Extract the one you mean."
            )
        return reader.Execute()
    except RuntimeError as error:
        raise UnreadableFileError(f"{path} cannot be read: {_reason(error)}") from error


def _reason(error: RuntimeError) -> str:
    """ITK's many lines as one sentence."""
    text = str(error)
    cut = re.search(r"only (?:got|read)|got only|expected \d+ bytes|hit end|truncated|unexpected", text, re.I)
    if cut:
        return "it is cut short or damaged. Copy or export it again."
    if "Unable to determine ImageIO" in text:
        return "its content is not that of a medical image file, whatever its name says."
    if "orthonormal" in text.lower():
        return (
            "its axes are not at right angles to each other (a sheared image). Resample it onto a regular grid first."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"^(?:ITK ERROR|sitk::ERROR): ?", "", lines[-1]) if lines else "unknown reason"


def _three_dimensional(image: sitk.Image, path: Path) -> sitk.Image:
    dimension = image.GetDimension()
    if dimension == 2:
        return sitk.JoinSeries(image)
    if dimension > 3:
        return sitk.Extract(image, [*image.GetSize()[:3], *([0] * (dimension - 3))])
    return image


def _units(image: sitk.Image, path: Path) -> str:
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
    text = image.GetMetaData(RECORD_KEY) if image.HasMetaDataKey(RECORD_KEY) else None
    if text is None and record_path(path).is_file():
        text = record_path(path).read_text(encoding="utf-8")
    if text is None:
        return volume
    try:
        record: dict[str, Any] = json.loads(text)
        result = record["result"]
        return replace(volume, record=record, name=str(result["name"]), units=str(result["units"]))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UnreadableFileError(f"{path} carries a damaged record of how it was made: {error}.") from error
