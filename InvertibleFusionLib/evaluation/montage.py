"""A picture of what fusing and decomposing did: sources, fused, decomposed both ways, error and spread on one scale."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from InvertibleFusionLib.evaluation.pages import as_printed
from InvertibleFusionLib.inference.record import NOTICE
from InvertibleFusionLib.volumes.itk import image_from_volume
from InvertibleFusionLib.volumes.volume import Volume

PAPER, INK, MARK = "white", "#222222", "#ffd34d"
MARGIN = 6
GREY, COLOURS = "gray", "magma"


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

    @property
    def largest_exact_error(self) -> float:
        """Of the way back with the latent, in the source's units."""
        return float(np.abs(self.exact.array.astype(np.float64) - self.source.array).max())


@dataclass(frozen=True)
class Panel:
    """One image of the picture.

    Attributes:
        caption: above it.
        image: (rows, columns).
        white: the value drawn brightest; 0 is drawn darkest.
        colours: name of the colour map.
    """

    caption: str
    image: NDArray[Any]
    white: float
    colours: str


def write_montage(
    rows: list[MontageRow], fused: Volume, place: tuple[float, float, float], title: str, path: Path
) -> None:
    """Write a PNG: the fused image once, and a row of panels for each source, on the axial slice through a place.

    Args:
        rows: the sources.
        fused: the fused image.
        place: in mm, LPS; the axial slice nearest to it is shown.
        title: above everything.
        path: of the PNG.
    """
    figure = Figure(figsize=(16, 3.2 * len(rows) + 0.8), facecolor=PAPER, layout="constrained")
    figure.suptitle(title, color=INK, fontsize=12)
    axes = figure.subplot_mosaic([["fused", *(f"{r}-{c}" for c in range(5))] for r in range(len(rows))])
    aspect = _aspect(fused)
    _draw(axes["fused"], fused_panel(rows, fused, place), aspect)
    for r, row in enumerate(rows):
        for c, panel in enumerate(source_panels(row, rows, place)):
            _draw(axes[f"{r}-{c}"], panel, aspect)
        scale = axes[f"{r}-4"].get_images()[0]
        figure.colorbar(
            scale, ax=axes[f"{r}-4"], fraction=0.05, label=as_printed(row.source.units) or "units of the source"
        )
    figure.supxlabel(NOTICE, color=INK, fontsize=9)
    figure.savefig(path, dpi=110, format="png")


def fused_panel(rows: list[MontageRow], fused: Volume, place: tuple[float, float, float]) -> Panel:
    """The fused image, 0 black and 1 white."""
    return Panel("fused", axial_slice(fused, place)[_head(rows, place)], 1.0, GREY)


def source_panels(row: MontageRow, rows: list[MontageRow], place: tuple[float, float, float]) -> list[Panel]:
    """Source, exact, from the image alone, error, spread.

    Grey levels are those of the source, up to its 99.8th percentile on the slice. Error and spread share one colour
    scale, in the source's units.
    """
    box = _head(rows, place)
    volumes = (row.source, row.exact, row.mean, row.error, row.spread)
    source, exact, mean, error, spread = (axial_slice(volume, place)[box] for volume in volumes)
    white = float(np.percentile(source, 99.8)) or 1.0
    highest = float(np.percentile(np.concatenate((error, spread)), 99.8)) or 1.0
    units = f" {as_printed(row.source.units)}" if row.source.units else ""
    return [
        Panel(row.source.name, source, white, GREY),
        Panel(f"exact: largest error {row.largest_exact_error:.1g}{units}", exact, white, GREY),
        Panel("from the fused image alone", mean, white, GREY),
        Panel("error of that", error, highest, COLOURS),
        Panel("its spread over samples", spread, highest, COLOURS),
    ]


def axial_slice(volume: Volume, place: tuple[float, float, float]) -> NDArray[Any]:
    """The slice of a volume nearest to axial through a place, seen from the feet: right is left, anterior is up."""
    image = sitk.DICOMOrient(image_from_volume(volume), "LPS")
    index = image.TransformPhysicalPointToContinuousIndex(place)[2]
    nearest = int(np.clip(round(index), 0, image.GetSize()[2] - 1))
    return np.asarray(sitk.GetArrayFromImage(image)[nearest])


def _aspect(volume: Volume) -> float:
    """How tall a pixel of an axial slice is, as a multiple of its width."""
    spacing = sitk.DICOMOrient(image_from_volume(volume), "LPS").GetSpacing()
    return float(spacing[1] / spacing[0])


def _head(rows: list[MontageRow], place: tuple[float, float, float]) -> tuple[slice, slice]:
    """Rows and columns in which any source shows something, with a margin: the air around is not worth the paper."""
    slices = [axial_slice(row.source, place) for row in rows]
    found = np.any([image > 0.05 * np.percentile(image, 99.8) for image in slices], axis=0)
    box = []
    for axis in (0, 1):
        inside = np.flatnonzero(found.any(axis=1 - axis))
        first, last = (inside[0], inside[-1]) if len(inside) else (0, found.shape[axis] - 1)
        box.append(slice(max(int(first) - MARGIN, 0), int(last) + MARGIN + 1))
    return box[0], box[1]


def _draw(axes: Axes, panel: Panel, aspect: float) -> None:
    axes.imshow(panel.image, cmap=panel.colours, vmin=0, vmax=panel.white, interpolation="antialiased", aspect=aspect)
    axes.set_title(panel.caption, color=INK, fontsize=10)
    axes.set_axis_off()
    axes.text(0.02, 0.5, "R", color=MARK, fontsize=8, transform=axes.transAxes, va="center")
