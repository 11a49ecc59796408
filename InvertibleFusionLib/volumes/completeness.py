"""Whether an NRRD or MetaImage holds all the bytes that its header promises, checked before SimpleITK reads it.

SimpleITK returns zeros for the missing end of a compressed MetaImage without an error, reads damaged compressed NRRD
voxels as they come, and reports a cut MetaImage as a missing file. NIfTI has a module of its own.
"""

import gzip
import math
import os
import re
import zlib
from pathlib import Path
from typing import IO, cast

from InvertibleFusionLib.errors import UnreadableFileError

CHUNK = 1 << 22
COMPRESSED_CHUNK = 1 << 16
"""Zeros grow a thousandfold when they are decompressed."""

NRRD_INTEGERS = {"char": 1, "int8": 1, "short": 2, "int16": 2, "int": 4, "int32": 4, "long long": 8, "longlong": 8}
NRRD_TYPES = NRRD_INTEGERS | {"int64": 8, "float": 4, "double": 8}
META_TYPES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}
"""Bytes per value of each format's voxel types, signed and unsigned alike."""


def check_nrrd(path: Path) -> None:
    """Compare the size of a .nrrd, or of the file that a .nhdr names, with its header; gzip data are read to the end.

    Other encodings (text, bzip2) and data in several files are left to SimpleITK.

    Raises:
        UnreadableFileError: when it is no NRRD file, is damaged, ends early, or its data file is missing.
    """
    with path.open("rb") as stream:
        fields = _nrrd_fields(stream, path)
        named = fields.get("data file", fields.get("datafile"))
        if named is None:
            _check_nrrd_data(fields, stream, path)
        elif not named.startswith("LIST") and "%" not in named:
            data = _companion(path, named)
            with data.open("rb") as data_stream:
                _check_nrrd_data(fields, data_stream, data)


def check_metaimage(path: Path) -> None:
    """Compare the size of a .mha, or of the raw file that a .mhd names, with its header; inflate what is compressed.

    Voxels written as text and images in several files are left to SimpleITK.

    Raises:
        UnreadableFileError: when it is no MetaImage, is damaged, ends early, or its raw file is missing.
    """
    fields, header_bytes = _metaimage_fields(path)
    if not {"NDims", "DimSize", "ElementType", "ElementDataFile"} <= fields.keys():
        raise UnreadableFileError(
            f"{path} is not a MetaImage, or its header is cut short: the size or type of the image is not in it. "
            "Export it again."
        )
    expected = _metaimage_bytes(fields, path)
    named = fields["ElementDataFile"]
    if named.startswith("LIST") or "%" in named or fields.get("BinaryData", "True").lower() == "false":
        return
    data, offset = (path, header_bytes) if named.lower() == "local" else (_companion(path, named), 0)
    with data.open("rb") as stream:
        stream.seek(offset)
        if fields.get("CompressedData", "False").lower() == "true":
            present = _inflated_length(stream, data, _compressed_bytes(fields, data, offset))
        else:
            present = data.stat().st_size - offset
    if present < expected:
        raise cut_short(data, f"{present} bytes of voxels, its header announces {expected}")


def _nrrd_fields(stream: IO[bytes], path: Path) -> dict[str, str]:
    """The header's fields (not its key/value pairs), names in lower case; the stream is left where the data begin."""
    if not stream.read(4) == b"NRRD":
        raise UnreadableFileError(
            f"{path} is not an NRRD file: it does not start with NRRD, whatever its name says. Export it again."
        )
    fields: dict[str, str] = {}
    stream.readline()
    while (line := stream.readline()).strip():
        name, separator, value = line.decode("utf-8", "surrogateescape").partition(": ")
        if separator and not name.startswith("#") and ":=" not in name:
            fields[name.strip().lower()] = value.strip()
    if not line and not {"data file", "datafile"} & fields.keys():
        raise cut_short(path, "it ends within its header")
    return fields


def _check_nrrd_data(fields: dict[str, str], stream: IO[bytes], path: Path) -> None:
    """Compare what follows in ``stream`` with the fields of the header."""
    kind = re.sub(r"^(?:unsigned |signed |u(?=\w))|_t$| int$", "", fields.get("type", "").lower())
    encoding = fields.get("encoding", "").lower()
    if kind not in NRRD_TYPES or "sizes" not in fields or encoding not in ("raw", "gz", "gzip"):
        return
    sizes = _whole_numbers(fields["sizes"], path)
    require_voxels(sizes, path)
    for _ in range(_whole_number(fields.get("line skip", fields.get("lineskip", "0")), path)):
        if not stream.readline():
            break
    if encoding == "raw":
        start = stream.tell()
        present = stream.seek(0, os.SEEK_END) - start
    else:
        present = _unzipped_length(stream, path)
    expected = math.prod(sizes) * NRRD_TYPES[kind]
    if present < expected:
        raise cut_short(path, f"{present} bytes of voxels, its header announces {expected}")


def _metaimage_fields(path: Path) -> tuple[dict[str, str], int]:
    """The header's fields, and how many bytes it takes."""
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        while stream.tell() < 1 << 20 and (line := stream.readline(1 << 16)):
            name, _, value = line.decode("utf-8", "surrogateescape").partition("=")
            fields[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile":
                break
        return fields, stream.tell()


def _metaimage_bytes(fields: dict[str, str], path: Path) -> int:
    """How many bytes the voxels take, uncompressed."""
    sizes = _whole_numbers(fields["DimSize"], path)
    dimensions = _whole_number(fields["NDims"], path)
    channels = _whole_number(fields.get("ElementNumberOfChannels", "1"), path)
    if len(sizes) != dimensions:
        raise UnreadableFileError(
            f"{path} has a damaged header: {dimensions} dimensions, but {len(sizes)} sizes. Export it again."
        )
    require_voxels(sizes, path)
    kind = fields["ElementType"].removeprefix("MET_").removesuffix("_ARRAY").removeprefix("U")
    return math.prod(sizes) * channels * META_TYPES.get(kind, 1)


def _whole_numbers(text: str, path: Path) -> list[int]:
    try:
        return [int(part) for part in text.split()]
    except ValueError as error:
        raise UnreadableFileError(
            f"{path} has a damaged header: {text[:60]!r} where whole numbers belong. Export it again."
        ) from error


def _whole_number(text: str, path: Path) -> int:
    numbers = _whole_numbers(text, path)
    if len(numbers) != 1 or numbers[0] < 0:
        raise UnreadableFileError(
            f"{path} has a damaged header: {text[:60]!r} where one whole number belongs. Export it again."
        )
    return numbers[0]


def require_voxels(sizes: list[int] | tuple[int, ...], path: Path) -> None:
    """Refuse an image without voxels.

    Raises:
        UnreadableFileError: with its sizes.
    """
    if not sizes or min(sizes) < 1:
        raise UnreadableFileError(
            f"{path} is empty: its header gives a size of {'×'.join(map(str, sizes))} voxels. Export it again."
        )


def _companion(path: Path, name: str) -> Path:
    """The file beside ``path`` in which it keeps its voxels."""
    data = path.parent / name
    if not data.is_file():
        raise UnreadableFileError(
            f"{path} keeps its voxels in a file {name!r}, which is missing beside it. Copy both files again."
        )
    return data


def _unzipped_length(stream: IO[bytes], path: Path) -> int:
    """The length of gzip data, which are read to their end and checksum."""
    try:
        with gzip.GzipFile(fileobj=stream) as unzipped:
            # GzipFile is a stream of bytes in all but its declared type.
            return _length_of_rest(cast(IO[bytes], unzipped))
    except EOFError as error:
        raise cut_short(path, "its compressed data stop in the middle") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFileError(
            f"{path} is damaged, or not compressed NRRD data at all ({error}). Export it again."
        ) from error


def _compressed_bytes(fields: dict[str, str], data: Path, offset: int) -> int:
    """How many compressed bytes there are to read; only a raw file of its own may leave that to its size."""
    there = data.stat().st_size - offset
    announced = _whole_number(fields.get("CompressedDataSize", "0" if offset else str(there)), data)
    if announced == 0:
        raise UnreadableFileError(
            f"{data} has a damaged header: it does not say how many compressed bytes follow. Export it again."
        )
    if there < announced:
        raise cut_short(data, f"{there} compressed bytes of the {announced} that its header announces")
    return announced


def _inflated_length(stream: IO[bytes], path: Path, compressed_bytes: int) -> int:
    """The length of the next ``compressed_bytes`` of zlib or gzip data once decompressed."""
    engine = zlib.decompressobj(zlib.MAX_WBITS | 32)
    length, left = 0, compressed_bytes
    try:
        while not engine.eof and (part := stream.read(min(COMPRESSED_CHUNK, left))):
            left -= len(part)
            length += len(engine.decompress(part))
    except zlib.error as error:
        raise UnreadableFileError(f"{path} is damaged: its compressed voxels ({error}). Export it again.") from error
    if not engine.eof:
        raise cut_short(path, f"its compressed voxels, {compressed_bytes} bytes, stop in the middle")
    return length


def _length_of_rest(stream: IO[bytes]) -> int:
    length = 0
    while part := stream.read(CHUNK):
        length += len(part)
    return length


def cut_short(path: Path, detail: str) -> UnreadableFileError:
    """The error for a file that ends early, with the numbers in ``detail``."""
    return UnreadableFileError(f"{path} is cut short: {detail}. Copy or export it again.")
