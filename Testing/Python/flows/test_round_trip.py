"""Every layer keeps the contract: forward and inverse cancel, and the log-determinant is that of the true Jacobian."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from InvertibleFusionLib.flows import (
    ActNorm,
    AffineCoupling,
    EnhancedCoupling,
    InvertibleConvolution,
    InvertibleLayer,
    InvertibleSequence,
    Permutation,
    Squeeze,
    Unsqueeze,
)

MakeLayer = Callable[[int], InvertibleLayer]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def subnetwork(channels_in: int, channels_out: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels_in, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, channels_out, 3, padding=1))


def actnorm(channels: int) -> ActNorm:
    layer = ActNorm(channels)
    nn.init.normal_(layer.log_scale, std=0.5)
    nn.init.normal_(layer.bias)
    return layer


LAYERS: dict[str, MakeLayer] = {
    "actnorm": actnorm,
    "affine": lambda c: AffineCoupling(c, subnetwork),
    "affine 1|rest": lambda c: AffineCoupling(c, subnetwork, split=1),
    "enhanced": lambda c: EnhancedCoupling(c, subnetwork),
    "enhanced 1|rest": lambda c: EnhancedCoupling(c, subnetwork, split=1),
    "permutation": lambda c: Permutation.random(c, generator()),
    "convolution": lambda c: InvertibleConvolution(c, generator()),
    "squeeze": lambda c: Squeeze(),
    "unsqueeze": lambda c: Unsqueeze(),
    "sequence": lambda c: InvertibleSequence(
        [actnorm(c), AffineCoupling(c, subnetwork), Permutation.random(c, generator()), EnhancedCoupling(c, subnetwork)]
    ),
}
SHAPES = [(1, 2, 1, 1), (1, 3, 5, 7), (2, 4, 6, 4), (3, 8, 2, 10), (1, 6, 1, 9), (2, 5, 8, 8)]
CASES = [
    pytest.param(name, shape, id=f"{name} {shape}")
    for name in LAYERS
    for shape in SHAPES
    if not (name == "squeeze" and (shape[2] % 2 or shape[3] % 2)) and not (name == "unsqueeze" and shape[1] % 4)
]


def layer_and_input(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> tuple[InvertibleLayer, Tensor]:
    torch.manual_seed(3)
    return LAYERS[name](shape[1]).to(dtype), torch.randn(shape, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_forward_then_inverse_gives_the_input_back(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    layer, x = layer_and_input(name, shape, dtype)
    with torch.no_grad():
        y = layer(x)
        back = layer.inverse(y)
        forth = layer(layer.inverse(y))
    tolerance = 1e-4 if dtype == torch.float32 else 1e-12
    assert y.dtype == back.dtype == dtype
    assert back.shape == x.shape
    assert y.numel() == x.numel()
    torch.testing.assert_close(back, x, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(forth, y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_log_determinant_is_that_of_the_jacobian(name: str, shape: tuple[int, ...]) -> None:
    layer, x = layer_and_input(name, shape, torch.float64)
    y, log_determinant = layer.forward_and_log_determinant(x)
    torch.testing.assert_close(y, layer(x), rtol=1e-12, atol=1e-12)
    assert log_determinant.shape == (shape[0],)
    for entry in range(shape[0]):
        one = x[entry : entry + 1]
        jacobian = torch.autograd.functional.jacobian(layer, one).reshape(one.numel(), one.numel())
        expected = torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(log_determinant[entry], expected, rtol=1e-8, atol=1e-8)


def test_layers_change_their_input() -> None:
    """A layer that does nothing would pass the round trip."""
    for name in LAYERS:
        layer, x = layer_and_input(name, (2, 4, 6, 4), torch.float64)
        y = layer(x)
        assert y.shape != x.shape or not torch.allclose(y, x), name


def test_actnorm_makes_the_first_batch_standard() -> None:
    x = (
        torch.randn(4, 3, 9, 7, dtype=torch.float64, generator=generator())
        * torch.tensor([0.1, 5, 300]).view(1, 3, 1, 1)
        + 7
    )
    layer = ActNorm(3).double()
    y = layer.initialize(x)
    torch.testing.assert_close(y.mean(dim=(0, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-10)
    torch.testing.assert_close(y.std(dim=(0, 2, 3)), torch.ones(3).double())
    torch.testing.assert_close(layer(x), y)


@pytest.mark.parametrize("x", [torch.zeros(2, 2, 4, 4), torch.ones(1, 2, 1, 1)], ids=["constant", "single value"])
def test_actnorm_refuses_a_batch_without_variation(x: Tensor) -> None:
    layer = ActNorm(2)
    with pytest.raises(ValueError, match="constant"):
        layer.initialize(x)
    assert torch.equal(layer.log_scale, torch.zeros(1, 2, 1, 1))


def test_sequence_initializes_each_layer_with_what_arrives_there() -> None:
    flow = InvertibleSequence([ActNorm(2), Permutation([1, 0]), ActNorm(2)])
    y = flow.initialize(torch.randn(8, 2, 6, 6, generator=generator()) * 40 + 100)
    torch.testing.assert_close(y.std(dim=(0, 2, 3)), torch.ones(2), rtol=1e-4, atol=1e-4)
    last = list(flow)[-1]
    assert isinstance(last, ActNorm)
    torch.testing.assert_close(last.log_scale, torch.zeros(1, 2, 1, 1), rtol=0, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 2, 5, 4), (1, 2, 4, 5), (1, 2, 1, 1)])
def test_squeeze_refuses_odd_sizes_with_the_numbers(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"{shape[2]}×{shape[3]}"):
        Squeeze()(torch.zeros(shape))


@pytest.mark.parametrize("split", [0, 2, 3])
def test_coupling_refuses_an_empty_part(split: int) -> None:
    with pytest.raises(ValueError, match="split"):
        AffineCoupling(2, subnetwork, split=split)


def test_random_permutation_of_two_channels_always_swaps_them() -> None:
    for seed in range(20):
        assert Permutation.random(2, generator(seed)).order.tolist() == [1, 0]


def test_permutation_is_stored_and_restored_with_its_inverse() -> None:
    first, second = Permutation.random(8, generator(1)), Permutation.random(8, generator(2))
    second.load_state_dict(first.state_dict())
    x = torch.randn(1, 8, 2, 2)
    assert torch.equal(second(x), first(x))
    assert torch.equal(second.inverse(second(x)), x)


def test_soft_clamp_bounds_the_scale_whatever_the_input() -> None:
    """A network that blows up must not blow up exp(s): |s| stays below the clamp of 2."""
    torch.manual_seed(0)
    layer = AffineCoupling(2, lambda c_in, c_out: nn.Conv2d(c_in, c_out, 1), clamp=2.0)
    nn.init.constant_(layer.subnet1.weight, 1e6)
    nn.init.constant_(layer.subnet2.weight, 1e6)
    x = torch.randn(1, 2, 4, 4).double()
    with torch.no_grad():
        _, log_determinant = layer.double().forward_and_log_determinant(x)
    assert float(log_determinant.abs()) <= 2.0 * x.numel()


def test_nearly_singular_convolution_is_inverted_in_double_precision() -> None:
    layer = InvertibleConvolution(4, generator())
    with torch.no_grad():
        layer.log_diagonal.copy_(torch.tensor([0.0, -4.0, -9.0, 3.0]))
        y = torch.randn(1, 4, 3, 3, generator=generator())
        ours = layer.inverse(y)
        naive = torch.einsum("oc,bchw->bohw", torch.linalg.inv(layer.matrix), y)
        true = torch.linalg.solve(layer.matrix.double(), y.double().reshape(4, 9)).reshape(1, 4, 3, 3)
    assert (ours - true).abs().max() <= 1e-6 * true.abs().max()
    assert (naive - true).abs().max() > 10 * (ours - true).abs().max()


def test_enhanced_coupling_is_the_formula_of_its_paper_with_the_codes_clamp() -> None:
    """n1 = m1 + r(m2); n2 = m2 · exp(0.8 (2σ(s(n1)) − 1)) + t(n1), written out with NumPy for 1×1 networks."""
    torch.manual_seed(0)
    layer = EnhancedCoupling(2, lambda c_in, c_out: nn.Conv2d(c_in, c_out, 1)).double()
    x = 3 * torch.randn(1, 2, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        y = layer(x).numpy()
    weight = {name: value.detach().numpy().ravel()[0] for name, value in layer.named_parameters()}
    m1, m2 = x[:, :1].numpy(), x[:, 1:].numpy()
    n1 = m1 + weight["r.weight"] * m2 + weight["r.bias"]
    s = 0.8 * (2 / (1 + np.exp(-(weight["s.weight"] * n1 + weight["s.bias"]))) - 1)
    n2 = m2 * np.exp(s) + weight["t.weight"] * n1 + weight["t.bias"]
    np.testing.assert_allclose(y, np.concatenate((n1, n2), axis=1), rtol=1e-12)


def test_an_order_that_is_no_permutation_is_not_loaded() -> None:
    layer = Permutation([1, 0])
    with pytest.raises(ValueError, match=r"\[1, 1\]"):
        layer.load_state_dict({"order": torch.tensor([1, 1])})


def test_convolution_without_a_generator_starts_as_the_identity_and_can_be_trained_away_from_it() -> None:
    layer, x = InvertibleConvolution(3, None), torch.randn(1, 3, 4, 4, generator=generator())
    assert torch.equal(layer(x), x)
    layer(x).square().sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in layer.parameters())


@pytest.mark.parametrize(
    ("name", "value"), [("permutation", torch.zeros(3, 3)), ("permutation", torch.ones(3, 3)), ("sign", torch.zeros(3))]
)
def test_a_convolution_that_cannot_be_inverted_is_not_loaded(name: str, value: Tensor) -> None:
    layer = InvertibleConvolution(3, generator())
    with pytest.raises(ValueError, match="permutation" if name == "permutation" else "signs"):
        layer.load_state_dict({**layer.state_dict(), name: value})
