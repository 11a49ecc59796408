"""One slice as every method makes it, side by side."""

import math
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from InvertibleFusionLib.evaluation.measuring import CaseMeasurement
from InvertibleFusionLib.evaluation.methods import Images
from InvertibleFusionLib.evaluation.montage import INK, PAPER

ACROSS = 5


def draw_slice(measured: CaseMeasurement, path: Path) -> None:
    """Sources, targets and what was made of the shown slice, in [0, 1]; three targets are shown as one colour image."""
    case, shown = measured.case, measured.shown
    pictures = dict(zip(case.sources, case.sources_of(shown.index), strict=True))
    if case.targets:
        pictures |= _named("target", case.targets_of(shown.index))
    for name, images in shown.made.items():
        pictures |= _named(name, images)
    rows = math.ceil(len(pictures) / ACROSS)
    figure = Figure(figsize=(2.4 * ACROSS, 2.7 * rows), facecolor=PAPER, layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, ACROSS)).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, (name, picture) in zip(panels, pictures.items(), strict=False):
        panel.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panel.set_title(name, fontsize=7, color=INK, wrap=True)
    title = f"{case.name}, slice {case.labels[shown.index]} of those chosen, rows and columns as they lie in the file"
    figure.suptitle(title, fontsize=9, color=INK)
    figure.savefig(path, dpi=110)


def _named(name: str, images: Images) -> dict[str, Images]:
    if len(images) == 3:
        return {name: np.moveaxis(images, 0, -1)}
    if len(images) == 1:
        return {name: images[0]}
    return {f"{name}, {number}": image for number, image in enumerate(images, 1)}
