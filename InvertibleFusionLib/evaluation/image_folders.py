"""A folder of images that someone else's method made, as a method: matched by name, checked before anything starts.

For PNG cases the files are called as the slices, DIR/16003.png; for volumes DIR/CASE.nii.gz (or another type) on the
grid of the case, or PNG slices called by the slice's number in the volume from 0, DIR/007.png. With several cases PNG
slices lie in DIR/CASE/, where names alone would not tell them apart. CASE is the last part of the case's name.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError, InvertibleFusionError
from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.methods import Images, Method, Slice
from InvertibleFusionLib.training.data.png_pairs import read_png
from InvertibleFusionLib.volumes.grid import Grid, require_same_grid
from InvertibleFusionLib.volumes.reading import ENDINGS
from InvertibleFusionLib.volumes.suitability import require_image
from InvertibleFusionLib.volumes.volume import Volume

NAMED = 10
"""Problems that are named one by one."""
TOLERANCE = 1e-3
"""By which values may lie outside [0, 1]: rounding."""


def image_folder(name: str, folder: Path, cases: Sequence[EvaluationCase]) -> Method:
    """The images of a folder as a method that was run elsewhere.

    Args:
        name: of the method, in tables.
        folder: with one grey image for each slice of each case; see the module's docstring. PNG values are divided by
            the largest of their type, those of volumes lie in [0, 1]. Of colour, the luminance is taken.
        cases: that will be measured, with one target at most.

    Raises:
        ConfigurationError: naming images that are missing, have another size or cannot be read.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"There is no folder {folder} with the images of {name}. Check its name.")
    images: dict[tuple[str, int], Images] = {}
    problems: list[str] = []
    for case in cases:
        if len(case.targets) > 1:
            raise ConfigurationError(
                f"{name}: a folder holds one image a slice, but {case.name} has the targets {', '.join(case.targets)}."
            )
        try:
            found, wrong = _images_of(folder, case, alone=len(cases) == 1)
        except InvertibleFusionError as error:
            found, wrong = {}, [f"{case.name}: {error}"]
        images |= {(case.name, number): image[None] for number, image in found.items()}
        problems += wrong
    if problems:
        more = f"\n- and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        lines = "".join(f"\n- {problem}" for problem in problems[:NAMED])
        raise ConfigurationError(
            f"The images of {name} in {folder} cannot be compared, {len(problems)} mistakes:{lines}{more}"
        )

    def make(given: Slice) -> Images:
        return images[given.case, given.number]

    return Method(name, make, description="images from a folder, made elsewhere")


def last_part(case: EvaluationCase) -> str:
    """What the files of a case are called: the last part of its name."""
    return case.name.replace("\\", "/").rstrip("/").split("/")[-1]


def _images_of(folder: Path, case: EvaluationCase, alone: bool) -> tuple[dict[int, NDArray[np.float32]], list[str]]:
    """Images by the slice's number, and what is wrong."""
    volume = next((folder / f"{last_part(case)}{end}" for end in ENDINGS if _there(folder, case, end)), None)
    if volume is not None and case.grid is not None:
        return _from_volume(volume, case, case.grid), []
    inner = folder / last_part(case)
    if not inner.is_dir() and case.grid is not None and not alone:
        wanted = f"{last_part(case)}.nii.gz or a folder {last_part(case)}"
        return {}, [f"{case.name}: there is no {wanted}; slices' numbers alone do not tell several cases apart"]
    return _from_pngs(inner if inner.is_dir() else folder, case)


def _there(folder: Path, case: EvaluationCase, ending: str) -> bool:
    return (folder / f"{last_part(case)}{ending}").is_file()


def _from_volume(path: Path, case: EvaluationCase, grid: Grid) -> dict[int, NDArray[np.float32]]:
    volume = Volume.read(path)
    require_image(volume)
    require_same_grid(grid, volume.grid, case.name, path.name)
    slices = np.moveaxis(volume.array, case.axis, 0)
    low, high = float(slices.min()), float(slices.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise ConfigurationError(
            f"the values of {path.name} lie from {low:.4g} to {high:.4g}; images to compare lie in [0, 1], on the "
            "scale of the sources. Scale them first."
        )
    return {number: np.asarray(slices[number], dtype=np.float32) for number in case.numbers}


def _from_pngs(folder: Path, case: EvaluationCase) -> tuple[dict[int, NDArray[np.float32]], list[str]]:
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".png"}
    by_number = {int(found[1]): path for stem, path in files.items() if (found := re.search(r"(\d+)$", stem))}
    images, problems = {}, []
    for number, label in zip(case.numbers, case.labels, strict=True):
        path = files.get(label) or (by_number.get(number) if case.grid is not None else None)
        if path is None:
            problems.append(f"{case.name}: there is no image of slice {label} in {folder}")
            continue
        try:
            image = read_png(path)
        except InvertibleFusionError as error:
            problems.append(str(error))
            continue
        rows, columns = case.images.shape[2:]
        if image.shape != (rows, columns):
            size = f"{image.shape[1]}×{image.shape[0]}"
            problems.append(f"{path} is {size}, the slice {label} of {case.name} is {columns}×{rows}")
        images[number] = image
    return images, problems
