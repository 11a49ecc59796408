"""What SimpleITK does not check or tell of a NIfTI file: whether it is whole, calls its values labels, or holds NaN.

SimpleITK returns zeros for the missing end of a .nii or .nii.gz, and zeros for NaN and infinities, without a word.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import UnreadableFileError
from InvertibleFusionLib.volumes.completeness import cut_short, require_voxels

CHUNK = 1 << 22
"""A multiple of every voxel's size, so that no number is torn in two."""

HEADER, HEADER_OF_NIFTI_2 = 348, 540
FARTHEST_OFFSET = 1 << 28
"""In bytes; far beyond what other programs add to a header."""

FLOATS = {16: "f4", 64: "f8"}
BYTES = {2: 1, 4: 2, 8: 4, 16: 4, 32: 8, 64: 8, 128: 3, 256: 1, 512: 2, 768: 4, 1024: 8, 1280: 8, 1792: 16, 2304: 4}
"""Bytes per voxel of the format's types."""


@dataclass(frozen=True)
class NiftiHeader:
    """What is needed of a NIfTI header.

    Attributes:
        data_offset: byte at which the voxels begin.
        data_bytes: that they take.
        is_label_map: whether the header calls the values labels.
        float_type: NumPy type of the stored voxels where they are floating point, else None.
    """

    data_offset: int
    data_bytes: int
    is_label_map: bool
    float_type: np.dtype[np.floating] | None


@dataclass(frozen=True)
class NiftiContents:
    """What reading the whole file told.

    Attributes:
        is_label_map: whether the header calls the values labels.
        not_finite: positions, in the order of the file, of voxels that are NaN or infinite.
        not_finite_values: what they are.
    """

    is_label_map: bool
    not_finite: NDArray[np.int64]
    not_finite_values: NDArray[np.float64]


def check_nifti(path: Path) -> NiftiContents:
    """Read a .nii or .nii.gz to its end.

    Raises:
        UnreadableFileError: when it is no NIfTI file, is damaged, or ends early.
    """
    zipped = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if zipped else path.open("rb") as opened:
            # GzipFile is a stream of bytes in all but its declared type.
            return _check(cast(IO[bytes], opened), path)
    except EOFError as error:
        raise cut_short(path, "its compressed data stop in the middle") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFileError(
            f"{path} is damaged, or not a compressed NIfTI file at all ({error}). Export it again."
        ) from error


def _check(stream: IO[bytes], path: Path) -> NiftiContents:
    head = stream.read(HEADER)
    header = _header(head, path)
    length = len(head) + len(stream.read(header.data_offset - HEADER))
    positions, found, voxels = [np.zeros(0, np.int64)], [np.zeros(0)], 0
    while chunk := stream.read(CHUNK):
        wanted = min(len(chunk), header.data_offset + header.data_bytes - length)
        length += len(chunk)
        if header.float_type is not None and wanted > 0:
            values = np.frombuffer(chunk, header.float_type, count=wanted // header.float_type.itemsize)
            places = np.flatnonzero(~np.isfinite(values))
            positions.append(places + voxels)
            found.append(values[places].astype(np.float64))
            voxels += len(values)
    expected = header.data_offset + header.data_bytes
    if length < expected:
        raise cut_short(path, f"{length} bytes of the {expected} that its header announces")
    return NiftiContents(header.is_label_map, np.concatenate(positions), np.concatenate(found))


def _header(head: bytes, path: Path) -> NiftiHeader:
    """Fields of a NIfTI-1 header, either byte order."""
    sizes_of_header = {order: struct.unpack_from(f"{order}i", head)[0] for order in "<>" if len(head) >= 4}
    if HEADER_OF_NIFTI_2 in sizes_of_header.values():
        raise UnreadableFileError(
            f"{path} is a NIfTI-2 file, which SimpleITK cannot read. Export it as NIfTI-1 or NRRD."
        )
    order = next((order for order, size in sizes_of_header.items() if size == HEADER), None)
    if order is None or len(head) < HEADER:
        raise UnreadableFileError(
            f"{path} is not a NIfTI file: it does not start with a whole NIfTI header. Export it again."
        )
    dim = struct.unpack_from(f"{order}8h", head, 40)
    intent, kind = struct.unpack_from(f"{order}2h", head, 68)
    offset = struct.unpack_from(f"{order}f", head, 108)[0]
    sizes = dim[1 : dim[0] + 1]
    if not 1 <= dim[0] <= 7 or any(n < 0 for n in sizes):
        raise UnreadableFileError(f"{path} has a damaged NIfTI header: its dimensions are {dim}. Export it again.")
    require_voxels(sizes, path)
    if not HEADER <= offset <= FARTHEST_OFFSET:  # NaN neither
        raise UnreadableFileError(
            f"{path} has a damaged NIfTI header: its voxels are said to begin at byte {offset:g}, where the header "
            f"takes {HEADER} bytes. Export it again."
        )
    if kind not in BYTES:
        raise UnreadableFileError(
            f"{path} has voxels of NIfTI type {kind}, which cannot be read here. Export it as int16 or float32."
        )
    float_type = np.dtype(order + FLOATS[kind]) if kind in FLOATS else None
    return NiftiHeader(int(offset), math.prod(sizes) * BYTES[kind], intent == 1002, float_type)
