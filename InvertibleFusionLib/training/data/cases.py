"""One case: its files read, brought onto one grid, cut into axial slices, scaled and selected."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError, GridMismatchError, UnsuitableVolumeError
from InvertibleFusionLib.training.data.normalization import Normalization
from InvertibleFusionLib.training.data.selection import SliceSelection
from InvertibleFusionLib.volumes.grid import Grid, same_grid
from InvertibleFusionLib.volumes.reading import ENDINGS, known_ending
from InvertibleFusionLib.volumes.resampling import coverage, resample, resample_labels
from InvertibleFusionLib.volumes.slices import SliceStack, slice_axis
from InvertibleFusionLib.volumes.suitability import require_finite, require_image
from InvertibleFusionLib.volumes.volume import Volume

Arrays = tuple[NDArray[np.float32], NDArray[np.bool_] | None]
"""Images (slices, contrasts, rows, columns), and the lesion mask (slices, rows, columns) where there is one."""


@dataclass(frozen=True)
class Case:
    """The files of one patient, or of one study of a patient.

    Attributes:
        patient: who it is; cases with the same name are of one person.
        files: for each contrast.
        mask: of the lesion; None where there is none.
        split: such as "training", "validation" and "test"; empty where it is not decided.
    """

    patient: str
    files: dict[str, Path] = field(default_factory=dict)
    mask: Path | None = None
    split: str = ""


def case_of_folder(folder: Path, patient: str, contrasts: Sequence[str], mask: str = "") -> Case:
    """The case whose files lie in ``folder`` as CONTRAST.nii.gz or in another type.

    Raises:
        ConfigurationError: naming the files that are missing.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {folder}. Check its name and the data folder.")
    files = {contrast: _file(folder, contrast) for contrast in dict.fromkeys([*contrasts, *([mask] if mask else [])])}
    missing = [name for name, file in files.items() if file is None]
    if missing:
        raise ConfigurationError(f"there is no {', no '.join(missing)} in {folder}.")
    found = {name: file for name, file in files.items() if file is not None}
    return Case(patient, {contrast: found[contrast] for contrast in contrasts}, found[mask] if mask else None)


def require_contrasts(case: Case, contrasts: Sequence[str]) -> None:
    """Refuse a case that lacks a contrast.

    Raises:
        ConfigurationError: naming what is missing and what is there.
    """
    missing = [contrast for contrast in contrasts if contrast not in case.files]
    if missing:
        raise ConfigurationError(f"it has no {', no '.join(missing)}, only {', '.join(case.files)}.")


def load_case(
    case: Case, contrasts: Sequence[str], normalize: Normalization, selection: SliceSelection, grid_of: int = 0
) -> Arrays:
    """Read a case.

    Args:
        case: whose files to read.
        contrasts: which of its files, one or more; an empty name for one that is missing.
        normalize: applied to each contrast's whole volume.
        selection: of slices.
        grid_of: position among the contrasts of the one whose grid the others are resampled onto.

    Returns:
        The selected axial slices; NaN in place of a contrast that is missing.

    Raises:
        InvertibleFusionError: for a case that cannot be used, with the reason.
    """
    require_contrasts(case, [contrast for contrast in contrasts if contrast])
    volumes = {place: Volume.read(case.files[contrast]) for place, contrast in enumerate(contrasts) if contrast}
    for volume in volumes.values():
        require_image(volume)
    grid = volumes[grid_of].grid
    stack = SliceStack(grid, slice_axis(grid, "axial"), 1)
    images = np.full((stack.count, len(contrasts), *stack.shape), np.nan, np.float32)
    for place, volume in volumes.items():
        volume = volume if same_grid(grid, volume.grid) else resample(volume, grid)
        images[:, place] = normalize(stack.slices(volume.array))
    labels = None if case.mask is None else stack.slices(_labels(case.mask, grid))
    chosen = selection.chosen(images, labels)
    return images[chosen], None if labels is None else np.ascontiguousarray(labels[chosen] != 0)


def _labels(path: Path, grid: Grid) -> NDArray[Any]:
    """A mask's whole numbers on a grid, by nearest neighbour."""
    mask = Volume.read(path)
    if mask.components != 1:
        raise UnsuitableVolumeError(f"the mask {path} has {mask.components} values per voxel; it needs one.")
    require_finite(mask)
    if coverage(mask.grid, grid) == 0:
        raise GridMismatchError(f"the mask {path} does not overlap the images. Check that both are of one patient.")
    mask = mask.with_array(np.rint(mask.array)) if mask.array.dtype.kind == "f" else mask
    return (mask if same_grid(grid, mask.grid) else resample_labels(mask, grid)).array


def _file(folder: Path, name: str) -> Path | None:
    names = [name] if known_ending(Path(name)) else [f"{name}{ending}" for ending in ENDINGS]
    return next((folder / each for each in names if (folder / each).exists()), None)
