"""The page of an evaluation: one self-contained file of HTML that opens offline and prints well."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
import yaml

from InvertibleFusionLib._version import __version__
from InvertibleFusionLib.evaluation.comparison_figures import PanelGrid, figures_of
from InvertibleFusionLib.evaluation.machine import processor_kind
from InvertibleFusionLib.evaluation.measuring import CaseMeasurement
from InvertibleFusionLib.evaluation.pages import rendered
from InvertibleFusionLib.evaluation.panels import upright
from InvertibleFusionLib.evaluation.plots import box_plots, calibration_plot
from InvertibleFusionLib.evaluation.tables import Table, calibration_lines, case_table, overall_table
from InvertibleFusionLib.inference.record import NOTICE
from InvertibleFusionLib.volumes.writing import staged

GROUPS = {
    "image": "the image",
    "lesion": "inside the lesion",
    "sources": "decomposition",
    "time": "time",
}
PACKAGES = ("torch", "numpy", "SimpleITK", "scipy", "torchmetrics")


@dataclass(frozen=True)
class About:
    """What the page says of itself.

    Attributes:
        title: its head.
        command: that made it.
        remarks: sentences for the top, such as what was left out and why.
    """

    title: str
    command: str
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class _CaseSection:
    """One case on the page; see the template."""

    name: str
    slices: int
    shown: str
    turned: bool
    scaling: str
    grids: list[PanelGrid]
    boxes: str
    calibration: str
    calibration_lines: list[str]
    table: Table


def write_page(measurements: Sequence[CaseMeasurement], about: About, path: Path) -> None:
    """Write the page, whole or not at all.

    Args:
        measurements: of the same methods on one or more cases.
        about: title, command and remarks.
        path: of the HTML file.

    Raises:
        OutputError: where it cannot be written.
    """
    page = rendered(
        "evaluation.html",
        about=about,
        notice=NOTICE,
        methods=measurements[0].methods,
        synthesis=bool(measurements[0].case.targets),
        overall=overall_table(measurements) if len(measurements) > 1 else None,
        overall_boxes=box_plots(measurements) if len(measurements) > 1 else "",
        cases=[_section(measured) for measured in measurements],
        cards=_cards(measurements),
        groups=GROUPS,
        versions=_versions(),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with staged(path.parent) as stage:
        (stage / path.name).write_text(page, encoding="utf-8")


def _section(measured: CaseMeasurement) -> _CaseSection:
    case = measured.case
    return _CaseSection(
        name=case.name,
        slices=len(case),
        shown=case.labels[measured.shown.index],
        turned=upright(case, measured.shown.index).known,
        scaling=case.scaling,
        grids=figures_of(measured),
        boxes=box_plots([measured]),
        calibration=calibration_plot(measured) if measured.calibrations else "",
        calibration_lines=calibration_lines(measured),
        table=case_table(measured),
    )


def _cards(measurements: Sequence[CaseMeasurement]) -> Mapping[str, str]:
    return {
        method.name: yaml.safe_dump(method.card.to_json(), sort_keys=False, allow_unicode=True, width=100)
        for method in measurements[0].methods
        if method.card is not None
    }


def _versions() -> str:
    there = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"invertible-fusion {__version__}, Python {platform.python_version()}, {there}; "
        f"{platform.system()}, {processor_kind()}, {_threads()} of torch"
    )


def _threads() -> str:
    count = torch.get_num_threads()
    return f"{count} thread{'s' if count > 1 else ''}"
