"""How much memory and time fusing takes, measured in fresh processes."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError, TooSlowError
from InvertibleFusionLib.evaluation.fused_once import FusedOnce
from InvertibleFusionLib.evaluation.growth import BESIDE_THE_VOLUMES, Growth, measure_growth
from InvertibleFusionLib.evaluation.growth_figure import draw_growth

MEGABYTE = 10**6


def growth(beside: int | None, seconds: tuple[float, ...] = (0.7, 1.2, 2.2)) -> Growth:
    """Runs on 10, 20 and 40 slices."""
    runs = [
        FusedOnce(slices, time, time, slices * MEGABYTE, None if beside is None else slices * MEGABYTE + beside)
        for slices, time in zip((10, 20, 40), seconds, strict=True)
    ]
    return Growth(512, 512, "avx512", "auto", runs)


def test_memory_beside_the_volumes_does_not_grow_with_the_slices(model_file: Path) -> None:
    """The largest slices of a promise kept at 512×512×300: one copy of the smallest volume would be seen here."""
    measured = measure_growth(model_file, [4, 164], (256, 256), 1, 0, "auto", lambda done, total: None)
    if not measured.beside_the_volumes():
        pytest.skip("this system does not tell the highest memory of a process")
    few, many = measured.beside_the_volumes()
    smallest_volume = 160 * 256 * 256 * np.dtype(np.int16).itemsize
    assert measured.runs[1].volumes == 164 * 256 * 256 * (2 + 2 + 4 + 8)
    assert many - few < 0.8 * smallest_volume
    assert "MB promised" in measured.require_little_memory()


def test_more_memory_than_promised_fails() -> None:
    assert "800 MB of 800 MB" in growth(BESIDE_THE_VOLUMES).require_little_memory()
    with pytest.raises(TooSlowError, match="took 801 MB of memory beside the volumes"):
        growth(BESIDE_THE_VOLUMES + MEGABYTE).require_little_memory()
    assert "does not tell" in growth(None).require_little_memory()
    assert "unknown" in growth(None).describe()


def test_the_line_through_times_that_grow_linearly_is_theirs() -> None:
    start, each = growth(0).line()
    assert (start, each) == pytest.approx((0.2, 0.05))
    assert "0.20 s + 50.0 ms a slice" in growth(0).describe()
    single = Growth(8, 8, "avx2", "auto", growth(0).runs[:1])
    assert single.line() == pytest.approx((0, 0.07))


def test_the_median_of_the_rounds_counts() -> None:
    runs = [*growth(0).runs, *growth(0, (9, 9, 9)).runs, *growth(0, (0.7, 1.2, 2.2)).runs]
    assert Growth(512, 512, "avx512", "auto", runs).cpu_seconds(20) == 1.2


def test_the_picture_shows_something_without_known_memory_too(tmp_path: Path) -> None:
    for beside in (500 * MEGABYTE, None):
        draw_growth(growth(beside), tmp_path / "growth.png")
        assert imread(tmp_path / "growth.png")[..., :3].std() > 0.05


@pytest.mark.parametrize(("counts", "shape", "rounds"), [([], (8, 8), 1), ([0], (8, 8), 1), ([1], (8, 0), 1)])
def test_senseless_numbers_are_refused(counts: list[int], shape: tuple[int, int], rounds: int) -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        measure_growth("fusioninn-t1gd-flair", counts, shape, rounds, 0, "auto", lambda done, total: None)


def test_the_command_measures_each_number_in_a_process_of_its_own(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, plot = tmp_path / "growth.json", tmp_path / "new" / "growth.png"
    command = ["benchmark", "--model", str(model_file), "--growth", "2", "--size", "1", "14", "10", "--rounds", "1"]
    assert main([*command, "--kernel", "products", "--json", str(figures), "--plot", str(plot)]) == 0
    assert "MB promised" in capsys.readouterr().out
    (run,) = json.loads(figures.read_text())["runs"]
    assert (run["slices"], run["volumes"]) == (2, 2 * 14 * 10 * 16)
    assert plot.read_bytes().startswith(b"\x89PNG")
