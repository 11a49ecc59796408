"""What reproduces and what does not, in sentences that a rule makes of the figures."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from InvertibleFusionLib.evaluation.experiments.comparing import ALONE, ROUND_TRIP, Figures
from InvertibleFusionLib.evaluation.experiments.comparisons import (
    Comparison,
    comparisons_of,
    least_p,
    published_comparisons,
)
from InvertibleFusionLib.evaluation.experiments.definition import Part
from InvertibleFusionLib.evaluation.paired_tests import SIGNIFICANT

RULES = (
    "A comparison of the paper is said to reproduce when the same method is ahead here and Wilcoxon's signed-rank test "
    f"over the slices, corrected after Holm for all tests of the part, gives p < {SIGNIFICANT:g}; to be undecided for "
    "a larger p; else not to reproduce. Ahead is who has the larger sum of ranks of the paired slices, which is not "
    "always who has the better mean. Two networks that are both no better than the best trivial rule (of a "
    "synthesis in that figure, of a fusion in SSIM; of a decomposition: no more like the source than the fused image "
    "itself) have not learnt the task: comparing them is not counted. Slices of one patient are not independent: p "
    "says how sure a difference is on these slices, not in other patients. One seed was run; another may give another "
    "order. Data, widths and steps are not the papers': what does not reproduce here may do so under theirs."
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
    said = _said(part, comparisons_of(part, figures, rules, part.learners[0].name))
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
    whole = replace(results[0][0], published=published)
    return _said(whole, published_comparisons(whole, figures, rules, names[0]))


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


def _said(part: Part, comparisons: Sequence[Comparison]) -> list[str]:
    published = [each for each in comparisons if each.kind == "published"]
    counted = [each for each in published if each.learnt]
    said = [_published_sentence(part, each) for each in counted]
    in_words = [each for each in comparisons if each.kind == "said best"]
    for symbol in dict.fromkeys(each.column.symbol for each in in_words if each.learnt):
        said.append(_best_sentence([each for each in in_words if each.learnt and each.column.symbol == symbol]))
    said += _uncounted([each for each in (*published, *in_words) if not each.learnt])
    with_rules = [each for each in comparisons if each.kind == "rule"]
    for symbol in dict.fromkeys(each.column.symbol for each in with_rules):
        said.append(_rule_sentence([each for each in with_rules if each.column.symbol == symbol]))
    said += [_own_figure_sentence(each) for each in comparisons if each.kind == "own figure"]
    least = least_p(comparisons)
    if least >= SIGNIFICANT:
        said.append(f"So few slices cannot decide anything: no corrected p can be below {least:.2g}.")
    if counted:
        decided = [each for each in counted if each.decided]
        agree = sum(each.ahead == _published_leader(part, each) for each in decided)
        said.append(
            f"Of {len(counted)} published comparisons of {counted[0].own} with a network trained here, {agree} "
            f"reproduce, {len(decided) - agree} do not, {len(counted) - len(decided)} are undecided."
        )
    return said


def _published_sentence(part: Part, each: Comparison) -> str:
    symbol, own, other = each.column.symbol, each.own, each.other
    ours, theirs = (part.published[name][symbol] for name in (own, other))
    leader = _published_leader(part, each)
    if not each.decided:
        here = f"here it is undecided {_numbers(each)}."
    elif each.ahead == leader:
        here = f"this reproduces {_numbers(each)}."
    else:
        here = f"this does not reproduce: {each.ahead} is ahead {_numbers(each)}."
    return f"{symbol}: published, {leader} is ahead ({own} {ours:g}, {other} {theirs:g}); {here}"


def _best_sentence(comparisons: Sequence[Comparison]) -> str:
    """Whether the network that the paper calls the best is so in one figure."""
    column, own = comparisons[0].column, comparisons[0].own
    groups: dict[str, list[str]] = {"ahead of": [], "behind": [], "undecided against": []}
    for each in comparisons:
        word = "undecided against" if not each.decided else "ahead of" if each.ahead == own else "behind"
        groups[word].append(f"{each.other} ({each.means[1]:.{column.digits}f}, p = {each.p:.2g})")
    found = "; ".join(f"{word} {', '.join(names)}" for word, names in groups.items() if names)
    ours = f"{own} ({comparisons[0].means[0]:.{column.digits}f})"
    return (
        f"{column.symbol}: the paper says that {own} is the best or nearly so, without numbers; here {ours} is {found}."
    )


def _uncounted(comparisons: Sequence[Comparison]) -> list[str]:
    """One sentence for all that networks have not learnt enough for."""
    others: dict[str, list[str]] = {}
    for each in comparisons:
        others.setdefault(each.column.symbol, []).append(each.other)
    if not others:
        return []
    listed = "; ".join(f"{symbol} against {', '.join(names)}" for symbol, names in others.items())
    own = comparisons[0].own
    return [f"Not counted, since neither {own} nor the other is better than what needs no learning: {listed}."]


def _published_leader(part: Part, each: Comparison) -> str:
    ours, theirs = (part.published[name][each.column.symbol] for name in (each.own, each.other))
    return each.own if (ours > theirs) == each.column.higher_is_better else each.other


def _rule_sentence(comparisons: Sequence[Comparison]) -> str:
    """Which networks are worth their name in one figure: better than what needs no learning."""
    column, rule = comparisons[0].column, comparisons[0].other
    words = ("higher", "lower") if column.noise_raises else ("better", "worse")
    groups: dict[str, list[str]] = {words[0]: [], words[1]: [], "undecided": []}
    for each in comparisons:
        ahead = each.own_is_larger if column.noise_raises else each.ahead == each.own
        word = "undecided" if not each.decided else words[0] if ahead else words[1]
        groups[word].append(f"{each.own} ({each.means[0]:.{column.digits}f}, p = {each.p:.2g})")
    found = "; ".join(f"{word}: {', '.join(names)}" for word, names in groups.items() if names)
    noise = " Noise raises it: higher is not better." if column.noise_raises else ""
    best = "highest" if column.noise_raises else "best"
    against = f"against the {best} trivial rule, {rule} ({comparisons[0].means[1]:.{column.digits}f})"
    return f"{column.symbol}: {against}, {found}.{noise}"


def _own_figure_sentence(each: Comparison) -> str:
    how = "perhaps no more" if not each.decided else "more" if each.ahead == each.own else "less"
    return (
        f"{each.column.symbol}: what {each.own} takes back is {how} like the source than the fused image "
        f"{_numbers(each)}."
    )


def _numbers(each: Comparison) -> str:
    ours, theirs = each.means
    return f"({ours:.{each.column.digits}f} and {theirs:.{each.column.digits}f}, p = {each.p:.2g})"
