"""Whether a file holds all the bytes that its header promises, checked before SimpleITK reads it.

SimpleITK returns zeros for the missing end of a .nii or .nii.gz without an error, and reports a cut MetaImage as a
missing file.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from InvertibleFusionLib.errors import UnreadableFileError

CHUNK = 1 << 22
META_TYPES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}


@dataclass(frozen=True)
class NiftiHeader:
    """What is needed of a NIfTI header: the size of the voxel data, and whether it calls its values labels."""

    data_offset: int
    data_bytes: int
    is_label_map: bool


def check_nifti(path: Path) -> NiftiHeader:
    """Read a .nii or .nii.gz to its end and compare with its header.

    Raises:
        UnreadableFileError: when it is no NIfTI file, is damaged, or ends early.
    """
    zipped = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if zipped else path.open("rb") as stream:
            header = _nifti_header(stream.read(540), path)
            total = 540 + _length_of_rest(cast(IO[bytes], stream))
    except EOFError as error:
        raise _cut(path, "its compressed data stop in the middle") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFileError(
            f"{path} is damaged, or not a compressed NIfTI file at all ({error}). Export it again."
        ) from error
    expected = header.data_offset + header.data_bytes
    if max(total, 0) < expected:
        raise _cut(path, f"{total} bytes of the {expected} that its header announces")
    return header


def check_metaimage(path: Path) -> None:
    """Compare the size of a .mha, or of the raw file that a .mhd names, with its header.

    Raises:
        UnreadableFileError: when it is no MetaImage, ends early, or its raw file is missing.
    """
    fields, header_bytes = _metaimage_fields(path)
    if not {"NDims", "DimSize", "ElementType", "ElementDataFile"} <= fields.keys():
        raise UnreadableFileError(f"{path} is not a MetaImage: its header lacks the size or type of the image.")
    if fields["ElementDataFile"] == "LOCAL":
        present = path.stat().st_size - header_bytes
    elif fields["ElementDataFile"].split()[0] == "LIST" or "%" in fields["ElementDataFile"]:
        return
    else:
        raw = path.parent / fields["ElementDataFile"]
        if not raw.is_file():
            raise UnreadableFileError(f"{path} keeps its voxels in {raw.name}, which is missing beside it.")
        present = raw.stat().st_size
    if fields.get("CompressedData", "False").lower() == "true":
        expected = int(fields.get("CompressedDataSize", "0"))
    else:
        size = math.prod(int(n) for n in fields["DimSize"].split())
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        kind = fields["ElementType"].removeprefix("MET_").removesuffix("_ARRAY")
        expected = size * channels * META_TYPES.get(kind.replace("UCHAR", "CHAR").removeprefix("U"), 1)
    if present < expected:
        raise _cut(path, f"{present} bytes of voxels, its header announces {expected}")


def _nifti_header(head: bytes, path: Path) -> NiftiHeader:
    """Fields of NIfTI-1 (348 bytes) and NIfTI-2 (540 bytes), either byte order."""
    for order in "<>":
        size = struct.unpack_from(f"{order}i", head)[0] if len(head) >= 4 else 0
        if size == 348 and len(head) >= 348:
            dim = struct.unpack_from(f"{order}8h", head, 40)
            intent, _, bits = struct.unpack_from(f"{order}3h", head, 68)
            offset = int(struct.unpack_from(f"{order}f", head, 108)[0])
            break
        if size == 540 and len(head) >= 540:
            dim = struct.unpack_from(f"{order}8q", head, 16)
            bits = struct.unpack_from(f"{order}h", head, 14)[0]
            offset = struct.unpack_from(f"{order}q", head, 168)[0]
            intent = struct.unpack_from(f"{order}i", head, 504)[0]
            break
    else:
        raise UnreadableFileError(f"{path} is not a NIfTI file: it does not start with a NIfTI header.")
    if not 1 <= dim[0] <= 7 or any(n < 0 for n in dim[1 : dim[0] + 1]):
        raise UnreadableFileError(f"{path} has a damaged NIfTI header: its dimensions are {dim}.")
    if any(n == 0 for n in dim[1 : dim[0] + 1]):
        raise UnreadableFileError(f"{path} is empty: its header gives a size of {'×'.join(map(str, dim[1:4]))}.")
    return NiftiHeader(offset, math.prod(dim[1 : dim[0] + 1]) * bits // 8, intent == 1002)


def _metaimage_fields(path: Path) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        for line in stream:
            name, _, value = line.decode("latin-1").partition("=")
            fields[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile" or stream.tell() > 1 << 20:
                break
        return fields, stream.tell()


def _length_of_rest(stream: IO[bytes]) -> int:
    length = 0
    while part := stream.read(CHUNK):
        length += len(part)
    return length


def _cut(path: Path, detail: str) -> UnreadableFileError:
    return UnreadableFileError(f"{path} is cut short: {detail}. Copy or export it again.")
