import pytest
import torch

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.training_throughput import compare_training
from InvertibleFusionLib.metrics.structural_similarity import structural_similarity

pytest.importorskip("FrEIA", reason="the published way runs on FrEIA")
from InvertibleFusionLib.evaluation.published_training import _separable_ssim, _window


def test_both_ways_are_timed_in_turn() -> None:
    result = compare_training(2, 24, 2, 0, "cpu")
    assert len(result.ours) == len(result.published) == 2
    assert len(result.our_processor) == len(result.published_processor) == 2
    assert min(*result.ours, *result.published, *result.our_processor, *result.published_processor) > 0
    text = result.describe()
    assert "2 slices of 24×24" in text
    assert f"{result.ratio:.2f}" in text
    assert f"CPU {result.processor_ratio:8.2f}" in text


def test_the_published_loss_is_computed_the_published_way_to_the_same_value() -> None:
    first, second = torch.rand(2, 1, 30, 26, generator=torch.Generator().manual_seed(0))
    expected = structural_similarity(first[None], second[None]).mean()
    ours = _separable_ssim(first[None], second[None], _window(first))
    assert float(ours) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize(("batch", "size"), [(0, 24), (1, 23), (1, 4)])
def test_senseless_sizes_are_refused(batch: int, size: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{batch} of {size}×{size}"):
        compare_training(batch, size, 1, 0, "cpu")
