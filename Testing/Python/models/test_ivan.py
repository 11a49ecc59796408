"""iVAN by itself: sizes as published, both directions, tiling, and what the two ways back give."""

import copy
import dataclasses
from collections.abc import Callable
from functools import cache

import FrEIA.framework as freia_framework
import FrEIA.modules as freia
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.flows import EnhancedCoupling, InvertibleConvolution
from InvertibleFusionLib.models.cost import multiply_adds_per_pixel
from InvertibleFusionLib.models.ivan import PRESETS, DenseBlock, Ivan, IvanConfiguration

TINY = IvanConfiguration(blocks=3, growth=3)
TASKS = {
    "one to one": ((1,), (1,), 2),
    "two to one": ((1, 1), (1,), 2),
    "one to two": ((1,), (1, 1), 2),
    "one to RGB": ((1,), (3,), 3),
    "two to two": ((1, 1), (1, 1), 2),
    "four to one": ((1, 1, 1, 1), (1,), 4),
    "two to RGB": ((1, 1), (3,), 6),
    "grey and RGB to two": ((1, 3), (1, 1), 4),
}
MORE_COPIES = [((1,), (1,), 2, 4), ((1, 1), (1,), 3, 6), ((1, 1), (3,), 2, 12), ((1,), (1, 1), 2, 4)]


def make(inputs: tuple[int, ...], outputs: tuple[int, ...], **other: object) -> Ivan:
    return Ivan(dataclasses.replace(TINY, inputs=inputs, outputs=outputs, **other))  # type: ignore[arg-type]


def trained(network: Ivan, steps: int = 5) -> Ivan:
    """A few optimizer steps on random data: no weight is at its start any more."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(2)
    for _ in range(steps):
        x = torch.rand(2, sum(network.inputs), 8, 8, generator=generator)
        y = torch.rand(2, sum(network.outputs), 8, 8, generator=generator)
        back = network.flow.inverse(network.tile(y))
        loss = functional.mse_loss(network(x), network.tile(y)) + functional.mse_loss(back, network.tile(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


@cache
def trained_for(task: str) -> Ivan:
    inputs, outputs, _ = TASKS[task]
    return trained(make(inputs, outputs))


@pytest.mark.parametrize(
    ("outputs", "split", "parameters"),
    [((1,), "one", 1_385_792), ((1,), "halves", 1_385_792), ((3,), "one", 1_497_856), ((3,), "halves", 1_498_704)],
)
def test_size_is_that_of_the_official_code(outputs: tuple[int, ...], split: str, parameters: int) -> None:
    network = Ivan(dataclasses.replace(PRESETS["paper"], outputs=outputs, split=split))  # type: ignore[arg-type]
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == parameters


def test_multiply_adds_are_the_published_ones_and_agree_with_what_torch_counts() -> None:
    """1.3826 million on two channels: 24 dense blocks of 57,609 and eight 1×1 convolutions of 4."""
    network = Ivan(PRESETS["paper"])
    assert multiply_adds_per_pixel(network) == 24 * 57_609 + 8 * 4 == 1_382_648
    for each in (network, Ivan(PRESETS["small"]), make((1, 1), (3,))):
        # The products of L and U are the same for every size.
        assert flops(each, 12) - flops(each, 7) == 2 * multiply_adds_per_pixel(each) * 5 * 10


def flops(network: Ivan, rows: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, sum(network.inputs), rows, 10))
    return counter.get_total_flops()


def test_small_preset_is_a_twenty_eighth_of_the_published_work() -> None:
    """Four convolutions of 8 maps and a last one: 9·8·(1 + 9 + 17 + 25) + 9·33 a dense block, 12 of these."""
    assert multiply_adds_per_pixel(Ivan(PRESETS["small"])) == 12 * (9 * 8 * 52 + 9 * 33) + 4 * 4 == 48_508
    assert 1_382_648 // 48_508 == 28


def test_presets_differ_from_each_other_as_said() -> None:
    paper, default = Ivan(PRESETS["paper"]), Ivan(PRESETS["default"])
    couplings = [next(layer for layer in n.flow if isinstance(layer, EnhancedCoupling)) for n in (paper, default)]
    assert [bool(coupling.t.last.weight.abs().max() > 0) for coupling in couplings] == [True, False]
    six = [
        Ivan(dataclasses.replace(TINY, outputs=(3,), split=split))  # type: ignore[arg-type]
        for split in ("one", "halves")
    ]
    assert [next(m for m in n.modules() if isinstance(m, EnhancedCoupling)).split for n in six] == [1, 3]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("size", [(1, 7), (9, 1), (1, 1), (11, 6)], ids=str)
@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=["fp32", "fp64"])
def test_sources_come_back_from_the_full_output(
    task: str, size: tuple[int, int], dtype: torch.dtype, share: float
) -> None:
    inputs, outputs, channels = TASKS[task]
    network = copy.deepcopy(trained_for(task)).to(dtype)
    x = torch.rand(2, sum(inputs), *size, dtype=dtype, generator=torch.Generator().manual_seed(1))
    latent = network(x)
    assert latent.shape == (2, channels, *size)
    assert network.channels == channels
    assert not torch.allclose(latent, network.tile(x), atol=1e-2)  # the identity would pass this test
    back = network.inverse(latent)
    assert back.shape == x.shape
    assert float((back - x).abs().max()) <= share
    images = network.images(latent)
    assert images.shape == (2, sum(outputs), *size)
    assert torch.equal(network.synthesize(x), images)
    assert 0 <= float(images.min()) <= float(images.max()) <= 1


@pytest.mark.parametrize("split", ["one", "halves"])
def test_log_determinant_is_that_of_the_jacobian(split: str) -> None:
    network = trained(make((1, 1), (3,), split=split)).double()
    x = torch.rand(1, 6, 2, 3, dtype=torch.float64)
    y, log_determinant = network.flow.forward_and_log_determinant(x)
    jacobian = torch.autograd.functional.jacobian(network.flow, x).reshape(36, 36)
    expected = torch.linalg.slogdet(jacobian).logabsdet
    assert abs(float(expected)) > 1e-3
    torch.testing.assert_close(log_determinant[0], expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(y, network.flow(x), rtol=1e-12, atol=1e-12)


def test_copies_are_arranged_as_in_the_paper() -> None:
    """X = (T1, T2, T1, T2, T1, T2) and Y = (R, G, B, R, G, B)."""
    network = make((1, 1), (3,))
    t1, t2 = torch.full((1, 1, 2, 2), 0.1), torch.full((1, 1, 2, 2), 0.2)
    tiled = network.tile(torch.cat((t1, t2), 1))
    torch.testing.assert_close(tiled[0, :, 0, 0], torch.tensor([0.1, 0.2, 0.1, 0.2, 0.1, 0.2]))
    latent = torch.tensor([0.0, 0.2, 0.4, 0.2, 0.4, 0.8]).view(1, 6, 1, 1)
    torch.testing.assert_close(network.images(latent).flatten(), torch.tensor([0.1, 0.3, 0.6]))
    assert torch.equal(network.tile(torch.arange(3.0).view(1, 3, 1, 1)).flatten(), torch.tensor([0.0, 1, 2, 0, 1, 2]))


@pytest.mark.parametrize(("inputs", "outputs", "copies", "channels"), MORE_COPIES)
@pytest.mark.parametrize("split", ["one", "halves"])
@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=["fp32", "fp64"])
def test_more_copies_are_tiled_come_back_and_are_all_averaged(
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
    copies: int,
    channels: int,
    split: str,
    dtype: torch.dtype,
    share: float,
) -> None:
    network = trained(make(inputs, outputs, copies=copies, split=split)).to(dtype)
    x = torch.rand(1, sum(inputs), 7, 5, dtype=dtype)
    latent = network(x)
    assert latent.shape == (1, channels, 7, 5)
    assert float((network.inverse(latent) - x).abs().max()) <= share
    for number in range(sum(outputs)):
        torch.testing.assert_close(network.mean_of_copies(latent)[:, number], latent[:, number :: sum(outputs)].mean(1))
    assert torch.equal(network.tile(x)[:, -sum(inputs) :], x)
    again = Ivan(IvanConfiguration(**network.configuration.to_json())).to(dtype)
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(again(x), latent)


def test_one_copy_is_meant_where_a_card_of_before_says_nothing_of_them() -> None:
    told = {name: value for name, value in TINY.to_json().items() if name != "copies"}
    assert IvanConfiguration(**told) == TINY
    assert TINY.channels == 2


def test_images_are_clamped_after_the_mean_and_the_latent_is_not() -> None:
    network = make((1, 1), (1,))
    assert float(network.images(torch.tensor([1.4, 0.4]).view(1, 2, 1, 1))) == pytest.approx(0.9)
    assert float(network.images(torch.tensor([-3.0, 1.0]).view(1, 2, 1, 1))) == 0


def test_default_starts_as_the_identity_so_that_the_target_is_the_mean_of_the_sources() -> None:
    network = Ivan(dataclasses.replace(PRESETS["default"], growth=4))
    x = torch.rand(1, 2, 6, 5)
    torch.testing.assert_close(network(x), x)
    torch.testing.assert_close(network.synthesize(x), x.mean(1, keepdim=True))


def test_targets_alone_give_the_inverse_of_their_copies_and_less_than_the_full_output() -> None:
    network = trained(make((1, 1), (1,)), steps=20)
    x = torch.rand(1, 2, 16, 16)
    latent = network(x)
    assert float((latent[:, :1] - latent[:, 1:]).abs().max()) > 1e-2  # what the mean loses
    images = latent.mean(1, keepdim=True)
    alone = network.sources_from_images(images)
    torch.testing.assert_close(alone, network.flow.inverse(torch.cat((images, images), 1)))
    error = functional.mse_loss(alone, x)
    assert error > 1e4 * functional.mse_loss(network.inverse(latent), x)
    # Were the copies equal, the targets would tell all.
    equal = torch.cat((images, images), 1)
    torch.testing.assert_close(network.inverse(equal), alone)


def test_dense_block_is_five_convolutions_of_all_maps_before() -> None:
    block = DenseBlock(2, 3, 4).double()
    x = torch.randn(1, 2, 6, 5, dtype=torch.float64)
    maps = [x]
    for convolution in block.grow:
        z = functional.conv2d(torch.cat(maps, 1), convolution.weight, convolution.bias, padding=1)
        maps.append(torch.where(z > 0, z, 0.2 * z))
    expected = functional.conv2d(torch.cat(maps, 1), block.last.weight, block.last.bias, padding=1)
    assert len(block.grow) == 4
    torch.testing.assert_close(block(x), expected)


class _Halves(nn.Module):
    """FrEIA's affine coupling takes one network for scale and shift; iVAN has two."""

    def __init__(self, coupling: EnhancedCoupling) -> None:
        super().__init__()
        self.coupling = coupling

    def forward(self, n1: Tensor) -> Tensor:
        return torch.cat((self.coupling.s(n1), self.coupling.t(n1)), 1)


def test_the_affine_half_and_the_convolution_are_freias() -> None:
    """FrEIA has no enhanced coupling; with r = 0 it is FrEIA's one-sided affine coupling, behind a 1×1 convolution."""
    torch.manual_seed(0)
    network = trained(make((1, 1, 1, 1), (1,), blocks=1, start_as_identity=False)).double()
    convolution, coupling = list(network.flow)
    assert isinstance(convolution, InvertibleConvolution)
    assert isinstance(coupling, EnhancedCoupling)
    for parameter in coupling.r.parameters():
        nn.init.zeros_(parameter)

    def clamp(s: Tensor) -> Tensor:
        return 2 * torch.sigmoid(s) - 1

    subnet: Callable[[int, int], nn.Module] = lambda c_in, c_out: _Halves(coupling)  # noqa: E731
    nodes = [freia_framework.InputNode(4, 6, 5, name="in")]
    nodes.append(freia_framework.Node(nodes[-1], freia.Fixed1x1Conv, {"M": convolution.matrix.T}, name="mix"))
    arguments = {"subnet_constructor": subnet, "clamp": 0.8, "clamp_activation": clamp}
    nodes.append(freia_framework.Node(nodes[-1], freia.AffineCouplingOneSided, arguments, name="couple"))
    nodes.append(freia_framework.OutputNode(nodes[-1], name="out"))
    graph = freia_framework.GraphINN(nodes, verbose=False).double()
    x = torch.rand(2, 4, 6, 5, dtype=torch.float64)
    theirs, log_determinant = graph(x)
    ours, ours_log_determinant = network.flow.forward_and_log_determinant(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(network.flow.inverse(x), graph(x, rev=True)[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(ours_log_determinant, log_determinant, rtol=1e-8, atol=1e-8)


def test_same_seed_gives_the_same_network_and_leaves_the_global_generator_alone() -> None:
    paper = dataclasses.replace(PRESETS["paper"], growth=3)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = Ivan(paper, 3), Ivan(paper, 3), Ivan(paper, 4)
    assert torch.equal(torch.rand(1), expected)
    states = [network.state_dict() for network in (first, second, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["flow.layers.0.lower"], states[2]["flow.layers.0.lower"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"copies": 0},
        {"blocks": 0},
        {"growth": 0},
        {"clamp": 0.0},
        {"inputs": ()},
        {"outputs": (2,)},
        {"split": "thirds"},
    ],
    ids=str,
)
def test_senseless_configurations_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        IvanConfiguration(**wrong)  # type: ignore[arg-type]
