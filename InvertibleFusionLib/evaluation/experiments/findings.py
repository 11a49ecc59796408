"""What reproduces and what does not, in sentences that a rule makes of the figures."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from InvertibleFusionLib.evaluation.experiments.comparing import ALONE, ROUND_TRIP, Figure, Figures
from InvertibleFusionLib.evaluation.experiments.definition import Column, Part
from InvertibleFusionLib.evaluation.paired_tests import SIGNIFICANT, signed_rank

RULES = (
    "A comparison of the paper is said to reproduce when the same method is ahead here and Wilcoxon's signed-rank test "
    f"over the slices gives p < {SIGNIFICANT:g}; to be undecided for a larger p; else not to reproduce. Two networks "
    "that are both no better than the best rule that learns nothing (of a synthesis in that figure, of a fusion in "
    "SSIM) have not learnt the task: comparing them is not counted. Slices of one patient are not independent: p says "
    "how sure a difference is on these slices."
)


def findings(part: Part, figures: Figures, rules: frozenset[str]) -> list[str]:
    """Sentences on a part: the paper's own method against every other that it published and that was trained here.

    Args:
        part: of an experiment.
        figures: that were measured.
        rules: names of the trivial rules among the methods.
    """
    if not part.learners:
        return []
    if part.measured == "way back":
        return list(_ways_back(part, figures))
    own = part.learners[0].name
    said = [*_comparisons(part, figures, own, rules), *_against_rules(part, figures, own, rules)]
    return said or ["The paper has no figures of two methods that were trained here."]


def findings_across(
    names: tuple[str, ...], results: Sequence[tuple[Part, Figures]], rules: frozenset[str]
) -> list[str]:
    """Sentences on methods of different parts, the paper's own first; measured on the same slices.

    Args:
        names: of the methods, each in one part only.
        results: parts and their figures.
        rules: names of the trivial rules; of one that is in several parts the last part's figures count.
    """
    if not names:
        return []
    published = {name: row for part, _ in results for name, row in part.published.items() if name in names}
    figures = {name: row for _, found in results for name, row in found.items()}
    return list(_comparisons(replace(results[0][0], published=published), figures, names[0], rules))


def _ways_back(part: Part, figures: Figures) -> Iterator[str]:
    """The published round trip beside ours, and beside what the real target alone tells."""
    for name in (learner.name for learner in part.learners):
        trip, alone = f"{name}, {ROUND_TRIP}", f"{name}, {ALONE}"
        for column in part.columns:
            published = part.published.get(trip, {}).get(column.symbol)
            if published is not None:
                ours, seen = (figures[way][column.symbol].mean for way in (trip, alone))
                yield (
                    f"{column.symbol}: published {published:g}, a round trip; here the round trip gives "
                    f"{ours:.{column.digits}f}, the real target alone {seen:.{column.digits}f}."
                )


def _comparisons(part: Part, figures: Figures, own: str, rules: frozenset[str]) -> Iterator[str]:
    agree = decided = total = 0
    for other in part.published:
        if other == own or other not in figures or own not in figures or own not in part.published:
            continue
        for column in part.columns:
            theirs, ours = part.published[other].get(column.symbol), part.published[own].get(column.symbol)
            if theirs is None or ours is None or theirs == ours or not column.comparable:
                continue
            if column.symbol not in figures[own]:
                continue
            ahead = own if (ours > theirs) == column.higher_is_better else other
            if _unlearnt(part, column, figures, (own, other), rules):
                yield (
                    f"{column.symbol}: {own} and {other} are both no better than the best rule that learns nothing; "
                    "not counted."
                )
                continue
            verdict, sentence = _verdict(column, figures, own, other, ahead)
            total += 1
            decided += verdict != "undecided"
            agree += verdict == "reproduces"
            yield f"{column.symbol}: published, {ahead} is ahead ({own} {ours:g}, {other} {theirs:g}); {sentence}"
    if total:
        yield (
            f"Of {total} published comparisons of {own} with a network trained here, {agree} reproduce, "
            f"{decided - agree} do not, {total - decided} are undecided."
        )


def _verdict(column: Column, figures: Figures, own: str, other: str, ahead: str) -> tuple[str, str]:
    ours, theirs = figures[own][column.symbol], figures[other][column.symbol]
    p, shift = _paired(ours, theirs)
    numbers = f"({ours.mean:.{column.digits}f} and {theirs.mean:.{column.digits}f}, p = {p:.2g})"
    if p >= SIGNIFICANT:
        return "undecided", f"here it is undecided {numbers}."
    leader = own if (shift > 0) == column.higher_is_better else other
    if leader == ahead:
        return "reproduces", f"this reproduces {numbers}."
    return "contradicts", f"this does not reproduce: {leader} is ahead {numbers}."


def _against_rules(part: Part, figures: Figures, own: str, rules: frozenset[str]) -> Iterator[str]:
    """Whether the paper's own method is worth its name: against the best trivial rule of each column."""
    for column in part.columns:
        best = _best_rule(column, figures, rules)
        if best is None or column.symbol not in figures.get(own, {}):
            continue
        sign = 1 if column.higher_is_better else -1
        ours, theirs = figures[own][column.symbol], figures[best][column.symbol]
        p, shift = _paired(ours, theirs)
        how = "undecided against" if p >= SIGNIFICANT else ("better than" if sign * shift > 0 else "worse than")
        yield (
            f"{column.symbol}: {own} is {how} the best rule that learns nothing, {best} "
            f"({ours.mean:.{column.digits}f} and {theirs.mean:.{column.digits}f}, p = {p:.2g})."
        )


def _best_rule(column: Column, figures: Figures, rules: frozenset[str]) -> str | None:
    sign = 1 if column.higher_is_better else -1
    there = sorted(name for name in rules if column.symbol in figures.get(name, {}))
    return max(there, key=lambda name: sign * figures[name][column.symbol].mean) if there else None


def _unlearnt(part: Part, column: Column, figures: Figures, names: tuple[str, str], rules: frozenset[str]) -> bool:
    """Whether none of two networks is better than the best rule, by the mean."""
    if part.measured != "synthesis":
        judges = [each for each in part.columns if each.symbol == part.judged_by]
        if not judges:
            return False
        [column] = judges
    best = _best_rule(column, figures, rules)
    if best is None:
        return False
    sign = 1 if column.higher_is_better else -1
    return all(sign * (figures[name][column.symbol].mean - figures[best][column.symbol].mean) <= 0 for name in names)


def _paired(ours: Figure, theirs: Figure) -> tuple[float, float]:
    both = [key for key in ours.slices if key in theirs.slices]
    return signed_rank(*(np.array([each.slices[key] for key in both]) for each in (ours, theirs)))
