"""The pictures of one case: sources, what every method made of them, differences, the way back, and the lesion."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.measuring import CaseMeasurement
from InvertibleFusionLib.evaluation.panels import (
    Picture,
    Upright,
    close_up,
    colour_bar,
    coloured,
    grey,
    grey_with_outline,
    in_colour,
    upright,
    white_of,
)
from InvertibleFusionLib.inference.synthesis import SYNTHETIC

ACROSS = 6
"""Methods side by side."""
BRIGHTEST = 99.5
"""Percentile of differences, errors and spreads at which the colours end."""


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
        close: whether it is of a small part, enlarged.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Panel | None]]]
    width_by_height: float
    bar: str = ""
    highest: float = 0.0
    close: bool = False


def figures_of(measured: CaseMeasurement) -> list[PanelGrid]:
    """Everything to look at of the shown slice."""
    case, index = measured.case, measured.shown.index
    turn = upright(case, index)
    names = [method.name for method in measured.methods]
    parts = [names[first : first + ACROSS] for first in range(0, len(names), ACROSS)]
    made = _made_of(measured)
    grids = [_source_grid(case, index, turn), *(_made_grid(made, part, turn) for part in parts)]
    highest = _highest_of_way_back(measured)
    grids += [_back_grid(measured, name, turn, highest) for name in measured.shown.taken]
    lesion = case.lesion_of(index)
    if lesion is not None:
        around = close_up(turn, lesion)
        grids.append(_source_grid(case, index, around, close=True))
        grids += [_made_grid(made, part, around, close=True) for part in parts]
        grids += [_lesion_back_grid(measured, around)] if measured.shown.taken else []
    return grids


@dataclass(frozen=True, eq=False)
class _Made:
    """What every method made of the shown slice, and what it is compared with.

    Attributes:
        pictures: of each method, by the targets' names, or as "fused".
        whites: of these pictures, by the same names: those of the targets, or of the brightest fused image.
        compared: the targets, or the sources where there are none.
        highest: difference at which the colours end. Models decide, since rules can be far off; rules where there are
            no models.
    """

    pictures: dict[str, dict[str, Picture]]
    whites: dict[str, float]
    compared: dict[str, Picture]
    highest: float

    def word(self, name: str) -> str:
        """What a picture is called."""
        return f"{SYNTHETIC} {name}" if name in self.compared else name


def _made_of(measured: CaseMeasurement) -> _Made:
    case, index = measured.case, measured.shown.index
    targets = in_colour(case.targets, case.targets_of(index))
    pictures = {name: in_colour(case.targets or ("fused",), images) for name, images in measured.shown.made.items()}
    whites = {name: white_of([target]) for name, target in targets.items()}
    if not targets:
        whites = {"fused": white_of(each["fused"] for each in pictures.values())}
    compared = targets or in_colour(case.sources, case.sources_of(index))
    judged = [method.name for method in measured.methods if not method.trivial] or list(pictures)
    differences = [_difference(pictures[name], other, compared) for name in judged for other in compared]
    return _Made(pictures, whites, compared, _end_of_colours(differences))


def _difference(made: Mapping[str, Picture], other: str, compared: Mapping[str, Picture]) -> Picture:
    """Absolute difference to what is compared; of colours the mean."""
    image = made[other] if other in made else made["fused"]
    return _absolute(image - compared[other])


def _absolute(difference: Picture) -> Picture:
    size = np.abs(difference)
    return size if size.ndim == 2 else size.mean(axis=2)


def _end_of_colours(pictures: Iterable[Picture]) -> float:
    return max((float(np.percentile(each, BRIGHTEST)) for each in pictures), default=0.0) or 1.0


def _source_grid(case: EvaluationCase, index: int, turn: Upright, close: bool = False) -> PanelGrid:
    images = in_colour([*case.sources, *case.targets], case.images[index])
    panels: dict[str, Panel | None] = {
        name: Panel(grey(turn(image), white_of([image])), name) for name, image in images.items()
    }
    lesion = case.lesion_of(index)
    if lesion is not None:
        on = list(images)[-1 if case.targets else 0]
        outlined = grey_with_outline(turn(images[on]), white_of([images[on]]), turn(lesion))
        panels[f"lesion on {on}"] = Panel(outlined, f"{on} with the outline of the lesion")
    title = "Sources and target" if case.targets else "Sources"
    if close:
        title = f"The lesion, enlarged: {title.lower()}"
    return PanelGrid(
        title, list(panels), [("", list(panels.values()))], _shape(turn, case.images[index, 0]), close=close
    )


def _made_grid(made: _Made, methods: Sequence[str], turn: Upright, close: bool = False) -> PanelGrid:
    """What methods made, and how far it is from the targets, or from each source; differences on one scale."""
    rows: list[tuple[str, list[Panel | None]]] = []
    for name, white in made.whites.items():
        word = made.word(name)
        rows.append((word, [Panel(grey(turn(made.pictures[m][name]), white), f"{word} by {m}") for m in methods]))
    for other, image in made.compared.items():
        word = f"difference to {other}{', mean of its colours' if image.ndim == 3 else ''}"
        differences = [_difference(made.pictures[method], other, made.compared) for method in methods]
        panels = zip(methods, differences, strict=True)
        rows.append((word, [Panel(coloured(turn(each), made.highest), f"{m}: {word}") for m, each in panels]))
    synthesis = set(made.whites) == set(made.compared)
    title = f"{SYNTHETIC}: made by methods, not by a scanner" if synthesis else "Fused"
    if close:
        title = f"The lesion, enlarged: {'synthetic' if synthesis else 'fused'}"
    shape = _shape(turn, next(iter(made.compared.values())))
    return PanelGrid(title, list(methods), rows, shape, colour_bar(), made.highest, close)


def _highest_of_way_back(measured: CaseMeasurement) -> float:
    """Of errors and spreads, for one scale that all methods share."""
    sources = measured.case.sources_of(measured.shown.index)
    taken = measured.shown.taken.values()
    spreads = [picture for each in taken if each.spread is not None for picture in each.spread]
    return _end_of_colours([*(picture for each in taken for picture in np.abs(each.sources - sources)), *spreads])


def _back_grid(measured: CaseMeasurement, name: str, turn: Upright, highest: float) -> PanelGrid:
    """The sources from the image alone, their error and what the method itself calls uncertain."""
    case, taken = measured.case, measured.shown.taken[name]
    sources, back = (in_colour(case.sources, each) for each in (case.sources_of(measured.shown.index), taken.sources))
    spreads = {} if taken.spread is None else in_colour(case.sources, taken.spread)
    rows: list[tuple[str, list[Panel | None]]] = []
    for contrast, source in sources.items():
        white = white_of([source])
        panels: list[Panel | None] = [
            Panel(grey(turn(source), white), contrast),
            Panel(grey(turn(back[contrast]), white), f"{contrast} from the image alone"),
            Panel(coloured(turn(_absolute(back[contrast] - source)), highest), f"error of {contrast}"),
        ]
        if contrast in spreads:
            panels.append(Panel(coloured(turn(_absolute(spreads[contrast])), highest), f"spread of {contrast}"))
        rows.append((contrast, panels))
    columns = ["source", "from the image alone", "error", "spread over samples"][: 4 if spreads else 3]
    image = f"{SYNTHETIC} image" if case.targets else "image"
    title = f"Decomposed from the {image} alone: {name}"
    return PanelGrid(title, columns, rows, _shape(turn, case.images[0, 0]), colour_bar(), highest)


def _lesion_back_grid(measured: CaseMeasurement, turn: Upright) -> PanelGrid:
    case, taken = measured.case, measured.shown.taken
    sources = in_colour(case.sources, case.sources_of(measured.shown.index))
    back = {name: in_colour(case.sources, each.sources) for name, each in taken.items()}
    rows: list[tuple[str, list[Panel | None]]] = []
    for contrast, source in sources.items():
        white = white_of([source])
        panels: list[Panel | None] = [Panel(grey(turn(source), white), f"{contrast}, the lesion")]
        panels += [
            Panel(grey(turn(each[contrast]), white), f"{contrast} decomposed by {name}, the lesion")
            for name, each in back.items()
        ]
        rows.append((contrast, panels))
    title = f"The lesion, enlarged: decomposed from the {f'{SYNTHETIC} ' if case.targets else ''}image alone"
    return PanelGrid(title, ["source", *taken], rows, _shape(turn, case.images[0, 0]), close=True)


def _shape(turn: Upright, image: Picture) -> float:
    rows, columns = turn(image).shape[:2]
    return float(columns / (rows * turn.aspect))
