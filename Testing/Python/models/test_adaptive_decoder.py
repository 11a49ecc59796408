import torch

from InvertibleFusionLib.models.adaptive_decoder import AdaptiveDecoder


def test_every_layer_has_a_mean_and_a_deviation_of_its_own() -> None:
    torch.manual_seed(0)
    mean, deviation = torch.randn(2, 6, 8).requires_grad_(), torch.rand(2, 6, 8).requires_grad_()
    decoded = AdaptiveDecoder(2, 3, "leaky_relu", "zeros")(torch.randn(2, 8, 5, 6), mean, deviation)
    assert decoded.shape == (2, 1, 20, 24)
    decoded.square().sum().backward()
    for statistics in (mean, deviation):
        assert statistics.grad is not None
        assert float(statistics.grad.abs().amax(dim=2).min()) > 0
