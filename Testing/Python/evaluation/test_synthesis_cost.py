import json
from pathlib import Path

import pytest

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.synthesis_cost import measure_synthesis_cost
from InvertibleFusionLib.evaluation.synthesis_steps import measure_steps
from InvertibleFusionLib.evaluation.training_steps import IVAN_WAYS


def test_every_preset_is_timed_there_and_back_in_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for way in ("iVAN default", "iVAN default, checkpointed"):
        monkeypatch.delitem(IVAN_WAYS, way)  # they take ten times as long to learn
    out = tmp_path / "cost.json"
    size = ["--size", "3", "13", "9"]
    options = ["--rounds", "2", "--training", "--batch", "1", "--json", str(out)]
    assert main(["benchmark", "--synthesis", *size, *options]) == 0
    figures = json.loads(out.read_text())
    assert (figures["size"], list(figures["slice"])) == ([3, 13, 9], ["paper", "default", "small"])
    for cost in (*figures["slice"].values(), figures["volume"]["small"]):
        for seconds in ("there", "back", "processor", "plain"):
            assert len(cost[seconds]) == 2
            assert min(cost[seconds]) > 0
    assert figures["slice"]["paper"]["work"] == 1_382_648
    assert figures["slice"]["small"]["work"] == figures["volume"]["small"]["work"] == 48_508
    steps = figures["training"]
    assert (steps["batch"], steps["crop"]) == (1, 64)
    assert list(steps["seconds"]) == ["iVAN small", "iVAN small, checkpointed"]
    assert [memory["way"] for memory in steps["memory"]] == list(steps["seconds"])
    for seconds in (*steps["seconds"].values(), *steps["processor"].values()):
        assert len(seconds) == 2
        assert min(seconds) > 0
    printed = capsys.readouterr().out
    for line in (
        "slice, paper",
        "slice, default",
        "slice, small",
        "3 slices, small",
        "1 crops of 64×64",
        "each slice more",
    ):
        assert line in printed
    assert "13×9" in printed
    assert "plain/ours" in printed


@pytest.mark.parametrize(("size", "rounds"), [((0, 9, 9), 1), ((1, 9, 9), 0)])
def test_senseless_sizes_are_refused(size: tuple[int, int, int], rounds: int) -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        measure_synthesis_cost(size, rounds, 0, lambda done, total: None)
    with pytest.raises(ConfigurationError, match="at least 1 crop"):
        measure_steps(size[0], rounds, 0, lambda done, total: None)
