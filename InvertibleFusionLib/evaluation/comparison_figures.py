"""The pictures of one case: sources, what every method made of them, differences, the way back, and the lesion."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.measuring import CaseMeasurement
from InvertibleFusionLib.evaluation.methods import Images
from InvertibleFusionLib.evaluation.panels import (
    Upright,
    close_up,
    colour_bar,
    coloured,
    grey,
    grey_with_outline,
    upright,
    white_of,
)

ACROSS = 6
"""Methods side by side."""


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        uri: the picture itself.
        words: what it shows, for those who cannot see it.
    """

    uri: str
    words: str


@dataclass(frozen=True)
class PanelGrid:
    """Pictures in rows and columns.

    Attributes:
        title: above it.
        columns: their heads.
        rows: label and pictures of each; None where there is nothing to show.
        width_by_height: of every picture.
        bar: the colour scale; empty where nothing is coloured.
        highest: what its right end stands for.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Panel | None]]]
    width_by_height: float
    bar: str = ""
    highest: float = 0.0


def figures_of(measured: CaseMeasurement) -> list[PanelGrid]:
    """Everything to look at of the shown slice."""
    case, index = measured.case, measured.shown.index
    turn = upright(case, index)
    grids = [_source_grid(case, index, turn)]
    names = [method.name for method in measured.methods]
    for first in range(0, len(names), ACROSS):
        grids.append(_made_grid(measured, names[first : first + ACROSS], turn))
    highest = _highest_of_way_back(measured)
    grids += [_back_grid(measured, name, turn, highest) for name in measured.shown.taken]
    lesion = case.lesion_of(index)
    if lesion is not None:
        around = close_up(turn, lesion)
        parts = [names[first : first + ACROSS] for first in range(0, len(names), ACROSS)]
        grids += [_lesion_grid(measured, part, around) for part in parts]
        grids += [_lesion_back_grid(measured, around)] if measured.shown.taken else []
    return grids


def _source_grid(case: EvaluationCase, index: int, turn: Upright) -> PanelGrid:
    images, names = case.images[index], [*case.sources, *case.targets]
    panels: list[Panel | None] = [
        Panel(grey(turn(image), white_of(image[None])), name) for name, image in zip(names, images, strict=True)
    ]
    lesion = case.lesion_of(index)
    if lesion is not None:
        outlined = grey_with_outline(turn(images[0]), white_of(images[:1]), turn(lesion))
        panels.append(Panel(outlined, f"{names[0]} with the outline of the lesion"))
        names = [*names, f"lesion on {names[0]}"]
    roles = "Sources and target" if case.targets else "Sources"
    return PanelGrid(roles, names, [("", panels)], _shape(turn, images[0]))


def _made_grid(measured: CaseMeasurement, names: Sequence[str], turn: Upright) -> PanelGrid:
    """What methods made, and how far it is from the targets, or from each source; differences on one scale."""
    case, made = measured.case, measured.shown.made
    compared, of = _compared(case, measured.shown.index)
    white = max(white_of(made[method.name]) for method in measured.methods)
    differences = {
        name: np.abs(np.broadcast_to(made[name], compared.shape) - compared)
        for name in (method.name for method in measured.methods)
    }
    highest = max(float(np.percentile(each, 99.5)) for each in differences.values()) or 1.0
    rows: list[tuple[str, list[Panel | None]]] = []
    for number in range(len(next(iter(made.values())))):
        word = f"synthetic {case.targets[number]}" if case.targets else "fused"
        rows.append((word, [Panel(grey(turn(made[name][number]), white), f"{word} by {name}") for name in names]))
    for number, contrast in enumerate(of):
        word = f"difference to {contrast}"
        rows.append(
            (word, [Panel(coloured(turn(differences[name][number]), highest), f"{name}: {word}") for name in names])
        )
    title = "Synthesized" if case.targets else "Fused"
    return PanelGrid(title, list(names), rows, _shape(turn, compared[0]), colour_bar(), highest)


def _highest_of_way_back(measured: CaseMeasurement) -> float:
    """Of errors and spreads, for one scale that all methods share."""
    sources = measured.case.sources_of(measured.shown.index)
    taken = measured.shown.taken.values()
    shown = [np.abs(each.sources - sources) for each in taken] + [e.spread for e in taken if e.spread is not None]
    return max((float(np.percentile(each, 99.5)) for each in shown), default=0.0) or 1.0


def _back_grid(measured: CaseMeasurement, name: str, turn: Upright, highest: float) -> PanelGrid:
    """The sources from the image alone, their error and what the method itself calls uncertain."""
    case, taken = measured.case, measured.shown.taken[name]
    sources = case.sources_of(measured.shown.index)
    errors = np.abs(taken.sources - sources)
    rows: list[tuple[str, list[Panel | None]]] = []
    for number, contrast in enumerate(case.sources):
        white = white_of(sources[number][None])
        panels: list[Panel | None] = [
            Panel(grey(turn(sources[number]), white), contrast),
            Panel(grey(turn(taken.sources[number]), white), f"{contrast} from the image alone"),
            Panel(coloured(turn(errors[number]), highest), f"error of {contrast}"),
        ]
        if taken.spread is not None:
            panels.append(Panel(coloured(turn(taken.spread[number]), highest), f"spread of {contrast}"))
        rows.append((contrast, panels))
    columns = ["source", "from the image alone", "error", "spread over samples"][: 3 if taken.spread is None else 4]
    title = f"Decomposed from the image alone: {name}"
    return PanelGrid(title, columns, rows, _shape(turn, sources[0]), colour_bar(), highest)


def _lesion_grid(measured: CaseMeasurement, names: Sequence[str], turn: Upright) -> PanelGrid:
    case, shown = measured.case, measured.shown
    images, contrasts = case.images[shown.index], [*case.sources, *case.targets]
    whites = [white_of(image[None]) for image in images]
    white = max(white_of(each) for each in shown.made.values())
    columns: list[str] = [*contrasts, *names]
    whole: list[Panel | None] = [
        Panel(grey(turn(image), each), f"{name}, the lesion")
        for image, each, name in zip(images, whites, contrasts, strict=True)
    ]
    whole += [Panel(grey(turn(shown.made[name][0]), white), f"{name}, the lesion") for name in names]
    return PanelGrid("The lesion, enlarged", columns, [("", whole)], _shape(turn, images[0]))


def _lesion_back_grid(measured: CaseMeasurement, turn: Upright) -> PanelGrid:
    case, taken = measured.case, measured.shown.taken
    sources = case.sources_of(measured.shown.index)
    rows: list[tuple[str, list[Panel | None]]] = []
    for number, contrast in enumerate(case.sources):
        white = white_of(sources[number][None])
        panels: list[Panel | None] = [Panel(grey(turn(sources[number]), white), f"{contrast}, the lesion")]
        panels += [
            Panel(grey(turn(each.sources[number]), white), f"{contrast} decomposed by {name}, the lesion")
            for name, each in taken.items()
        ]
        rows.append((contrast, panels))
    title = "The lesion, enlarged, decomposed from the image alone"
    return PanelGrid(title, ["source", *taken], rows, _shape(turn, sources[0]))


def _compared(case: EvaluationCase, index: int) -> tuple[Images, tuple[str, ...]]:
    if case.targets:
        return case.targets_of(index), case.targets
    return case.sources_of(index), case.sources


def _shape(turn: Upright, image: Images) -> float:
    rows, columns = turn(image).shape
    return float(columns / (rows * turn.aspect))
