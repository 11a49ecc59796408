"""FrEIA as the oracle: the same weights give the same output, in both directions."""

import FrEIA.modules as freia
import pytest
import torch
from torch import Tensor, nn

from InvertibleFusionLib.flows import ActNorm, AffineCoupling, EnhancedCoupling, Permutation, Squeeze, Unsqueeze

SHAPES = [(1, 2, 6, 8), (2, 8, 3, 5), (3, 5, 1, 4)]


def subnetwork(channels_in: int, channels_out: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels_in, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, channels_out, 3, padding=1))


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_affine_coupling_is_freias_glow_block(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    ours = AffineCoupling(shape[1], subnetwork).double()
    theirs = freia.GLOWCouplingBlock([shape[1:]], subnet_constructor=subnetwork, clamp=2.0).double()
    theirs.load_state_dict(ours.state_dict())
    x = 20 * torch.randn(shape, dtype=torch.float64)
    (y,), log_determinant = theirs([x])
    ours_y, ours_log_determinant = ours.forward_and_log_determinant(x)
    close(ours_y, y)
    close(ours(x), y)
    close(ours_log_determinant, log_determinant)
    close(ours.inverse(x), theirs([x], rev=True)[0][0])


@pytest.mark.parametrize("shape", SHAPES)
def test_actnorm_is_freias(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = 3 + 5 * torch.randn(shape, dtype=torch.float64)
    theirs = freia.ActNorm([shape[1:]]).double()
    (y,), log_determinant = theirs([x])
    ours = ActNorm(shape[1]).double()
    close(ours.initialize(x), y)
    close(ours.forward_and_log_determinant(x)[1], log_determinant)
    close(ours.inverse(x), theirs([x], rev=True)[0][0])


def test_permutation_is_freias() -> None:
    theirs = freia.PermuteRandom([(8, 2, 2)], seed=4)
    ours = Permutation(theirs.perm.tolist())
    x = torch.randn(2, 8, 2, 2)
    assert torch.equal(ours(x), theirs([x])[0][0])
    assert torch.equal(ours.inverse(x), theirs([x], rev=True)[0][0])


@pytest.mark.parametrize("shape", [(1, 2, 4, 6), (2, 3, 8, 2)])
def test_squeeze_is_freias_to_the_bit(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    theirs = freia.IRevNetDownsampling([shape[1:]])
    y = theirs([x])[0][0]
    assert torch.equal(Squeeze()(x), y)
    assert torch.equal(Unsqueeze().inverse(x), y)
    assert torch.equal(Squeeze().inverse(y), x)
    assert torch.equal(Unsqueeze()(y), freia.IRevNetUpsampling([y.shape[1:]])([y])[0][0])


def test_additive_half_of_the_enhanced_coupling_is_freias_nice_block() -> None:
    """FrEIA has no enhanced coupling; with s = 0 its two steps are NICE's, which FrEIA has."""
    torch.manual_seed(0)
    ours = EnhancedCoupling(4, subnetwork).double()
    for parameter in ours.s.parameters():
        nn.init.zeros_(parameter)
    theirs = freia.NICECouplingBlock([(4, 5, 7)], subnet_constructor=subnetwork).double()
    theirs.F.load_state_dict(ours.r.state_dict())
    theirs.G.load_state_dict(ours.t.state_dict())
    x = torch.randn(2, 4, 5, 7, dtype=torch.float64)
    close(ours(x), theirs([x])[0][0])
    close(ours.inverse(x), theirs([x], rev=True)[0][0])
