import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError, TooSlowError
from InvertibleFusionLib.evaluation import benchmark, machine
from InvertibleFusionLib.evaluation.benchmark import compare_with_freia, first_slice_seconds
from InvertibleFusionLib.evaluation.benchmark_figure import draw_comparison
from InvertibleFusionLib.evaluation.comparison import SUBJECTS, TASKS, Comparison, Floor
from InvertibleFusionLib.evaluation.interactive import Responses
from InvertibleFusionLib.evaluation.training_throughput import Throughput
from InvertibleFusionLib.inference.plan import Settings

FLOORS = Path(__file__).parents[2] / "performance_floors.json"


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MATRIX", 256)
    monkeypatch.setattr(machine, "COPIED", 1 << 20)
    monkeypatch.setattr(benchmark, "first_slice_seconds", lambda *_: (1.0, 0.5))


def comparison(ours: list[float], published: list[float]) -> Comparison:
    """Rounds in which decomposing takes as long as fusing, for a slice and a volume of ten."""
    result = Comparison((10, 4, 5), "avx512", 2, "compiled", floor=Floor(1e6, 1e6, 100, 20, 20))
    for subject, slices in (("slice", 1), ("volume", 10)):
        for mine, theirs in zip(ours, published, strict=True):
            result.add(subject, "ours", mine * slices, mine * slices)
            result.add(subject, "published", theirs * slices, theirs * slices)
            result.add(subject, "batched", 3 * theirs * slices, 3 * theirs * slices)
    result.responses = Responses([0.3], [0.02], [0.001])
    return result


@pytest.mark.usefixtures("_quick")
def test_all_ways_give_the_same_image_and_ours_comes_back(model_file: Path) -> None:
    rounds: list[tuple[int, int]] = []
    found = compare_with_freia(
        model_file,
        (9, 24, 20),
        2,
        0,
        lambda done, total: rounds.append((done, total)),
        Settings(device="cpu", kernel="products"),
    )
    assert rounds == [(1, 2), (2, 2)]
    assert found.kernel == "products"
    assert {len(times) for times in found.seconds["volume"]["both"].values()} == {2}
    assert {len(times) for times in found.seconds["slice"]["fuse"].values()} == {10}
    assert min(min(w) for s in found.seconds.values() for t in s.values() for w in t.values()) > 0
    assert 0 < found.disagreement < 1e-5
    assert 0 < found.error < 1e-5
    assert found.floor is not None
    assert found.floor.work == 6912  # 2 · (2·(9·32 + 32·18) + (36·64 + 64·72)/4), as the paper's layers tell
    everything = json.loads(json.dumps(found.to_json()))
    looked_at = everything["slice_to_look_at_seconds"]
    assert {name: len(times) for name, times in looked_at.items()} == {"cold": 2, "warm": 2, "again": 2}
    assert max(looked_at["again"]) < min(looked_at["cold"])
    figures = everything["figures"]
    for subject in SUBJECTS:
        for task in TASKS:
            assert figures[subject][task]["of_the_limit"] > 1
            assert figures[subject][task]["ratio"]["published"] == found.ratio(subject, task)


def test_ratio_is_taken_round_by_round() -> None:
    found = comparison([1.0, 10.0, 1.0], [3.0, 20.0, 2.0])
    assert found.ratio("volume", "both") == found.ratio("slice", "fuse") == 2.0
    assert found.ratio("volume", "fuse", "batched") == 6.0
    assert "2.00" in found.describe()
    assert "300.0 ms for the first one" in found.describe()


def test_the_limit_is_arithmetic_or_memory_whichever_takes_longer() -> None:
    found = comparison([1.0], [3.0])
    assert found.distance("slice", "fuse") == pytest.approx(1 / (20 * 100 / 1e6))
    assert found.distance("volume", "both") == pytest.approx(20 / (2 * 200 * 100 / 1e6))
    found.floor = Floor(1e12, 1e3, 100, 20, 20)
    assert found.distance("slice", "both") == pytest.approx(2 / (20 * 20 / 1e3))


def test_the_picture_shows_the_ways_and_the_limit(tmp_path: Path) -> None:
    found = comparison([1.0, 1.2], [3.0, 4.0])
    for floor in (found.floor, None):
        found.floor = floor
        draw_comparison(found, tmp_path / "picture.png")
        picture = imread(tmp_path / "picture.png")[..., :3]
        for colour in ((0, 114, 178), (213, 94, 0), (189, 189, 189)):
            assert (np.abs(255 * picture - colour).max(axis=2) < 1).sum() > 1000, colour


def test_ratios_below_the_floor_and_results_that_disagree_fail(tmp_path: Path) -> None:
    file = tmp_path / "floors.json"
    file.write_text(json.dumps({"ratios": {"avx512": {"compiled": {"volume": {"both": 4.0}}}}}))
    assert "reach" in comparison([1.0], [5.0]).require_floors(file)
    with pytest.raises(TooSlowError, match=r"volume, both: 3\.00 instead of 4"):
        comparison([1.0], [3.0]).require_floors(file)
    wrong = comparison([1.0], [5.0])
    wrong.error = 1e-3
    with pytest.raises(TooSlowError, match=r"1\.0e-03"):
        wrong.require_floors(file)
    elsewhere = comparison([1.0], [0.1])
    elsewhere.processor = "other"
    assert "No floors" in elsewhere.require_floors(file)
    file.write_text("{}")
    with pytest.raises(ConfigurationError, match="no floors"):
        comparison([1.0], [5.0]).require_floors(file)


def test_committed_floors_are_of_known_kinds_and_say_where_they_come_from() -> None:
    content = json.loads(FLOORS.read_text())
    assert "invertible-fusion benchmark" in content["command"]
    assert content["ratios"].keys() <= {"avx512-amx", "avx512", "avx2", "gpu"}
    for kernels in content["ratios"].values():
        assert kernels.keys() <= {"compiled", "products", "torch"}
        for subjects in kernels.values():
            assert subjects.keys() <= set(SUBJECTS)
            assert all(tasks.keys() <= set(TASKS) and min(tasks.values()) >= 1 for tasks in subjects.values())


def test_what_the_published_way_cannot_run_is_refused(model_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="33×20"):
        compare_with_freia(model_file, (3, 33, 20), 1, 0, lambda done, total: None)
    with pytest.raises(ConfigurationError, match="at least 1"):
        compare_with_freia(model_file, (3, 32, 20), 0, 0, lambda done, total: None)


def test_first_slice_of_a_fresh_process_is_timed(model_file: Path) -> None:
    whole, loading = first_slice_seconds(model_file, 16, 16)
    assert 0 < loading < whole < 120


def test_memory_that_is_taken_is_seen() -> None:
    grown = machine.grown_memory(lambda: np.ones(50_000_000, np.uint8).sum())
    if grown is None:
        pytest.skip("this system does not tell the highest memory of a process")
    assert 40e6 < grown < 200e6
    assert machine.processor_kind() in ("avx512-amx", "avx512", "avx2", "other")


@pytest.mark.usefixtures("_quick")
def test_the_command_prints_the_ratio_and_fails_below_a_floor(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    floors, figures, plot = (tmp_path / name for name in ("floors.json", "figures.json", "figures.png"))
    impossible = {"compiled": {"volume": {"fuse": 1e9}}, "products": {"volume": {"fuse": 1e9}}}
    floors.write_text(json.dumps({"ratios": {machine.processor_kind(): impossible}}))
    command = ["benchmark", "--against", "freia", "--model", str(model_file), "--size", "2", "16", "16"]
    assert main([*command, "--rounds", "1", "--json", str(figures), "--plot", str(plot), "--floors", str(floors)]) == 1
    printed = capsys.readouterr()
    assert "volume, both" in printed.out
    assert "volume, fuse: " in printed.err
    assert json.loads(figures.read_text())["size"] == [2, 16, 16]
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("_quick")
def test_training_steps_are_timed_on_request_with_their_figures(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    command = ["benchmark", "--model", str(model_file), "--size", "2", "16", "20", "--rounds", "2", "--json", str(file)]
    assert main([*command, "--training", "--batch", "3"]) == 0
    assert "Training steps of 3 slices of 16×16, cpu" in capsys.readouterr().out
    training = json.loads(file.read_text())["training"]
    assert (training["batch_size"], training["size"]) == (3, 16)
    seconds = training["seconds"]
    assert [len(times) for times in seconds.values()] == [2, 2]
    assert min(min(times) for times in seconds.values()) > 0
    assert main([*command, "--training", "--batch", "0"]) == 1
    assert "not 0 of 16×16" in capsys.readouterr().err


def test_training_is_compared_round_by_round() -> None:
    assert Throughput(4, 64, ours=[1.0, 10.0, 1.0], published=[3.0, 20.0, 2.0]).ratio == 2.0
