"""One slice as every method makes it, side by side."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from InvertibleFusionLib.evaluation.measuring import CaseMeasurement
from InvertibleFusionLib.evaluation.montage import INK, PAPER
from InvertibleFusionLib.evaluation.panels import in_colour, upright
from InvertibleFusionLib.inference.synthesis import SYNTHETIC

ACROSS = 5


def draw_slice(measured: CaseMeasurement, path: Path) -> None:
    """Sources, targets and what was made of the shown slice, in [0, 1], cropped to where a source shows something."""
    case, index = measured.case, measured.shown.index
    pictures = in_colour(case.sources, case.sources_of(index))
    targets = in_colour(case.targets, case.targets_of(index))
    pictures |= {f"{name}, the target": image for name, image in targets.items()}
    for method, images in measured.shown.made.items():
        made = in_colour(case.targets or ("",), images)
        pictures |= {f"{method}, {name}" if len(made) > 1 else method: image for name, image in made.items()}
    cropped = upright(replace(case, grid=None), index)
    rows = math.ceil(len(pictures) / ACROSS)
    height, width = cropped(case.images[index, 0]).shape
    size = (2.4 * ACROSS, 0.4 + (2.3 * height / width + 0.3) * rows)
    figure = Figure(figsize=size, facecolor=PAPER, layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, ACROSS)).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, (name, picture) in zip(panels, pictures.items(), strict=False):
        panel.imshow(np.clip(cropped(picture), 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panel.set_title(name, fontsize=7, color=INK, wrap=True)
    title = f"{case.name}, slice {case.labels[index]} of those chosen, rows and columns as they lie in the file"
    if not set(targets) <= set(case.sources):  # else sources are taken back
        title += f"; {SYNTHETIC} but for sources and target"
    figure.suptitle(title, fontsize=9, color=INK)
    figure.savefig(path, dpi=110)
