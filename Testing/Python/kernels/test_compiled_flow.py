"""Compiled kernels against torch and FrEIA, on every awkward size."""

from collections.abc import Callable
from typing import Any

import FrEIA.modules as freia
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from InvertibleFusionLib.evaluation.freia_graph import freia_graph
from InvertibleFusionLib.flows import ActNorm, AffineCoupling, InvertibleConvolution, InvertibleSequence, Permutation
from InvertibleFusionLib.models.fusioninn import PRESETS, FusionINN, FusionINNConfiguration

pytest.importorskip("numba", reason="compiled kernels need Numba")
from InvertibleFusionLib.kernels.coupling import coupling_step
from InvertibleFusionLib.kernels.flow import CompiledFlow
from InvertibleFusionLib.kernels.pointwise import LARGEST_EXPONENT, atan, constants, exp
from InvertibleFusionLib.kernels.squeeze import move_squeezed

DTYPES = [torch.float32, torch.float64]
SIZES = [(1, 1), (1, 5), (7, 1), (3, 47), (4, 48), (5, 49), (2, 97), (13, 16), (6, 113)]
EVEN = [(2, 2), (2, 98), (98, 2), (6, 34), (10, 96), (14, 226)]
DIGITS = {torch.float32: 1e-5, torch.float64: 1e-13}


def random_network(configuration: FusionINNConfiguration, seed: int = 1) -> FusionINN:
    network = FusionINN(configuration, seed=seed)
    torch.manual_seed(seed)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.06)
    return network.eval()


def subnetwork(hidden: int, final_relu: bool = False) -> Callable[[int, int], nn.Module]:
    def make(channels_in: int, channels_out: int) -> nn.Module:
        ending = [nn.ReLU()] if final_relu else []
        last = nn.Conv2d(hidden, channels_out, 3, padding=1)
        return nn.Sequential(nn.Conv2d(channels_in, hidden, 3, padding=1), nn.ReLU(), last, *ending)

    return make


def close(ours: Tensor, theirs: Tensor) -> None:
    """Within 1e-5 (1e-13 in float64) of the range."""
    assert ours.dtype == theirs.dtype
    allowed = DIGITS[theirs.dtype] * max(1.0, float(theirs.max() - theirs.min()))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=allowed)


@torch.inference_mode()
def test_presets_are_torchs_in_both_directions_on_one_workspace() -> None:
    for configuration in (*PRESETS.values(), FusionINNConfiguration(blocks=4, hidden=5, hidden_squeezed=13, clamp=0.7)):
        for dtype in DTYPES:
            flow = random_network(configuration).to(dtype).flow
            compiled = CompiledFlow(flow)
            # In this order: memory that served one size must not show through in the next.
            for size in (*EVEN, *EVEN):
                x = torch.rand(2, 2, *size, dtype=dtype)
                y = flow(x)
                close(compiled(x), y)
                close(compiled.inverse(y), flow.inverse(y))
                close(compiled.inverse(compiled(x)), x)


@torch.inference_mode()
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size", EVEN, ids=str)
def test_presets_are_freias(preset: str, size: tuple[int, int]) -> None:
    network = random_network(PRESETS[preset])
    graph = freia_graph(network, *size)
    compiled = CompiledFlow(network.flow)
    x = torch.rand(1, 2, *size)
    theirs = torch.cat(graph(x)[0], dim=1)
    close(compiled(x), theirs)
    close(compiled.inverse(theirs), graph([theirs[:, :1], theirs[:, 1:]], rev=True)[0])


@torch.inference_mode()
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("channels", "hidden"), [(2, 32), (8, 64), (3, 7), (5, 1)])
def test_one_coupling_is_freias_on_odd_sizes_one_row_and_one_column(
    channels: int, hidden: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    for dtype in DTYPES:
        for final_relu in (False, True):
            make = subnetwork(hidden, final_relu)
            theirs = freia.GLOWCouplingBlock([(channels, *size)], subnet_constructor=make, clamp=1.3).to(dtype)
            ours = AffineCoupling(channels, make, clamp=1.3, split=theirs.split_len1).to(dtype)
            ours.load_state_dict(theirs.state_dict())
            compiled = CompiledFlow(InvertibleSequence([ours]))
            x = 3 * torch.randn(2, channels, *size, dtype=dtype)
            close(compiled(x), theirs([x])[0][0])
            close(compiled.inverse(x), theirs([x], rev=True)[0][0])


@torch.inference_mode()
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 1e-40])
def test_values_out_of_reason_go_where_torchs_go(value: float, dtype: torch.dtype) -> None:
    flow = random_network(PRESETS["default"]).to(dtype).flow
    compiled = CompiledFlow(flow)
    x = torch.rand(1, 2, 24, 52, dtype=dtype)
    healthy = compiled(x)
    spoilt = x.clone()
    spoilt[0, 0, 11, 50] = value
    for ours, theirs in ((compiled(spoilt), flow(spoilt)), (compiled.inverse(spoilt), flow.inverse(spoilt))):
        assert torch.equal(ours.isnan(), theirs.isnan())
        usual = theirs.isfinite() & (theirs.abs() < 1e3)
        assert torch.equal(usual, ours.isfinite() & (ours.abs() < 1e3))
        close(ours[usual], theirs[usual])
    assert torch.equal(compiled(x), healthy)  # and nothing of them stays behind


def test_nothing_else_is_compiled_later_while_a_user_waits() -> None:
    for dtype in DTYPES:
        compiled = CompiledFlow(random_network(PRESETS["paper"]).to(dtype).flow)
        with torch.inference_mode():
            compiled.inverse(compiled(torch.rand(1, 2, 6, 8, dtype=dtype)))
    assert len(coupling_step.signatures) == len(move_squeezed.signatures) == len(DTYPES)


def test_what_the_kernels_do_not_know_is_left_to_torch() -> None:
    def known(layer: Any) -> bool:
        return CompiledFlow.can_be_compiled(InvertibleSequence([ActNorm(2), layer]))

    assert known(AffineCoupling(2, subnetwork(4)))
    assert known(Permutation([1, 0]))
    assert not known(InvertibleConvolution(2, torch.Generator()))
    assert not known(AffineCoupling(2, subnetwork(4), clamp=2 * LARGEST_EXPONENT))
    dilated = subnetwork(4)(1, 2)
    dilated[0] = nn.Conv2d(1, 4, 3, padding=2, dilation=2)  # type: ignore[index]
    assert not known(AffineCoupling(2, lambda _, __: dilated))
    leaky = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.LeakyReLU(), nn.Conv2d(4, 2, 3, padding=1))
    assert not known(AffineCoupling(2, lambda _, __: leaky))
    assert not CompiledFlow.can_be_compiled(nn.Identity())


def test_odd_slices_are_refused_as_by_torch() -> None:
    compiled = CompiledFlow(random_network(PRESETS["default"]).flow)
    with pytest.raises(ValueError, match="5×4"), torch.inference_mode():
        compiled(torch.rand(1, 2, 5, 4))


@torch.inference_mode()
def test_log_determinant_is_there_when_asked_for() -> None:
    flow = random_network(PRESETS["default"]).flow
    x = torch.rand(1, 2, 6, 8)
    assert torch.equal(CompiledFlow(flow).forward_and_log_determinant(x)[1], flow.forward_and_log_determinant(x)[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arc_tangent_and_exponential_are_those_of_the_c_library(dtype: Any) -> None:
    table = constants(dtype)
    edges = [0.0, -0.0, 0.66, 2.41421356, 1.0, 1e-20, 1e20, np.inf]
    arguments = np.concatenate((np.linspace(-9, 9, 4001), edges, np.negative(edges))).astype(dtype)
    ours = np.array([atan(x, table) for x in arguments], dtype)
    np.testing.assert_array_almost_equal_nulp(ours, np.arctan(arguments.astype(np.float64)).astype(dtype), 3)
    assert np.isnan(atan(dtype(np.nan), table))
    assert np.isnan(exp(dtype(np.nan), table))
    exponents = np.linspace(-LARGEST_EXPONENT, LARGEST_EXPONENT, 4001).astype(dtype)
    ours = np.array([exp(x, table) for x in exponents], dtype)
    np.testing.assert_array_almost_equal_nulp(ours, np.exp(exponents.astype(np.float64)).astype(dtype), 3)
