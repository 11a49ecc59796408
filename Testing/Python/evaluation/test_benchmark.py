import pytest

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.benchmark import Comparison, compare_with_freia
from InvertibleFusionLib.models.model import Model


def test_both_ways_give_the_same_image_and_ours_comes_back(model: Model) -> None:
    rounds: list[tuple[int, int]] = []
    comparison = compare_with_freia(model, (3, 24, 20), 2, 0, lambda done, total: rounds.append((done, total)))
    assert rounds == [(1, 2), (2, 2)]
    assert len(comparison.ours) == len(comparison.published) == 2
    assert min(comparison.ours + comparison.published) > 0
    assert comparison.disagreement < 1e-5
    assert comparison.error < 1e-5


def test_ratio_is_taken_round_by_round() -> None:
    comparison = Comparison((1, 2, 2), ours=[1.0, 10.0, 1.0], published=[3.0, 20.0, 2.0])
    assert comparison.ratio == 2.0
    assert "2.00" in comparison.describe()


def test_what_the_published_way_cannot_run_is_refused(model: Model) -> None:
    with pytest.raises(ConfigurationError, match="33×20"):
        compare_with_freia(model, (3, 33, 20), 1, 0, lambda done, total: None)


def test_the_command_prints_the_ratio(model_file: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            ["benchmark", "--against", "freia", "--model", str(model_file), "--size", "2", "16", "16", "--rounds", "1"]
        )
        == 0
    )
    assert "ratio published / ours" in capsys.readouterr().out
