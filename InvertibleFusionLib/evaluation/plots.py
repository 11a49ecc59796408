"""Plots for a page: box plots over slices, and whether spreads are calibrated; in colours that every eye can tell."""

import io
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from InvertibleFusionLib.evaluation.measuring import CaseMeasurement
from InvertibleFusionLib.evaluation.montage import INK, PAPER
from InvertibleFusionLib.evaluation.panels import data_uri
from InvertibleFusionLib.evaluation.slice_measures import Measure
from InvertibleFusionLib.metrics.calibration import Calibration

METHOD_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Of Okabe and Ito (2008); trivial rules are grey."""
RULE_COLOUR = "#bdbdbd"
MARKERS = "osD^vP"
ACROSS = 4
TITLE = 40
"""Letters above a panel, side by side."""
DOTS_PER_INCH = 110


def box_plots(measurements: Sequence[CaseMeasurement]) -> str:
    """One panel for each measure that has a better and that trivial rules have, too; boxes are the quartiles.

    Whiskers reach the farthest slice within 1.5 interquartile ranges; every slice is a dot.
    """
    methods = measurements[0].methods
    measures = _compared(measurements)
    columns = min(ACROSS, len(measures))
    rows = -(-len(measures) // columns)
    size = (11, 0.5 + rows * (0.75 + 0.24 * len(methods)))
    # Padded, in inches: the last number of an axis and the first of the next one are apart.
    figure = Figure(figsize=size, facecolor=PAPER, layout=ConstrainedLayoutEngine(w_pad=0.1))
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for number, (panel, measure) in enumerate(zip(panels, measures, strict=False)):
        values = [_values(measurements, method.name, measure) for method in methods]
        _draw_boxes(panel, values, [_colour(measurements, number) for number in range(len(methods))])
        title = f"{measure.name} ({'→' if measure.better == 'higher' else '←'}\N{NO-BREAK SPACE}better)"
        panel.set_title(textwrap.fill(title, TITLE), fontsize=8, color=INK)
        names = [method.name for method in methods] if number % columns == 0 else [""] * len(methods)
        panel.set_yticks(range(1, len(methods) + 1), names, fontsize=8)
    for panel in panels[len(measures) :]:
        panel.set_axis_off()
    return _uri(figure)


def calibration_plot(measured: CaseMeasurement) -> str:
    """Root mean square error against predicted spread, one panel for each source; the diagonal is the truth."""
    contrasts = list(measured.case.sources)
    figure = Figure(figsize=(3.6 * len(contrasts), 3.4), facecolor=PAPER, layout="constrained")
    for panel, contrast in zip(figure.subplots(1, len(contrasts), squeeze=False)[0], contrasts, strict=True):
        found = {name: each[contrast] for name, each in measured.calibrations.items() if contrast in each}
        _draw_calibration(panel, found)
        panel.set_title(contrast, fontsize=9, color=INK)
    return _uri(figure)


def _compared(measurements: Sequence[CaseMeasurement]) -> list[Measure]:
    rules = {method.name for method in measurements[0].methods if method.trivial}
    every = dict.fromkeys(
        measure for one in measurements for row in one.rows if row.method in rules for measure in row.values
    )
    there = [measure for measure in every if measure.better]
    return [measure for group in ("image", "lesion") for measure in there if measure.group == group]


def _values(measurements: Sequence[CaseMeasurement], method: str, measure: Measure) -> list[float]:
    return [
        row.values[measure]
        for one in measurements
        for row in one.rows
        if row.method == method and measure in row.values
    ]


def _colour(measurements: Sequence[CaseMeasurement], number: int) -> str:
    methods = measurements[0].methods
    if methods[number].trivial:
        return RULE_COLOUR
    rank = sum(not method.trivial for method in methods[:number])
    return METHOD_COLOURS[rank % len(METHOD_COLOURS)]


def _draw_boxes(panel: Axes, values: Sequence[Sequence[float]], colours: Sequence[str]) -> None:
    boxes = panel.boxplot(
        [list(each) for each in values],
        orientation="horizontal",
        widths=0.6,
        patch_artist=True,
        showfliers=False,
        medianprops={"color": INK, "linewidth": 1.5},
    )
    for box, colour in zip(boxes["boxes"], colours, strict=True):
        box.set(facecolor=colour, alpha=0.6, linewidth=0.8)
    generator = np.random.default_rng(0)  # how dots are scattered, not what they say
    for number, each in enumerate(values, 1):
        heights = number + generator.uniform(-0.22, 0.22, len(each))
        panel.plot(each, heights, ".", color=INK, markersize=2, alpha=0.45)
    panel.invert_yaxis()
    panel.tick_params(axis="x", labelsize=7)
    panel.locator_params(axis="x", nbins=4)
    panel.grid(axis="x", linewidth=0.3)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _draw_calibration(panel: Axes, found: dict[str, Calibration]) -> None:
    highest = 1e-6
    for number, (name, each) in enumerate(found.items()):
        spread, error = [part.spread for part in each.bins], [part.error for part in each.bins]
        marker, colour = MARKERS[number % len(MARKERS)], METHOD_COLOURS[number % len(METHOD_COLOURS)]
        panel.plot(spread, error, f"{marker}-", color=colour, markersize=3.5, linewidth=1, label=name)
        highest = max(highest, *spread, *error)
    panel.plot([0, highest], [0, highest], color=INK, linewidth=0.8, linestyle="--", label="calibrated")
    panel.set_xlabel("predicted spread", fontsize=8)
    panel.set_ylabel("error (root mean square)", fontsize=8)
    panel.tick_params(labelsize=7)
    panel.locator_params(nbins=5)
    panel.legend(frameon=False, fontsize=7)


def _uri(figure: Figure) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, dpi=DOTS_PER_INCH, format="png")
    return data_uri(stream.getvalue(), "png")
