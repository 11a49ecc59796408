"""Folders of PNG slices: one folder for each contrast, files of the same name show the same slice.

The layout of the Harvard Whole Brain Atlas pairs: CT-MRI/CT/16003.png, CT-MRI/MRI/16003.png. The digits before the last
three name the case, 16; of names that are not all digits, what stands before the last hyphen or underscore does.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError, UnreadableFileError
from InvertibleFusionLib.training.data.patients import PatientSlices
from InvertibleFusionLib.training.data.selection import SliceSelection
from InvertibleFusionLib.volumes.itk import no_warnings

CHANNELS = {"R": 0, "G": 1, "B": 2}
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Of red, green and blue (ITU-R BT.601)."""
SLICE_DIGITS = 3
Item = TypeVar("Item")


def case_of(file: str) -> str:
    """The case that a PNG file belongs to, by its name without the ending; "1" where the name is the slice's alone."""
    if file.isdigit():
        return file[:-SLICE_DIGITS] or "1"
    return re.split(r"[-_](?=[^-_]*$)", file)[0] or file


def slice_order(file: str) -> tuple[int, str]:
    """By what slices are sorted: their files' names without ending, 9 before 10."""
    return len(file), file


def files_of_cases(folder: Path, contrasts: Sequence[str]) -> dict[str, list[Path]]:
    """The PNG files of each case of a folder.

    Args:
        folder: with a folder for each contrast.
        contrasts: which of them to look at.

    Raises:
        ConfigurationError: when the folder, or a contrast's folder in it, is missing or holds no PNG.
    """
    found: dict[str, list[Path]] = {}
    for contrast in contrasts:
        for stem, file in _files(folder, contrast).items():
            found.setdefault(case_of(stem), []).append(file)
    return found


def load_pngs(
    folder: Path,
    contrasts: Sequence[str],
    selection: SliceSelection,
    cases: Sequence[str] = (),
    slab: Sequence[int] = (),
) -> dict[str, PatientSlices]:
    """Read a folder of PNG slices.

    Grey levels become fractions of the largest that the file's type holds: 0–255 is divided by 255, and no other scale
    is applied. Colour gives its luminance, or one channel where NAME-R, -G or -B is asked for.

    Args:
        folder: with a folder for each contrast.
        contrasts: names of the folders, or such a name with -R, -G or -B.
        selection: of slices.
        cases: which ones; none for all.
        slab: first and last slice of each case, counted from 0; none for all.

    Returns:
        Slices by the case's name; slices in the order of their files' names.

    Raises:
        ConfigurationError: with everything that is wrong: slices missing in a contrast, sizes that differ, files that
            cannot be read, cases that are not there, cases in which nothing is seen.
    """
    files = {contrast: _files(folder, contrast) for contrast in contrasts}
    stems = sorted(set().union(*files.values()), key=slice_order)
    wanted = [stem for stem in stems if not cases or case_of(stem) in cases]
    problems = [f"there is no case {case}" for case in cases if case not in {case_of(stem) for stem in wanted}]
    grouped: dict[str, list[tuple[str, NDArray[np.float32]]]] = {}
    for stem in wanted:
        try:
            pair = _pair(stem, files, contrasts)
            grouped.setdefault(case_of(stem), []).append((stem, pair))
        except (ConfigurationError, UnreadableFileError) as error:
            problems.append(str(error))
    patients: dict[str, PatientSlices] = {}
    for case, slices in grouped.items():
        try:
            patients[case] = _patient(f"{folder.name}/{case}", in_slab(slices, slab), contrasts, selection)
        except ConfigurationError as error:
            problems.append(f"case {case}: {error}")
    if problems:
        raise ConfigurationError(f"{folder} cannot be used. " + " ".join(f"{each.rstrip('.')}." for each in problems))
    return patients


def in_slab(slices: Sequence[Item], slab: Sequence[int]) -> list[Item]:
    """Those of a case's slices that lie in a slab, first and last; all where there is none.

    Raises:
        ConfigurationError: when there are none.
    """
    kept = list(slices[slab[0] : slab[1] + 1]) if slab else list(slices)
    if not kept:
        raise ConfigurationError(f"it has {len(slices)} slices, none from {slab[0]} to {slab[1]}")
    return kept


def read_png(path: Path, channel: int | None = None) -> NDArray[np.float32]:
    """One PNG as fractions of its type's largest value, (rows, columns).

    Args:
        path: of the file.
        channel: 0, 1 or 2 for red, green or blue; None for the luminance.

    Raises:
        UnreadableFileError: when it is cut, damaged or no PNG.
        ConfigurationError: when a channel of a grey image is asked for.
    """
    try:
        with no_warnings():
            image = sitk.ReadImage(str(path), imageIO="PNGImageIO")
    except RuntimeError as error:
        raise UnreadableFileError(
            f"{path} cannot be read: it is cut short, damaged, or neither a grey nor a colour PNG. Copy it again."
        ) from error
    array = sitk.GetArrayFromImage(image)
    scaled = np.asarray(array / np.float32(np.iinfo(array.dtype).max), dtype=np.float32)
    if scaled.ndim == 2:
        if channel is not None:
            raise ConfigurationError(f"{path} is grey; it has no red, green and blue.")
        return scaled
    return np.asarray(scaled[..., :3] @ LUMINANCE if channel is None else scaled[..., channel])


def _pair(stem: str, files: dict[str, dict[str, Path]], contrasts: Sequence[str]) -> NDArray[np.float32]:
    """One slice in all contrasts, (contrasts, rows, columns)."""
    missing = [contrast for contrast in contrasts if stem not in files[contrast]]
    if missing:
        raise ConfigurationError(f"{stem}.png is missing in {', '.join(missing)}")
    images = [read_png(files[contrast][stem], _channel(contrast)) for contrast in contrasts]
    if len({image.shape for image in images}) > 1:
        raise ConfigurationError(_different([f"{c}/{stem}.png" for c in contrasts], [image.shape for image in images]))
    return np.stack(images)


def _patient(
    name: str, slices: list[tuple[str, NDArray[np.float32]]], contrasts: Sequence[str], selection: SliceSelection
) -> PatientSlices:
    first_stem, first = slices[0]
    for stem, image in slices:
        if image.shape != first.shape:
            files = [f"{first_stem}.png", f"{stem}.png"]
            raise ConfigurationError(_different(files, [first.shape[1:], image.shape[1:]]))
    images = np.stack([image for _, image in slices])
    return PatientSlices(name, images[selection.chosen(images, None)], None, tuple(contrasts))


def _different(files: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str:
    sizes = (f"{file} is {shape[1]}×{shape[0]}" for file, shape in zip(files, shapes, strict=True))
    return f"sizes differ: {', '.join(sizes)}"


def _channel(contrast: str) -> int | None:
    return CHANNELS.get(contrast[-1]) if len(contrast) > 2 and contrast[-2] == "-" else None


def _files(folder: Path, contrast: str) -> dict[str, Path]:
    """The PNG files of a contrast by their names without ending."""
    inner = folder / contrast
    if not inner.is_dir() and _channel(contrast) is not None:
        inner = folder / contrast[:-2]
    files = {path.stem: path for path in _listed(inner) if path.suffix.lower() == ".png"}
    if not files:
        raise ConfigurationError(f"There is no PNG file in {inner}.")
    return files


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise ConfigurationError(f"The folder {folder} cannot be read: {error.strerror}.") from error
