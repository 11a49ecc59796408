"""Which figures of a part are compared with each other, and how sure their differences are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from InvertibleFusionLib.evaluation.experiments.comparing import Figures
from InvertibleFusionLib.evaluation.experiments.definition import Column, Part
from InvertibleFusionLib.evaluation.paired_tests import SIGNIFICANT, holm, signed_rank

Kind = Literal["published", "said best", "rule", "own figure"]


@dataclass(frozen=True)
class Comparison:
    """One method against another in one figure.

    Attributes:
        kind: the paper's own method with a network that the paper compares it with, by figures or in words; a network
            with the best trivial rule; or the paper's own with that figure of its own that the column must exceed.
        column: of the figure.
        own: name of the method.
        other: what it is compared with.
        means: of both here.
        p: of the paired test.
        own_is_larger: by the sum of the ranks.
        pairs: slices that both have.
        learnt: whether one of both is better than what needs no learning.
    """

    kind: Kind
    column: Column
    own: str
    other: str
    means: tuple[float, float]
    p: float
    own_is_larger: bool
    pairs: int
    learnt: bool = True

    @property
    def decided(self) -> bool:
        """Whether chance does not explain the difference."""
        return self.p < SIGNIFICANT

    @property
    def ahead(self) -> str:
        """The name of the one with the better values."""
        return self.own if self.own_is_larger == self.column.higher_is_better else self.other


def comparisons_of(part: Part, figures: Figures, rules: frozenset[str], own: str) -> list[Comparison]:
    """All comparisons of a part that can be made; p corrected after Holm for those that tell something.

    Args:
        part: of an experiment.
        figures: that were measured.
        rules: names of the trivial rules among the methods.
        own: name of the paper's own method.
    """
    made = [*_published(part, figures, rules, own), *_said_best(part, figures, rules, own)]
    made += _with_rules(part, figures, rules)
    made += [_compared("own figure", column, own, column.exceeds, figures) for column in _exceeding(part, figures, own)]
    return _corrected(made)


def published_comparisons(part: Part, figures: Figures, rules: frozenset[str], own: str) -> list[Comparison]:
    """Those with networks that the paper compares with alone; arguments as for ``comparisons_of``."""
    return _corrected(list(_published(part, figures, rules, own)))


def least_p(comparisons: Sequence[Comparison]) -> float:
    """The smallest p that so few slices can give: all differ in one direction, times the number of tests."""
    tested = [each for each in comparisons if each.learnt]
    return min(1.0, len(tested) * 2.0 ** (1 - max(each.pairs for each in tested))) if tested else 0.0


def _corrected(made: Sequence[Comparison]) -> list[Comparison]:
    tested = [each.p for each in made if each.learnt]
    corrected = iter(holm(tested))
    return [replace(each, p=next(corrected)) if each.learnt else each for each in made]


def _published(part: Part, figures: Figures, rules: frozenset[str], own: str) -> Iterator[Comparison]:
    """With every network whose figure the paper gives, where it differs from the own method's."""
    ours = part.published.get(own, {})
    for other, theirs in part.published.items():
        for column in part.columns:
            symbol = column.symbol
            both = symbol in ours and symbol in theirs and column.comparable
            measured = all(symbol in figures.get(name, {}) for name in (own, other))
            if other != own and both and measured and ours[symbol] != theirs[symbol]:
                learnt = _learnt(part, column, figures, (own, other), rules)
                yield _compared("published", column, own, other, figures, learnt)


def _said_best(part: Part, figures: Figures, rules: frozenset[str], own: str) -> Iterator[Comparison]:
    """With every other network of a part of whose first one the paper says that it is the best."""
    for column in part.columns if part.said_best else ():
        for other in (learner.name for learner in part.learners):
            if other != own and all(column.symbol in figures.get(name, {}) for name in (own, other)):
                learnt = _learnt(part, column, figures, (own, other), rules)
                yield _compared("said best", column, own, other, figures, learnt)


def _with_rules(part: Part, figures: Figures, rules: frozenset[str]) -> Iterator[Comparison]:
    """Every network that was trained: what the paper's own has not reached the others may not have either."""
    for column in part.columns:
        best = _best_rule(column, figures, rules)
        for name in (learner.name for learner in part.learners):
            if best is not None and column.symbol in figures.get(name, {}):
                yield _compared("rule", column, name, best, figures)


def _exceeding(part: Part, figures: Figures, own: str) -> list[Column]:
    there = figures.get(own, {})
    return [column for column in part.columns if column.exceeds in there and column.symbol in there]


def _compared(kind: Kind, column: Column, own: str, other: str, figures: Figures, learnt: bool = True) -> Comparison:
    ours = figures[own][column.symbol]
    theirs = figures[own][other] if kind == "own figure" else figures[other][column.symbol]
    both = [key for key in ours.slices if key in theirs.slices]
    p, shift = signed_rank(*(np.array([each.slices[key] for key in both]) for each in (ours, theirs)))
    return Comparison(kind, column, own, other, (ours.mean, theirs.mean), p, shift > 0, len(both), learnt)


def _best_rule(column: Column, figures: Figures, rules: frozenset[str]) -> str | None:
    sign = 1 if column.higher_is_better else -1
    there = sorted(name for name in rules if column.symbol in figures.get(name, {}))
    return max(there, key=lambda name: sign * figures[name][column.symbol].mean) if there else None


def _learnt(part: Part, column: Column, figures: Figures, names: tuple[str, str], rules: frozenset[str]) -> bool:
    """Whether one of two networks is, by the mean, better than what needs no learning; true where nothing tells."""
    if column.exceeds:
        return any(figures[name][column.symbol].mean > figures[name][column.exceeds].mean for name in names)
    if part.measured != "synthesis":
        judges = [each for each in part.columns if each.symbol == part.judged_by]
        if not judges:
            return True
        [column] = judges
    best = _best_rule(column, figures, rules)
    if best is None:
        return True
    sign = 1 if column.higher_is_better else -1
    return any(sign * (figures[name][column.symbol].mean - figures[best][column.symbol].mean) > 0 for name in names)
