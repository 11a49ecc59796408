"""What stands in a row of a table: means and deviations, and how they compare with the best trivial rule."""

from dataclasses import dataclass

from InvertibleFusionLib.evaluation.paired_tests import SIGNIFICANT
from InvertibleFusionLib.evaluation.slice_measures import Measure


@dataclass(frozen=True)
class Verdict:
    """How a method compares with the best trivial rule.

    Attributes:
        p: of the paired test, corrected for the tests of the table.
        pairs: that were compared.
        better: whether its values are, by the sum of the ranks.
    """

    p: float
    pairs: int
    better: bool

    @property
    def sign(self) -> str:
        """▲ better, ▼ worse, · where chance explains it."""
        if self.p >= SIGNIFICANT:
            return "·"
        return "▲" if self.better else "▼"

    @property
    def words(self) -> str:
        """The p-value as it is printed."""
        return "p < .001" if self.p < 0.001 else f"p = {self.p:.3f}".replace("0.", ".")


@dataclass(frozen=True)
class Cell:
    """One measure of one method.

    Attributes:
        mean: over slices or cases.
        deviation: standard deviation, as of the whole population.
        median: likewise.
        count: of values.
        verdict: None for trivial rules and where there is none to compare with.
    """

    mean: float
    deviation: float
    median: float
    count: int
    verdict: Verdict | None = None

    def main(self, digits: int) -> str:
        """Mean ± standard deviation, or the value where there is one."""
        return f"{self.mean:.{digits}f}" + (f" ± {self.deviation:.{digits}f}" if self.count > 1 else "")

    def middle(self, digits: int) -> str:
        """The median."""
        return f"{self.median:.{digits}f}"


@dataclass(frozen=True)
class TableRow:
    """One measure.

    Attributes:
        measure: which.
        rule: the best trivial rule; empty where the measure has no better, or no rule has it.
        cells: by method; those that do not have the measure are missing.
    """

    measure: Measure
    rule: str
    cells: dict[str, Cell]

    @property
    def count(self) -> int:
        """Slices or cases that have the measure."""
        return max(cell.count for cell in self.cells.values())
