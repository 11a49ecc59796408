"""A picture of what fusing and decomposing did: sources, fused, decomposed both ways, error and spread on one scale."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from InvertibleFusionLib.inference.record import NOTICE
from InvertibleFusionLib.volumes.itk import image_from_volume
from InvertibleFusionLib.volumes.volume import Volume

PAPER, INK = "white", "#222222"
MARGIN = 6


@dataclass(frozen=True)
class MontageRow:
    """One source in the picture; all volumes on the fused image's grid.

    Attributes:
        source: as it was fused.
        exact: as it came back with the latent.
        mean: as the fused image alone tells it.
        spread: standard deviation of that.
    """

    source: Volume
    exact: Volume
    mean: Volume
    spread: Volume

    @property
    def error(self) -> Volume:
        """How far the mean is from the source, in the source's units."""
        difference = self.mean.array.astype(np.float32) - self.source.array.astype(np.float32)
        return self.source.with_array(np.abs(difference), name=f"{self.source.name} error")


def write_montage(
    rows: list[MontageRow], fused: Volume, place: tuple[float, float, float], title: str, path: Path
) -> None:
    """Write a PNG: a row for each source, a column for each view, on the axial slice through a place.

    Grey levels of a row are those of its source (to its 99.8th percentile on the slice). Error and spread share one
    colour scale, in the source's units. Patients' right is on the left, as radiologists are used to.

    Args:
        rows: the sources.
        fused: the fused image.
        place: in mm, LPS; the axial slice nearest to it is shown.
        title: above everything.
        path: of the PNG.
    """
    figure = Figure(figsize=(15.5, 3.35 * len(rows) + 0.9), facecolor=PAPER, layout="constrained")
    figure.suptitle(title, color=INK, fontsize=12)
    axes = figure.subplots(len(rows), 6, squeeze=False)
    box = _head([axial_slice(row.source, place) for row in rows])
    shown = axial_slice(fused, place)[box]
    for line, row in zip(axes, rows, strict=True):
        volumes = (row.source, row.exact, row.mean, row.error, row.spread)
        source, exact, mean, error, spread = (axial_slice(volume, place)[box] for volume in volumes)
        white = float(np.percentile(source, 99.8))
        difference = float(np.abs(row.exact.array.astype(np.float64) - row.source.array).max())
        _grey(line[0], source, white, row.source.name)
        _grey(line[1], shown, 1.0, "fused")
        _grey(line[2], exact, white, f"exact: largest error {difference:.1g}")
        _grey(line[3], mean, white, "from the fused image alone")
        _colours(figure, line[4:], (error, spread), row.source.units)
    figure.supxlabel(NOTICE, color=INK, fontsize=9)
    figure.savefig(path, dpi=100, format="png")


def axial_slice(volume: Volume, place: tuple[float, float, float]) -> NDArray[Any]:
    """The slice of a volume nearest to axial through a place, seen from the feet: right is left, anterior is up."""
    image = sitk.DICOMOrient(image_from_volume(volume), "LPS")
    index = image.TransformPhysicalPointToContinuousIndex(place)[2]
    nearest = int(np.clip(round(index), 0, image.GetSize()[2] - 1))
    return np.asarray(sitk.GetArrayFromImage(image)[nearest])


def _head(slices: list[NDArray[Any]]) -> tuple[slice, slice]:
    """Rows and columns in which any slice shows something, with a margin: the air around is not worth the paper."""
    found = np.any([image > 0.05 * np.percentile(image, 99.8) for image in slices], axis=0)
    box = []
    for axis in (0, 1):
        inside = np.flatnonzero(found.any(axis=1 - axis))
        first, last = (inside[0], inside[-1]) if len(inside) else (0, found.shape[axis] - 1)
        box.append(slice(max(int(first) - MARGIN, 0), int(last) + MARGIN + 1))
    return box[0], box[1]


def _grey(axes: Axes, image: NDArray[Any], white: float, caption: str) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=white or 1, interpolation="nearest")
    _finish(axes, caption)


def _colours(figure: Figure, axes: NDArray[Any], images: tuple[NDArray[Any], NDArray[Any]], units: str) -> None:
    highest = float(np.percentile(np.concatenate(images), 99.8)) or 1.0
    for each, image, caption in zip(axes, images, ("error of that", "its spread over samples"), strict=True):
        drawn = each.imshow(image, cmap="magma", vmin=0, vmax=highest, interpolation="nearest")
        _finish(each, caption)
    figure.colorbar(drawn, ax=axes[1], fraction=0.05, label=units or "units of the source")


def _finish(axes: Axes, caption: str) -> None:
    axes.set_title(caption, color=INK, fontsize=10)
    axes.set_axis_off()
    axes.text(0.02, 0.5, "R", color="#ffd34d", fontsize=8, transform=axes.transAxes, va="center")
