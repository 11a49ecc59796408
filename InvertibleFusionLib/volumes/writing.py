"""Writing volumes: beside the destination first, then moved into place, so that nothing is ever half-written."""

import json
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import SimpleITK as sitk

from InvertibleFusionLib.errors import OutputError, UnreadableFileError
from InvertibleFusionLib.volumes.completeness import check_metaimage, check_nrrd
from InvertibleFusionLib.volumes.itk import image_from_volume
from InvertibleFusionLib.volumes.nifti import check_nifti
from InvertibleFusionLib.volumes.reading import ENDINGS, RECORD_KEY, UNITS_KEY, known_ending, record_path, stem
from InvertibleFusionLib.volumes.volume import Volume

WRITABLE = (".nrrd", ".nii.gz", ".nii", ".mha")


def write_volume(volume: Volume, path: Path) -> None:
    """Write a volume; an existing file is replaced only by a complete one.

    NRRD holds the record and the units in its header. NIfTI and MetaImage get the record as ``NAME.record.json``
    beside them. NIfTI stores the geometry in float32.

    Raises:
        OutputError: an unknown ending, no permission, no space.
    """
    with staged(path.parent) as stage:
        write_into_stage(volume, stage / path.name)
    if volume.record is None and known_ending(path) != ".nrrd":
        _remove_stale_record(path)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait, so that files which belong together are moved together or not at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    handlers = {sent: signal.getsignal(sent) for sent in (signal.SIGINT, signal.SIGTERM)}
    ours = {sent: handler for sent, handler in handlers.items() if handler is not None}  # None: not set from Python
    for sent in ours:
        signal.signal(sent, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        for sent, handler in ours.items():
            signal.signal(sent, handler)
    for number in waiting[:1]:
        signal.raise_signal(number)


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder inside ``folder`` whose files are moved into ``folder`` when the block ends well.

    When the block fails or is cancelled nothing is left behind and earlier files stay as they were; folders made on
    the way are removed again.

    Raises:
        OutputError: when ``folder`` cannot be made or written.
    """
    made = _make_folder(folder)
    try:
        stage = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    except OSError as error:
        _remove_empty(made)
        raise OutputError(f"Cannot write into {folder}: {error.strerror}. Choose another folder.") from error
    try:
        yield stage
        files = sorted(stage.iterdir())
        for file in files:
            if (folder / file.name).is_dir():
                raise OutputError(f"{folder / file.name} is a folder; no file can take its place. Choose another name.")
        with _uninterrupted():
            for file in files:
                file.replace(folder / file.name)
    except OSError as error:
        raise OutputError(f"Cannot write into {folder}: {error.strerror or error}. Choose another folder.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        _remove_empty(made)


def write_into_stage(volume: Volume, path: Path) -> None:
    """Write a volume straight to ``path``, which nobody else reads yet, and check that it arrived whole."""
    ending = known_ending(path)
    if ending not in WRITABLE:
        raise OutputError(f"{path.name} is not a type of file that is written here: use {', '.join(WRITABLE)}.")
    image = image_from_volume(volume)
    record = None if volume.record is None else json.dumps(volume.record, ensure_ascii=True, separators=(",", ":"))
    if ending == ".nrrd":
        image.SetMetaData("NRRD_content", volume.name)
        if volume.units:
            image.SetMetaData(UNITS_KEY, volume.units)
        if record is not None:
            image.SetMetaData(RECORD_KEY, record)
    try:
        sitk.WriteImage(image, str(path), useCompression=ending == ".nii.gz")
        if record is not None and ending != ".nrrd":
            record_path(path).write_text(record, encoding="utf-8")
        _check_whole(path, ending)
    except (RuntimeError, OSError, UnreadableFileError) as error:
        free = shutil.disk_usage(path.parent).free
        raise OutputError(
            f"{path.name} could not be written ({volume.array.nbytes / 1e6:.1f} MB of voxels, {free / 1e6:.0f} MB "
            "free): the disk is full or failing. Free some space or choose another folder."
        ) from error


def write_in_turn(volumes: dict[str, Volume], stage: Path) -> None:
    """Write volumes as NRRD files of their names, each taken out of ``volumes`` as soon as it is written.

    SimpleITK writes a copy, for which there may be no memory beside all results of a large volume.
    """
    for name in list(volumes):
        write_into_stage(volumes.pop(name), stage / f"{name}.nrrd")


def _check_whole(path: Path, ending: str) -> None:
    if ending in (".nii", ".nii.gz"):
        check_nifti(path)
    elif ending == ".mha":
        check_metaimage(path)
    else:
        check_nrrd(path)


def _remove_stale_record(path: Path) -> None:
    """Remove the record of an earlier file at ``path``, unless a file of another type shares its name and record."""
    others = [path.with_name(stem(path) + ending) for ending in ENDINGS if ending not in (known_ending(path), ".nrrd")]
    try:
        if not any(other.exists() for other in others):
            record_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{record_path(path)}, which tells how an earlier {path.name} was made, cannot be removed: "
            f"{error.strerror}. Remove it."
        ) from error


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder with its parents; the folders that were made, innermost first."""
    made: list[Path] = []
    try:
        for part in reversed([part for part in (folder, *folder.parents) if not part.exists()]):
            part.mkdir(exist_ok=True)
            made.insert(0, part)
    except OSError as error:
        _remove_empty(made)
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror}. Choose another folder.") from error
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file, not a folder. Choose another folder.")
    return made


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):  # not empty, or gone
        for folder in folders:
            folder.rmdir()
