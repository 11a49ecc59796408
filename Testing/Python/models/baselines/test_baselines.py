"""The networks of others: their published sizes, any slice size, and finite results where a naive one fails."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from InvertibleFusionLib.models.baselines.deepfuse import DeepFuse
from InvertibleFusionLib.models.baselines.funfusean import FunFuseAn
from InvertibleFusionLib.models.baselines.half_unet import HalfUNet
from InvertibleFusionLib.models.baselines.hi_net import HiNet
from InvertibleFusionLib.models.baselines.monai_networks import NestedUNet, PatchDiscriminator, UNet

BASELINES: list[Callable[..., nn.Module]] = [DeepFuse, FunFuseAn, HalfUNet, HiNet, UNet, NestedUNet]
every_baseline = pytest.mark.parametrize("baseline", BASELINES)


def slices(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def convolution(kernel: int, channels_in: int, channels_out: int) -> int:
    """Weights and biases, and the two of the batch normalisation behind."""
    return kernel**2 * channels_in * channels_out + 3 * channels_out


def ghost(channels_in: int, channels_out: int) -> int:
    """Convolution to half, one kernel for each of these, biases, and the batch normalisation of all."""
    half = channels_out // 2
    return (9 * channels_in * half + half) + (9 * half + half) + 2 * channels_out


@pytest.mark.parametrize(
    ("baseline", "parameters"),
    [
        (DeepFuse, 89_155),  # counted on nish03/FusionINN, FusionModels/DeepFuse/deepfuse_train.py
        (FunFuseAn, 122_209),  # counted on nish03/FusionINN, FusionModels/FunFuseAn/FunFuseAn_train.py
        (HiNet, 3_872_259),  # counted on taozh2017/HiNet, model/syn_model.py, 32 channels
        (HalfUNet, ghost(2, 64) + 11 * ghost(64, 64) + 65),
    ],
)
def test_size_is_that_of_the_published_network(baseline: Callable[..., nn.Module], parameters: int) -> None:
    assert size(baseline()) == parameters


def test_half_unet_is_as_small_as_its_paper_says() -> None:
    """At least 98.6 % fewer parameters than the U-Net with 64 to 1024 channels (31.04 million)."""
    assert size(HalfUNet()) <= (1 - 0.986) * 31_037_633


@pytest.mark.parametrize("width", [8, 16])
def test_size_follows_the_width(width: int) -> None:
    expected = convolution(5, 1, width) + convolution(7, width, 2 * width) + convolution(7, 2 * width, 2 * width)
    assert size(DeepFuse(width)) == expected + convolution(5, 2 * width, width) + convolution(5, width, 1)


@every_baseline
@pytest.mark.parametrize("shape", [(33, 27), (1, 40), (1, 1), (32, 48)])
def test_any_size_gives_an_image_of_that_size_in_training_too(
    baseline: Callable[..., nn.Module], shape: tuple[int, int]
) -> None:
    network = baseline(4)
    batch = 2  # batch normalisation wants more than one value to a channel
    for mode in (network.train(), network.eval()):
        image = mode(slices(batch, 2, *shape)).detach()
        assert image.shape == (batch, 1, *shape)
        assert 0 <= float(image.min()) <= float(image.max()) <= 1


@every_baseline
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_slices_give_finite_images_and_gradients(baseline: Callable[..., nn.Module], value: float) -> None:
    network = baseline(4)
    image = network(torch.full((1, 2, 33, 20), value))
    assert bool(torch.isfinite(image).all())
    image.square().sum().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in network.parameters() if p.grad is not None)


@every_baseline
def test_both_sources_count(baseline: Callable[..., nn.Module]) -> None:
    network, sources = baseline(4).eval(), slices(1, 2, 32, 32)
    for number in range(2):
        changed = sources.clone()
        changed[:, number] = 1 - changed[:, number]
        assert not torch.allclose(network(changed), network(sources), atol=1e-5)


def test_deepfuse_does_not_care_about_the_order_of_the_sources() -> None:
    network, sources = DeepFuse(4).eval(), slices(1, 2, 20, 20)
    torch.testing.assert_close(network(sources.flip(1)), network(sources))


def test_funfusean_stays_finite_where_the_features_cancel() -> None:
    """maximum / sum, with a sum of 0 in every pixel."""
    network = FunFuseAn(4).eval()
    nn.init.zeros_(network.fine_first[-1][0].weight)
    nn.init.zeros_(network.fine_second[-1][0].weight)
    nn.init.zeros_(network.fine_first[-1][0].bias)
    nn.init.zeros_(network.fine_second[-1][0].bias)
    image = network(slices(1, 2, 12, 12))
    assert bool(torch.isfinite(image).all())
    image.sum().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("sources", [1, 3])
@every_baseline
def test_another_number_of_sources_is_not_quietly_cut(baseline: Callable[..., nn.Module], sources: int) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        baseline(4)(slices(1, sources, 32, 32))


@every_baseline
def test_gradients_flow_to_every_parameter(baseline: Callable[..., nn.Module]) -> None:
    network = baseline(4)
    if isinstance(network, HiNet):
        image, again = network.with_reconstructions(slices(2, 2, 32, 32))
        ((image - 0.3).square().sum() + (again - 0.3).square().sum()).backward()
    else:
        (network(slices(2, 2, 32, 32)) - 0.3).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        if parameter.ndim == 4:  # a bias before a normalisation has no effect
            assert float(parameter.grad.abs().max()) > 0, name


def test_hi_net_reconstructs_each_source_from_its_own_encoder() -> None:
    network, sources = HiNet(4).eval(), slices(1, 2, 33, 20)
    image, again = network.with_reconstructions(sources)
    assert again.shape == sources.shape
    torch.testing.assert_close(image, network(sources))
    changed = sources.clone()
    changed[:, 1] = 0
    _, other = network.with_reconstructions(changed)
    assert torch.equal(other[:, 0], again[:, 0])
    assert not torch.equal(other[:, 1], again[:, 1])


@every_baseline
def test_same_seed_gives_the_same_network_and_leaves_the_global_generator_alone(
    baseline: Callable[..., nn.Module],
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = baseline(4, seed=1), baseline(4, seed=1), baseline(4, seed=2)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


@every_baseline
def test_reduced_width_is_several_times_smaller(baseline: Callable[..., nn.Module]) -> None:
    assert 3 * size(baseline(baseline.reduced_width)) < size(baseline())  # type: ignore[attr-defined]


def test_the_patch_discriminator_judges_patches_of_any_slice() -> None:
    """70×70 pixels a patch with three layers: 256² gives 30×30 verdicts (Isola et al., appendix 6.1)."""
    network = PatchDiscriminator(3, width=2)
    assert network(slices(1, 2, 256, 256), slices(1, 1, 256, 256)).shape == (1, 1, 30, 30)
    assert bool(torch.isfinite(network(slices(2, 2, 5, 40), slices(2, 1, 5, 40))).all())
