"""Fusion models on cases that they have not seen: one table, every slice as CSV, and the spread's calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from InvertibleFusionLib.evaluation.montage import INK, PAPER
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.training.data import DataSource, for_reporting, load_patients, scaling_in_words
from InvertibleFusionLib.training.validation import Measurement, measure


@dataclass(frozen=True)
class FusionTable:
    """What several models made of the same slices.

    Attributes:
        measurements: by the model's name.
    """

    measurements: dict[str, Measurement]

    @property
    def data(self) -> str:
        """What was measured, in words."""
        return next(iter(self.measurements.values())).data

    def markdown(self) -> str:
        """Rows are measures, columns models: mean ± standard deviation over slices, median and 5th–95th percentile."""
        names = list(self.measurements)
        lines = [f"| {self.data} | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
        columns = [self._columns(name) for name in names]
        for measure_name in dict.fromkeys(key for column in columns for key in column):
            lines.append(f"| {measure_name} | {' | '.join(column.get(measure_name, '–') for column in columns)} |")
        return "\n".join(lines)

    def _columns(self, name: str) -> dict[str, str]:
        cells = {}
        for summary in self.measurements[name].summaries():
            if "mean" in summary:
                spread = summary["percentiles"]
                cells[summary["name"]] = (
                    f"{summary['mean']:.4f} ± {summary['standard_deviation']:.4f} "
                    f"({spread['50']:.4f}; {spread['5']:.4f}–{spread['95']:.4f})"
                )
            elif summary["scale"] is None:
                cells[summary["name"]] = "the draws do not differ: no spread"
            else:
                cells[summary["name"]] = (
                    f"correlation with the error {summary['pearson']:.2f} (of ranks {summary['spearman']:.2f}); "
                    f"{summary['within_one_spread']:.0%} of errors within one spread, "
                    f"{summary['within_two_spreads']:.0%} within two. {summary['reading']}"
                )
        return cells


def tabulate(
    models: Mapping[str, Model], cases: Sequence[str], contrasts: Sequence[str], mask: str, folder: Path
) -> FusionTable:
    """Measure models on folders of cases.

    Args:
        models: fusion models by the names that the table shall give them.
        cases: folders with one file for each contrast, relative to ``folder``.
        contrasts: the files' names, in the models' order.
        mask: name of a lesion mask in each folder; empty for none.
        folder: that the cases lie in.

    Raises:
        ConfigurationError: naming every case that cannot be used.
    """
    source = DataSource("cases", "not stated", "not stated", patients=list(cases), mask=mask)
    patients = load_patients([source], contrasts, folder, for_reporting)
    scaling = scaling_in_words([source])
    return FusionTable(
        {name: measure(model.fusion_network, patients, contrasts, scaling) for name, model in models.items()}
    )


def draw_calibration(table: FusionTable, path: Path) -> None:
    """Root mean square error against predicted spread, one panel for each contrast; the diagonal is the truth."""
    contrasts = list(next(iter(table.measurements.values())).calibration)
    figure = Figure(figsize=(4.2 * len(contrasts), 4.2), facecolor=PAPER, layout="constrained")
    for panel, contrast in zip(np.atleast_1d(figure.subplots(1, len(contrasts))), contrasts, strict=True):
        highest = 0.0
        for name, measurement in table.measurements.items():
            bins = measurement.calibration[contrast].bins
            spread, error = [part.spread for part in bins], [part.error for part in bins]
            panel.plot(spread, error, "o-", markersize=3, label=name)
            highest = max(highest, *spread, *error)
        panel.plot([0, highest], [0, highest], color=INK, linewidth=0.8, linestyle="--", label="calibrated")
        panel.set(title=contrast, xlabel="predicted spread", ylabel="error (root mean square)")
        panel.locator_params(nbins=5)
        panel.legend(frameon=False, fontsize=8)
    figure.suptitle("Spread over the draws and error made, inside the head", fontsize=10)
    figure.savefig(path, dpi=110)
