import dataclasses

import pytest
import torch
from torch import Tensor

from InvertibleFusionLib.errors import ConfigurationError, InferenceError
from InvertibleFusionLib.models.discriminator import DISCRIMINATOR_PRESETS, Discriminator, DiscriminatorConfiguration


def tiny(preset: str = "default", seed: int = 0, **changes: object) -> Discriminator:
    return Discriminator(dataclasses.replace(DISCRIMINATOR_PRESETS[preset], base_channels=2, **changes), seed)


def slices(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sources", [1, 2, 3])
@pytest.mark.parametrize(("preset", "widths"), [("default", [64, 128, 256, 512]), ("paper", [64, 128, 256, 512, 1024])])
def test_size_is_that_of_the_layers(preset: str, widths: list[int], sources: int) -> None:
    expected, channels = 0, sources + 1
    for number, width in enumerate(widths):
        expected += 16 * channels * width + width + (2 * width if number else 0)
        channels = width
    with torch.device("meta"):
        network = Discriminator(dataclasses.replace(DISCRIMINATOR_PRESETS[preset], sources=sources))
    size = sum(parameter.numel() for parameter in network.parameters())
    assert size == expected + channels + 1
    assert round(size / 1e6, 1) == {"default": 2.8, "paper": 11.2}[preset]


@pytest.mark.parametrize("preset", list(DISCRIMINATOR_PRESETS))
@pytest.mark.parametrize("shape", [(1, 1), (33, 27), (1, 70), (64, 64)])
@pytest.mark.parametrize("sources", [1, 2, 4])
def test_any_size_is_judged_in_training_too(preset: str, shape: tuple[int, int], sources: int) -> None:
    """A single slice whose last feature map were one pixel would make batch normalisation fail."""
    network = tiny(preset, sources=sources).train()
    logits = network(slices(1, sources, *shape), slices(1, 1, *shape, seed=1))
    assert logits.shape[:2] == (1, 1)
    assert bool(torch.isfinite(logits).all())
    if preset == "paper":
        assert logits.shape == (1, 1, 1, 1)


def test_patches_average_to_the_verdict_on_the_image() -> None:
    patches, image = tiny(), tiny(verdict="image")
    sources, target = slices(2, 2, 64, 48), slices(2, 1, 64, 48, seed=1)
    assert patches(sources, target).shape == (2, 1, 4, 3)
    torch.testing.assert_close(patches(sources, target).mean((2, 3)), image(sources, target).flatten(1))


def test_sources_and_target_both_count() -> None:
    network = tiny().eval()
    sources, target = slices(1, 2, 32, 32), slices(1, 1, 32, 32, seed=1)
    logits = network(sources, target)
    assert not torch.allclose(network(sources.flip(1), target), logits)
    assert not torch.allclose(network(sources, 1 - target), logits)


def test_content_of_a_missing_source_is_not_read() -> None:
    network = tiny().eval()
    sources, target = slices(1, 2, 32, 32), slices(1, 1, 32, 32, seed=1)
    present = torch.tensor([[True, False]])
    expected = network(sources, target, present)
    sources[:, 1] = torch.nan
    assert torch.equal(network(sources, target, present), expected)
    with pytest.raises(InferenceError, match="At least one"):
        network(sources, target, torch.zeros(1, 2, dtype=torch.bool))


def test_gradients_reach_every_parameter_and_the_target() -> None:
    network = tiny(normalization="instance")
    target = slices(2, 1, 64, 64, seed=1).requires_grad_()
    network(slices(2, 2, 64, 64), target).square().sum().backward()
    assert target.grad is not None
    assert float(target.grad.abs().max()) > 0
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_same_seed_gives_the_same_discriminator() -> None:
    pairs = zip(tiny(seed=1).parameters(), tiny(seed=1).parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(next(tiny(seed=1).parameters()), next(tiny(seed=2).parameters()))


@pytest.mark.parametrize("wrong", [{"sources": 0}, {"blocks": 0}, {"kernel": 5}, {"normalization": "layer"}])
def test_senseless_configurations_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        DiscriminatorConfiguration(**wrong)  # type: ignore[arg-type]
