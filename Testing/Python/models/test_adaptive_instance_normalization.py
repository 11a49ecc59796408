"""AdaIN: the features have the statistics they were given."""

import torch

from InvertibleFusionLib.models.adaptive_instance_normalization import (
    AdaptiveResidualBlock,
    adaptive_instance_normalization,
)


def test_output_has_the_given_mean_and_standard_deviation() -> None:
    torch.manual_seed(0)
    features = 30 * torch.randn(2, 5, 24, 17) + 100
    mean, deviation = torch.randn(2, 5), torch.rand(2, 5) + 0.1
    out = adaptive_instance_normalization(features, mean, deviation)
    torch.testing.assert_close(out.mean(dim=(2, 3)), mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(out.std(dim=(2, 3), correction=0), deviation, rtol=1e-4, atol=1e-4)


def test_output_is_an_increasing_function_of_the_input() -> None:
    features = torch.rand(1, 1, 8, 8)
    out = adaptive_instance_normalization(features, torch.zeros(1, 1), torch.full((1, 1), 0.3))
    assert torch.equal(out.flatten().argsort(), features.flatten().argsort())


def test_constant_features_become_the_mean() -> None:
    out = adaptive_instance_normalization(torch.full((1, 2, 6, 6), 7.0), torch.tensor([[3.0, -1.0]]), torch.ones(1, 2))
    expected = torch.tensor([3.0, -1.0]).reshape(1, 2, 1, 1).expand(1, 2, 6, 6)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-3)  # what rounding leaves is divided by √1e-5


def test_block_with_no_deviation_adds_the_second_mean_only() -> None:
    features, mean = torch.randn(2, 3, 8, 8), torch.randn(2, 2, 3)
    out = AdaptiveResidualBlock(3, "relu", "zeros")(features, mean, torch.zeros(2, 2, 3))
    torch.testing.assert_close(out, features + mean[:, 1, :, None, None])
