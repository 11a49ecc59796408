"""A benchmark's times as a picture: every way beside the others and beside what the machine allows."""

from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from InvertibleFusionLib.evaluation.comparison import RIVALS, SUBJECTS, TASKS, Comparison
from InvertibleFusionLib.evaluation.montage import INK, PAPER

WAYS = {
    "ours": ("this library, array to array", "#0072b2"),
    "published": ("published way: FrEIA, slice by slice, the network alone", "#d55e00"),
    "batched": ("FrEIA in batches of 8, the network alone", "#bdbdbd"),
}
"""Their names and colours, of Okabe and Ito (2008) and grey."""
BAR, DOTS_PER_INCH = 0.25, 110


def draw_comparison(comparison: Comparison, path: Path) -> None:
    """Bars are medians, dots single rounds, black lines the least that the machine allows.

    Args:
        comparison: with at least one round.
        path: of the picture, a PNG.
    """
    figure = Figure(figsize=(9, 5.2), facecolor=PAPER, layout="constrained")
    for panel, subject in zip(figure.subplots(1, 2), SUBJECTS, strict=True):
        _draw_subject(panel, comparison, subject)
    rounds = len(comparison.seconds["volume"]["both"]["ours"])
    size, threads = "×".join(map(str, comparison.size)), "thread" if comparison.threads == 1 else "threads"
    figure.suptitle(
        f"Two volumes of {size} voxels, fused and taken apart exactly: CPU of kind {comparison.processor}, "
        f"{comparison.threads} {threads}, kernel {comparison.kernel}, {rounds} rounds in turn",
        fontsize=9,
        color=INK,
    )
    shown: list[Artist] = [Patch(color=colour, label=label) for label, colour in WAYS.values()]
    shown.append(Line2D([], [], color=INK, linewidth=2, label="the machine's limit, measured beside"))
    figure.legend(handles=shown, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.savefig(path, dpi=DOTS_PER_INCH, format="png")


def _draw_subject(panel: Axes, comparison: Comparison, subject: str) -> None:
    seconds = comparison.seconds[subject]
    unit, scale = ("ms", 1e3) if comparison.median(subject, "both", "ours") < 0.5 else ("s", 1.0)
    for place, task in enumerate(TASKS):
        for number, (way, (_, colour)) in enumerate(WAYS.items()):
            height = place + (number - 1) * (BAR + 0.02)
            median = scale * comparison.median(subject, task, way)
            panel.barh(height, median, BAR, color=colour)
            times = [scale * each for each in seconds[task][way]]
            panel.plot(times, [height] * len(times), ".", color=INK, markersize=2.5, alpha=0.6)
            ratio = f"  ({comparison.ratio(subject, task, way):.1f} × ours)" if way in RIVALS else ""
            panel.annotate(
                f"{median:.3g} {unit}{ratio}", (max(times), height), (4, 0),
                textcoords="offset points", va="center", fontsize=7.5, color=INK,
            )  # fmt: skip
        _draw_limit(panel, comparison, subject, task, place, scale)
    panel.set_yticks(range(len(TASKS)), TASKS, fontsize=9)
    panel.invert_yaxis()
    panel.set_title("one slice" if subject == "slice" else "the volume", fontsize=10, color=INK)
    panel.set_xlabel(unit, fontsize=8)
    panel.set_xlim(0, 1.42 * scale * max(max(times) for ways in seconds.values() for times in ways.values()))
    panel.tick_params(axis="x", labelsize=8)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _draw_limit(panel: Axes, comparison: Comparison, subject: str, task: str, place: int, scale: float) -> None:
    """Across our bar alone: the limit is that of the work which ours does."""
    if comparison.floor is None:
        return
    least = scale * comparison.floor.seconds(task, comparison.pixels(subject))
    middle = place - (BAR + 0.02)
    panel.plot([least, least], [middle - BAR / 2, middle + BAR / 2], color=INK, linewidth=2, solid_capstyle="butt")
