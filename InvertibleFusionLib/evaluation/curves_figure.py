"""The course of a training run as a picture."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from InvertibleFusionLib.evaluation.montage import PAPER
from InvertibleFusionLib.training.curves import read_curves

SMOOTHED = 10
"""A drawn loss is a running mean over one part in so many of its points, at most 25 of them."""


def draw_curves(curves: Path, name: str, path: Path) -> None:
    """Losses (running means) and validation scores against the optimization step.

    Args:
        curves: a run's curves.csv.
        name: of the model.
        path: the picture.
    """
    rows = read_curves(curves)
    figure = Figure(figsize=(9, 3.8), facecolor=PAPER, layout="constrained")
    panels = figure.subplots(1, 2)
    for panel, prefix, title in zip(panels, ("loss/", "validation/"), ("losses", "validation"), strict=True):
        for curve in dict.fromkeys(row[1] for row in rows if row[1].startswith(prefix)):
            if curve in ("loss/total", "loss/latent", "validation/score"):
                continue
            points = np.array([(step, value) for step, other, value in rows if other == curve])
            width = min(max(len(points) // SMOOTHED, 1), 25) if prefix == "loss/" else 1
            kept = np.convolve(points[:, 1], np.ones(width) / width, "valid")
            panel.plot(
                points[width - 1 :, 0],
                kept,
                linewidth=1,
                marker="." if len(kept) < 20 else None,
                label=curve.removeprefix(prefix),
            )
        panel.set(title=title, xlabel="step")
        panel.grid(linewidth=0.3)
        if panel.lines:
            panel.legend(frameon=False, fontsize=8)
    panels[0].set_yscale("log")
    figure.suptitle(name, fontsize=10)
    figure.savefig(path, dpi=110)
