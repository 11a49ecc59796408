"""How time and memory grow with the number of slices, as a picture."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from InvertibleFusionLib.evaluation.growth import BESIDE_THE_VOLUMES, Growth
from InvertibleFusionLib.evaluation.montage import INK, PAPER

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#d9d9d9"
DOTS_PER_INCH = 110


def draw_growth(growth: Growth, path: Path) -> None:
    """CPU time with its straight line on the left, memory with what is promised on the right.

    Args:
        growth: what was measured.
        path: of the picture, a PNG.
    """
    figure = Figure(figsize=(9, 3.8), facecolor=PAPER, layout="constrained")
    times, memory = figure.subplots(1, 2)
    _draw_times(times, growth)
    _draw_memory(memory, growth)
    for panel in (times, memory):
        panel.set_xlim(0, 1.05 * growth.counts[-1])
        panel.set_ylim(0)
        panel.set_xlabel("slices", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.grid(linewidth=0.3)
        panel.legend(frameon=False, fontsize=8, loc="upper left")
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    figure.suptitle(
        f"Fusing two int16 volumes of {growth.rows}×{growth.columns} array to array, each in a fresh process: CPU of "
        f"kind {growth.processor}",
        fontsize=9,
        color=INK,
    )
    figure.savefig(path, dpi=DOTS_PER_INCH, format="png")


def _draw_times(panel: Axes, growth: Growth) -> None:
    start, each = growth.line()
    ends = [0, growth.counts[-1]]
    label = f"{start:.2f} s + {1e3 * each:.1f} ms a slice"
    panel.plot(ends, [start + each * end for end in ends], color=INK, linewidth=1, label=label)
    panel.plot(
        [run.slices for run in growth.runs],
        [run.cpu_seconds for run in growth.runs],
        "o",
        color=BLUE,
        markersize=4,
        alpha=0.7,
        label="measured",
    )
    panel.set_ylabel("CPU time, s", fontsize=8)


def _draw_memory(panel: Axes, growth: Growth) -> None:
    volumes = {run.slices: run.volumes / 1e9 for run in growth.runs}
    each = volumes[growth.counts[-1]] / growth.counts[-1]
    ends = [0, growth.counts[-1]]
    panel.fill_between(ends, [0, each * ends[1]], color=GREY, label="sources, fused image and latent")
    promised = BESIDE_THE_VOLUMES / 1e9
    panel.plot(
        ends, [promised, promised + each * ends[1]], "--", color=ORANGE, linewidth=1.2,
        label=f"at most: these and {1e3 * promised:.0f} MB",
    )  # fmt: skip
    known = [(run.slices, run.peak / 1e9) for run in growth.runs if run.peak is not None]
    panel.plot(
        [slices for slices, _ in known],
        [peak for _, peak in known],
        "o",
        color=BLUE,
        markersize=4,
        alpha=0.7,
        label="highest memory of the process",
    )
    panel.set_ylabel("memory, GB", fontsize=8)
