"""Patients' slices on disk, so that the next run need not resample: written whole, mapped into memory, and checked.

An entry is found by the content of the source files, the settings and the versions of what made it; a changed file or
setting makes another entry. One whose bytes are not those that were written is made again.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from InvertibleFusionLib._version import __version__
from InvertibleFusionLib.errors import UnreadableFileError
from InvertibleFusionLib.training.data.cases import Arrays
from InvertibleFusionLib.volumes.writing import staged

FORMAT = 1


def cache_key(files: Iterable[Path], **settings: Any) -> str:
    """The name of an entry: a digest of the files' content, the settings and the versions.

    Args:
        files: everything that was read; of a folder, all files in it.
        settings: JSON-ready, or anything whose ``str`` tells it from others.

    Raises:
        UnreadableFileError: when a file cannot be read.
    """
    try:
        digests = [digest(path) for path in files]
    except OSError as error:
        raise UnreadableFileError(f"{error.filename} cannot be read: {error.strerror}. Check its name.") from error
    said = {
        "files": digests,
        "settings": settings,
        "versions": [FORMAT, __version__, np.__version__, sitk.Version.VersionString()],
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def cached(folder: Path | None, key: Callable[[], str], make: Callable[[], Arrays]) -> Arrays:
    """What ``make`` gives, from the cache where it is there and sound.

    Args:
        folder: of the cache, made where it is missing; None for no cache.
        key: gives the entry's name; only called where there is a cache.
        make: reads or computes the slices.

    Returns:
        Images and mask, memory-mapped where there is a cache.

    Raises:
        OutputError: where the cache cannot be written.
        InvertibleFusionError: what ``make`` raises.
    """
    if folder is None:
        return make()
    name = key()
    found = _read(folder, name)
    if found is not None:
        return found
    made = make()
    _write(folder, name, made)
    return _read(folder, name) or made


def digest(path: Path) -> str:
    """SHA-256 of a file with the parts that lie beside it (.mhd and .raw), or of all files in a folder."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
    elif path.suffix.lower() in (".mhd", ".nhdr"):
        files = sorted(file for file in path.parent.iterdir() if file.is_file() and file.stem == path.stem)
    else:
        files = [path]
    return " ".join(_sha256(file) for file in files)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _parts(folder: Path, name: str) -> tuple[Path, Path, Path]:
    return folder / f"{name}.images.npy", folder / f"{name}.mask.npy", folder / f"{name}.json"


def _write(folder: Path, name: str, arrays: Arrays) -> None:
    with staged(folder) as stage:
        *files, said = _parts(stage, name)
        digests = []
        for file, array in zip(files, arrays, strict=True):
            if array is not None:
                np.save(file, array, allow_pickle=False)
                digests.append(_sha256(file))
        said.write_text(json.dumps(digests), encoding="utf-8")


def _read(folder: Path, name: str) -> Arrays | None:
    """The entry, or None where it is missing or not what was written."""
    images, mask, said = _parts(folder, name)
    try:
        digests = json.loads(said.read_text(encoding="utf-8"))
        files = [images, mask][: len(digests)]
        if not files or [_sha256(file) for file in files] != digests:
            return None
        # Copy on write: torch wants arrays that could be written; the file never is.
        arrays = [np.load(file, mmap_mode="c", allow_pickle=False) for file in files]
    except (OSError, ValueError, TypeError):
        return None
    return arrays[0], arrays[1] if len(arrays) > 1 else None
