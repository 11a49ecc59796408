"""What was measured as tables: mean, deviation and median of every measure, and tests against the best trivial rule."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from InvertibleFusionLib.evaluation.measuring import CaseMeasurement
from InvertibleFusionLib.evaluation.methods import Method
from InvertibleFusionLib.evaluation.paired_tests import SIGNIFICANT, holm, signed_rank
from InvertibleFusionLib.evaluation.slice_measures import Measure
from InvertibleFusionLib.evaluation.table_cells import Cell, TableRow, Verdict
from InvertibleFusionLib.training.validation import calibration_reading
from InvertibleFusionLib.volumes.writing import staged

Series = Mapping[str, float]
"""Values by slice or case."""
NOT_INDEPENDENT = (
    "Slices of one patient are not independent: these p-values say how sure a difference is on these slices, not in "
    "other patients."
)


AIR = (
    "FMI counts a window without content as 1 where the fused image is exactly as black as the source there and as 0 "
    "where it is not: on slices with much air it says mostly whether air is left black."
)


@dataclass(frozen=True)
class Table:
    """All measures of all methods.

    Attributes:
        title: what was measured.
        unit: "slices" or "cases": what means run over.
        methods: names, in their order.
        rows: one for each measure.
    """

    title: str
    unit: str
    methods: tuple[str, ...]
    rows: list[TableRow]

    @property
    def tests(self) -> int:
        """How many tests were made."""
        return sum(cell.verdict is not None for row in self.rows for cell in row.cells.values())

    @property
    def least_p(self) -> float:
        """What the smallest p is at least: all pairs differ in one direction, times the number of tests."""
        pairs = [cell.verdict.pairs for row in self.rows for cell in row.cells.values() if cell.verdict]
        return min(1.0, self.tests * 2.0 ** (1 - max(pairs))) if pairs else 1.0

    @property
    def notes(self) -> list[str]:
        """How to read the table, in sentences."""
        notes = [f"Mean ± standard deviation (median) over n {self.unit}."]
        if self.tests:
            notes.append(
                "▲ better, ▼ worse than the best trivial rule of the row, · no difference shown, by Wilcoxon's "
                f"signed-rank test over the n paired {self.unit}, p corrected after Holm for the {self.tests} tests of "
                "this table. "
                "The best rule is chosen by its mean on the same data, which favours the rules."
            )
            if self.least_p >= SIGNIFICANT:
                notes.append(
                    f"So few {self.unit} cannot show a difference here: no corrected p can be below {self.least_p:.3f}."
                )
            if self.unit == "slices":
                notes.append(NOT_INDEPENDENT)
        if any(row.measure.name == "FMI" for row in self.rows):
            notes.append(AIR)
        return notes

    def markdown(self) -> str:
        """Rows are measures, columns methods."""
        lines = [f"| {self.title} | n | {' | '.join(self.methods)} | best rule |"]
        lines.append(f"|---|---|{'---|' * len(self.methods)}---|")
        for row in self.rows:
            cells = [_markdown(row, name) for name in self.methods]
            lines.append(f"| {row.measure.name} | {row.count} | {' | '.join(cells)} | {row.rule or '–'} |")
        return "\n".join([*lines, "", " ".join(self.notes)])


def case_table(measured: CaseMeasurement) -> Table:
    """All slices of one case."""
    series: dict[str, dict[Measure, dict[str, float]]] = {method.name: {} for method in measured.methods}
    for row in measured.rows:
        for measure, value in row.values.items():
            series[row.method].setdefault(measure, {})[row.label] = value
    for name, values in measured.whole.items():
        series[name] |= {measure: {"all": value} for measure, value in values.items()}
    case = measured.case
    title = f"{case.name}: {len(case)} slices" + (f", {case.scaling}" if case.scaling else "")
    return _table(title, "slices", measured.methods, series)


def overall_table(measurements: Sequence[CaseMeasurement]) -> Table:
    """All cases; each counts once, by the mean over its slices, since slices of one case are not independent."""
    methods = measurements[0].methods
    series: dict[str, dict[Measure, dict[str, float]]] = {method.name: {} for method in methods}
    for measured in measurements:
        for row in case_table(measured).rows:
            for name, cell in row.cells.items():
                series[name].setdefault(row.measure, {})[measured.case.name] = cell.mean
    slices = sum(len(measured.case) for measured in measurements)
    return _table(f"{len(measurements)} cases, {slices} slices", "cases", methods, series)


def markdown(measurements: Sequence[CaseMeasurement]) -> str:
    """All tables: of all cases together where there are several, and of each case with its calibration."""
    parts = [overall_table(measurements).markdown()] if len(measurements) > 1 else []
    for measured in measurements:
        parts += [case_table(measured).markdown(), *calibration_lines(measured)]
    return "\n\n".join(parts)


def calibration_lines(measured: CaseMeasurement) -> list[str]:
    """Whether each method's spread says how large its errors are, in sentences."""
    return [
        f"{method}, {contrast}: correlation of spread and error {found.pearson:.2f} (of ranks {found.spearman:.2f}); "
        f"{found.within_one:.0%} of errors within one spread, {found.within_two:.0%} within two. "
        f"{calibration_reading(found)}"
        for method, by_contrast in measured.calibrations.items()
        for contrast, found in by_contrast.items()
    ]


def write_slices(measurements: Sequence[CaseMeasurement], path: Path) -> None:
    """Every slice and method as one row of a CSV, whole or not at all.

    The column slice is the number in the volume, from 0, as in the array of the file.
    """
    rows = [row for measured in measurements for row in measured.rows]
    measures = list(dict.fromkeys(measure for row in rows for measure in row.values))
    with staged(path.parent) as stage, (stage / path.name).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case", "slice", "label", "method", *(measure.name for measure in measures)])
        for row in rows:
            values = (f"{row.values[measure]:.6g}" if measure in row.values else "" for measure in measures)
            writer.writerow([row.case, row.number, row.label, row.method, *values])


def _table(title: str, unit: str, methods: Sequence[Method], series: Mapping[str, Mapping[Measure, Series]]) -> Table:
    measures = dict.fromkeys(measure for method in methods for measure in series[method.name])
    groups = ("image", "lesion", "sources", "time")
    rows = []
    for measure in sorted(measures, key=lambda measure: groups.index(measure.group)):
        values = {method.name: series[method.name][measure] for method in methods if measure in series[method.name]}
        rows.append(_row(measure, methods, values))
    return _corrected(Table(title, unit, tuple(method.name for method in methods), rows))


def _row(measure: Measure, methods: Sequence[Method], values: Mapping[str, Series]) -> TableRow:
    means = {name: float(np.mean(list(series.values()))) for name, series in values.items()}
    rules = [method.name for method in methods if method.trivial and method.name in values]
    sign = {"higher": 1, "lower": -1, "": 0}[measure.better]
    rule = max(rules, key=lambda name: sign * means[name]) if rules and sign else ""
    cells = {}
    for method in methods:
        if method.name in values:
            verdict = None
            if rule and not method.trivial:
                verdict = _verdict(values[method.name], values[rule], sign)
            numbers = np.array(list(values[method.name].values()))
            cells[method.name] = Cell(
                means[method.name], float(numbers.std()), float(np.median(numbers)), len(numbers), verdict
            )
    return TableRow(measure, rule, cells)


def _verdict(ours: Series, theirs: Series, sign: int) -> Verdict | None:
    """Uncorrected."""
    both = [key for key in ours if key in theirs]
    if len(both) < 2:
        return None
    first, second = (np.array([series[key] for key in both]) for series in (ours, theirs))
    p, shift = signed_rank(first, second)
    return Verdict(p, len(both), sign * shift > 0)


def _corrected(table: Table) -> Table:
    places = [(row, name) for row in table.rows for name, cell in row.cells.items() if cell.verdict is not None]
    verdicts = [row.cells[name].verdict for row, name in places]
    corrected = holm([verdict.p for verdict in verdicts if verdict is not None])
    for (row, name), p in zip(places, corrected, strict=True):
        cell = row.cells[name]
        assert cell.verdict is not None
        verdict = Verdict(p, cell.verdict.pairs, cell.verdict.better)
        row.cells[name] = Cell(cell.mean, cell.deviation, cell.median, cell.count, verdict)
    return table


def _markdown(row: TableRow, name: str) -> str:
    if name not in row.cells:
        return "–"
    cell = row.cells[name]
    digits = row.measure.digits
    median = f" ({cell.middle(digits)})" if cell.count > 1 else ""
    verdict = f" {cell.verdict.sign} {cell.verdict.words}" if cell.verdict else ""
    return cell.main(digits) + median + verdict
