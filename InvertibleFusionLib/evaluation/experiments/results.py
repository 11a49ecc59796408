"""What an experiment leaves: a table for people, the figures as CSV, every slice as CSV, pictures."""

import csv
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from InvertibleFusionLib._version import __version__
from InvertibleFusionLib.evaluation.experiments.budget import BATCH, Budget
from InvertibleFusionLib.evaluation.experiments.comparing import Figures
from InvertibleFusionLib.evaluation.experiments.data_sets import data_sets
from InvertibleFusionLib.evaluation.experiments.definition import Column, Experiment, Learner, Part
from InvertibleFusionLib.evaluation.experiments.findings import RULES, findings, findings_across
from InvertibleFusionLib.evaluation.experiments.pictures import draw_slice
from InvertibleFusionLib.evaluation.measuring import CaseMeasurement
from InvertibleFusionLib.evaluation.tables import write_slices
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.volumes.writing import staged

HARDLY = 0.25
"""Of the standard budget: below it networks are said to have hardly learnt."""


@dataclass(frozen=True)
class PartResult:
    """A part and what came of it.

    Attributes:
        part: of the experiment.
        models: by their names in the table.
        measurements: of the cases.
        figures: of the table.
    """

    part: Part
    models: dict[str, Model]
    measurements: list[CaseMeasurement]
    figures: Figures


def write_results(
    experiment: Experiment, results: Sequence[PartResult], budget: Budget, command: str, machine: str, out: Path
) -> str:
    """Write table.md, figures.csv, and of each part its slices and a picture; whole or not at all.

    Times are left out: the same seed gives the same files. Pictures are named after the experiment, so that the tables
    of several can stand in one folder with them.

    Returns:
        The text of table.md.
    """
    text = described(experiment, results, budget, command, machine)
    with staged(out) as stage:
        (stage / "table.md").write_text(text, encoding="utf-8")
        _write_figures(results, stage / "figures.csv")
        for number, result in enumerate(results, 1):
            timeless = [_without_times(measured) for measured in result.measurements]
            write_slices(timeless, stage / f"slices-{number}.csv")
            draw_slice(result.measurements[0], stage / picture_name(experiment, number))
    return text


def picture_name(experiment: Experiment, number: int) -> str:
    """The file that shows a slice of a part."""
    return f"{experiment.name}-{number}.png"


def described(experiment: Experiment, results: Sequence[PartResult], budget: Budget, command: str, machine: str) -> str:
    """The whole text of table.md."""
    versions = (
        f"invertible-fusion {__version__}, torch {torch.__version__}, numpy {np.__version__}, "
        f"Python {platform.python_version()}"
    )
    caution = caution_for(experiment, budget)
    lines = [
        f"# {experiment.name}: {experiment.title}",
        "",
        f"    {command}",
        "",
        f"{budget.steps} optimization steps of {BATCH} crops for every network, Adam with half a cosine to zero; "
        f"learnt from the {budget.middle} middle slices of each study at most, and measured on slices among these. "
        f"{versions}; {machine}. Research use only.",
        "",
        *([f"**{caution}**", ""] if caution else []),
        *([experiment.remark, ""] if experiment.remark else []),
        "Figures are mean ± standard deviation over the measured slices, beside the mean that the paper gives; – where "
        "there is none. Methods marked as published were not run here.",
        "",
    ]
    for number, result in enumerate(results, 1):
        picture = f"![{result.part.title}: a slice by every method]({picture_name(experiment, number)})"
        lines += [*_part_lines(result, caution), "", picture, ""]
    rules = frozenset(name for result in results for name in _rules_of(result))
    across = findings_across(experiment.across, [(result.part, result.figures) for result in results], rules)
    if across:
        lines += ["## All parts", "", *_listed([*([caution] if caution else []), *across]), ""]
    return "\n".join([*lines, "## How to read the sentences", "", RULES, ""])


def caution_for(experiment: Experiment, budget: Budget) -> str:
    """What a small budget allows to say; empty from the standard one on."""
    if budget.steps >= experiment.standard:
        return ""
    share = f"{budget.steps} of the {experiment.standard} steps of the standard budget"
    if budget.steps < HARDLY * experiment.standard:
        return (
            f"Networks learnt for {share}: they have hardly learnt anything. Tables and sentences show that everything "
            "runs, not what the methods can do."
        )
    return f"Networks learnt for {share}, and can learn more."


def _part_lines(result: PartResult, caution: str) -> list[str]:
    part = result.part
    rules = _rules_of(result)
    slices = sum(len(measured.case) for measured in result.measurements)
    cases = ", ".join(dict.fromkeys(measured.case.name for measured in result.measurements))
    return [
        f"## {part.title}",
        "",
        part.data_remark,
        f"Learnt from: {'; '.join(source.name for source in data_sets(part.training))}. Measured on {slices} slices of "
        f"{cases} ({'; '.join(source.name for source in data_sets(part.validation))}).",
        "",
        *_table_lines(part, result.figures, rules),
        "",
        *(f"{column.symbol}: {column.remark}\n" for column in part.columns if column.remark),
        "What reproduces:",
        "",
        *_listed([*([caution] if caution else []), *findings(part, result.figures, rules)]),
        "",
        "The networks:",
        "",
        *_listed(_network_lines(part, result.models)),
    ]


def _listed(sentences: Sequence[str]) -> list[str]:
    return [f"- {sentence}" for sentence in sentences]


def _rules_of(result: PartResult) -> frozenset[str]:
    return frozenset(method.name for measured in result.measurements for method in measured.methods if method.trivial)


def _table_lines(part: Part, figures: Figures, rules: frozenset[str]) -> list[str]:
    head = " | ".join(f"{column.symbol}, here | published" for column in part.columns)
    methods = list(dict.fromkeys([*figures, *part.published]))
    lines = [f"| method | {head} |", "|---|" + "---|" * (2 * len(part.columns))]
    for name in methods:
        cells = [cell for column in part.columns for cell in _cells(name, column, part, figures)]
        kind = " (trivial rule)" if name in rules else "" if name in figures else " (published)"
        lines.append(f"| {name}{kind} | {' | '.join(cells)} |")
    return lines


def _cells(name: str, column: Column, part: Part, figures: Figures) -> tuple[str, str]:
    figure = figures.get(name, {}).get(column.symbol)
    published = part.published.get(name, {}).get(column.symbol)
    here = "–" if figure is None else f"{figure.mean:.{column.digits}f} ± {figure.deviation:.{column.digits}f}"
    return here, "–" if published is None else f"{published:g}"


def _network_lines(part: Part, models: dict[str, Model]) -> list[str]:
    """What each network is; those that are the same in one line."""
    names: dict[str, list[str]] = {}
    for learner in part.learners:
        names.setdefault(_network_in_words(learner, models[learner.name]), []).append(learner.name)
    return [f"{'; '.join(alike)}: {described}" for described, alike in names.items()]


def _network_in_words(learner: Learner, model: Model) -> str:
    stored = sum(value.numel() for value in model.network.state_dict().values())
    settings = json.dumps(model.card.configuration, sort_keys=True)
    note = f" {learner.note}" if learner.note else ""
    return f"{stored:,} stored numbers, learning rate {learner.learning_rate:g}, {settings}.{note}"


def _write_figures(results: Sequence[PartResult], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["part", "method", "figure", "mean", "standard deviation", "slices", "published"])
        for result in results:
            for name in dict.fromkeys([*result.figures, *result.part.published]):
                for column in result.part.columns:
                    figure = result.figures.get(name, {}).get(column.symbol)
                    ours = (
                        (f"{figure.mean:.6g}", f"{figure.deviation:.6g}", len(figure.slices)) if figure else ("",) * 3
                    )
                    published = result.part.published.get(name, {}).get(column.symbol, "")
                    writer.writerow([result.part.title, name, column.symbol, *ours, published])


def _without_times(measured: CaseMeasurement) -> CaseMeasurement:
    rows = [
        replace(row, values={measure: value for measure, value in row.values.items() if measure.group != "time"})
        for row in measured.rows
    ]
    return replace(measured, rows=rows)
