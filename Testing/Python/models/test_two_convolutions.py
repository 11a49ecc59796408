"""Learning by matrix products, against torch's own convolutions."""

import pytest
import torch
from torch import Tensor

from InvertibleFusionLib.models.two_convolutions import TwoConvolutions


def gradients(network: TwoConvolutions, x: Tensor, of_y: Tensor) -> tuple[Tensor, list[Tensor]]:
    x = x.clone().requires_grad_()
    y = network(x)
    return y.detach(), list(torch.autograd.grad(y, [x, *network.parameters()], of_y))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 1), (2, 2), (31, 7), (16, 18)], ids=str)
@pytest.mark.parametrize(
    ("channels", "hidden", "outputs", "final_relu"), [(1, 32, 2, False), (4, 6, 8, True), (2, 3, 1, False)]
)
def test_values_and_gradients_are_those_of_the_convolutions(
    size: tuple[int, int], channels: int, hidden: int, outputs: int, final_relu: bool
) -> None:
    torch.manual_seed(0)
    network = TwoConvolutions(channels, hidden, outputs, final_relu).double()
    reference = torch.nn.Sequential(*network)
    for x in (torch.randn(3, channels, *size).double(), torch.randn(3, *size, channels).double().permute(0, 3, 1, 2)):
        of_y = torch.randn(3, outputs, *size).double()
        ours, theirs = gradients(network, x, of_y), gradients(reference, x, of_y)  # type: ignore[arg-type]
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_gradients_are_the_slopes_of_the_values() -> None:
    torch.manual_seed(0)
    network = TwoConvolutions(2, 3, 2, False).double()
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: network(x), (x, *network.parameters()))


def test_only_a_network_that_learns_takes_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results stay those of torch's convolutions, or of the engine's kernels."""
    network, x = TwoConvolutions(1, 4, 2, False), torch.rand(1, 1, 6, 8)
    taken: list[str] = []
    monkeypatch.setattr(torch.nn.Sequential, "forward", lambda self, x: taken.append("convolutions") or x)
    network(x)
    assert taken == []
    with torch.inference_mode():
        network(x)
    network.eval()(x)
    with torch.autocast("cpu", torch.bfloat16):
        network.train()(x)
    assert taken == ["convolutions"] * 3


def test_an_input_that_needs_no_gradient_gets_none() -> None:
    network = TwoConvolutions(1, 4, 2, False)
    network(torch.rand(1, 1, 6, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
