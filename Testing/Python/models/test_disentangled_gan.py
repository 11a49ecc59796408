"""The generator: published sizes, any slice size, missing sources, and what would go wrong unseen."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from InvertibleFusionLib.errors import ConfigurationError, InferenceError
from InvertibleFusionLib.models.disentangled_gan import PRESETS, DisentangledGANConfiguration, DisentangledGenerator

EVERY_SUBSET_OF_THREE = [[bool(subset & bit) for bit in (1, 2, 4)] for subset in range(1, 8)]


def tiny(preset: str = "default", sources: int = 2, seed: int = 0, **changes: object) -> DisentangledGenerator:
    settings = {"sources": sources, "base_channels": 4, "residual_blocks": 2, **changes}
    return DisentangledGenerator(dataclasses.replace(PRESETS[preset], **settings), seed)


def without_weights(preset: str, sources: int) -> DisentangledGenerator:
    with torch.device("meta"):
        return DisentangledGenerator(dataclasses.replace(PRESETS[preset], sources=sources))


def slices(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize(
    ("sources", "fusion", "cat_conv", "generator"),
    [(1, 8, 590_080, 15_228_433), (2, 12, 1_179_904, 21_197_845), (3, 16, 1_769_728, 27_167_257)],
)
def test_every_part_has_the_published_size(
    preset: str, sources: int, fusion: int, cat_conv: int, generator: int
) -> None:
    network = without_weights(preset, sources)
    assert parameters(network.local_adaptive_fusion) == fusion
    assert [parameters(encoder) for encoder in network.shared_encoders] == [5_379_584] * sources
    assert parameters(network.cat_conv) == cat_conv
    assert parameters(network.specific_encoder.convolutions) + parameters(network.specific_encoder.compression) == (
        2_758_664
    )
    # 8 → 256 → 256 → a mean and a deviation of 256 channels for each of 8 AdaIN layers
    assert parameters(network.specific_encoder.linear) == 9 * 256 + 257 * 256 + 257 * 2 * 8 * 256
    assert parameters(network.decoder) == 5_379_329
    assert parameters(network) == generator


def test_small_preset_fits_into_eight_megabytes_in_half_precision() -> None:
    assert 2 * parameters(without_weights("small", sources=3)) <= 8_000_000


@pytest.mark.parametrize("sources", [1, 2, 3])
def test_multiply_adds_agree_with_what_torch_counts(sources: int) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = without_weights("default", sources)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.whole(torch.zeros(1, sources, 256, 256, device="meta"))
    once = parameters(network.specific_encoder.linear) + parameters(network.specific_encoder.compression)
    biases = 2 * 256 + 4096 + 8
    fusion = sources * 256 * 256  # a product and a sum of tensors, which torch does not count
    expected = counter.get_total_flops() // 2 - (once - biases) + fusion
    assert network.multiply_adds_per_pixel() == expected / 256**2
    if sources == 2:
        assert round(network.multiply_adds_per_pixel() / 1e6, 2) == 1.25


def test_shapes_of_the_stages_are_those_of_the_paper() -> None:
    network = without_weights("paper", 2)
    shapes: dict[str, torch.Size] = {}
    for name, module in (("SRE", network.shared_encoders[1]), ("Cat-Conv", network.cat_conv)):
        module.register_forward_hook(lambda _module, _inputs, output, name=name: shapes.update({name: output.shape}))
    synthesis = network.inspect(torch.zeros(3, 2, 256, 256, device="meta"))
    assert shapes == {"SRE": (3, 256, 64, 64), "Cat-Conv": (3, 256, 64, 64)}
    assert synthesis.pseudo_target.shape == synthesis.image.shape == (3, 1, 256, 256)
    assert synthesis.mean.shape == synthesis.standard_deviation.shape == (3, 8, 256)


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("sources", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(33, 27), (1, 40), (1, 1), (17, 3), (24, 64)])
def test_any_size_and_number_of_sources_gives_an_image_of_that_size(
    preset: str, sources: int, shape: tuple[int, int]
) -> None:
    image = tiny(preset, sources)(slices(2, sources, *shape)).detach()
    assert image.shape == (2, 1, *shape)
    assert float(image.min()) >= 0
    assert float(image.max()) <= 1


@pytest.mark.parametrize("changes", [{"padding": "reflect"}, {"grid": 16}, {"activation": "relu"}])
def test_settings_that_depend_on_the_size_take_the_smallest_slices(changes: dict[str, object]) -> None:
    assert bool(torch.isfinite(tiny(**changes)(slices(1, 2, 1, 5))).all())


def test_padding_does_not_change_what_needs_none_and_crops_at_the_end() -> None:
    """A slice is the first rows and columns of its mirrored self."""
    network = tiny(fusion_weights="blocks", grid=1)
    odd = slices(1, 2, 22, 30)
    mirrored = torch.from_numpy(np.pad(odd.numpy(), ((0, 0), (0, 0), (0, 2), (0, 2)), "reflect"))
    expected = network.whole(mirrored).image[..., :22, :30]
    torch.testing.assert_close(network.whole(odd).image, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 40.0])
def test_constant_slices_give_finite_images_and_gradients(preset: str, value: float) -> None:
    """Instance normalisation divides by a deviation that is 0 here."""
    network = tiny(preset)
    image = network(torch.full((1, 2, 20, 20), value))
    assert bool(torch.isfinite(image).all())
    (image - 0.5).square().sum().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in network.parameters() if p.grad is not None)


def test_one_constant_source_among_others_is_taken() -> None:
    sources = slices(1, 3, 20, 20)
    sources[:, 1] = 0
    assert bool(torch.isfinite(tiny(sources=3)(sources)).all())


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("present", EVERY_SUBSET_OF_THREE)
def test_content_of_a_missing_source_never_reaches_the_output(preset: str, present: list[bool]) -> None:
    network = tiny(preset, sources=3).eval()
    mask = torch.tensor([present])
    sources = slices(1, 3, 18, 21)
    expected = network.inspect(sources, mask)
    assert bool(torch.isfinite(expected.image).all())
    for junk in (float("nan"), float("inf"), 1e30, 0.0):
        changed = sources.clone()
        changed[~mask] = junk
        got = network.inspect(changed, mask)
        for field in dataclasses.fields(got):
            assert torch.equal(getattr(got, field.name), getattr(expected, field.name)), field.name


def test_the_encoder_of_a_missing_source_never_reaches_the_output() -> None:
    """It would give the features of a black slice, which is something else than none."""
    network, sources, present = tiny(sources=3), slices(1, 3, 20, 20), torch.tensor([[True, False, True]])
    expected = network(sources, present)
    for parameter in network.shared_encoders[1].parameters():
        torch.nn.init.normal_(parameter)
    assert torch.equal(network(sources, present), expected)


def test_pseudo_target_of_a_subset_starts_as_the_mean_of_those_present() -> None:
    sources = slices(1, 3, 20, 20)
    pseudo_target = tiny(sources=3).inspect(sources, torch.tensor([[True, False, True]])).pseudo_target
    torch.testing.assert_close(pseudo_target[0, 0], (sources[0, 0] + sources[0, 2]) / 2)


def test_a_present_source_does_reach_the_output() -> None:
    network = tiny(sources=3).eval()
    sources = slices(1, 3, 20, 20)
    for number in range(3):
        changed = sources.clone()
        changed[:, number] = slices(1, 20, 20, seed=number + 1)
        assert float((network(changed) - network(sources)).detach().abs().max()) > 1e-3


def test_presence_of_all_is_the_same_as_none_given() -> None:
    network, sources = tiny(sources=3), slices(2, 3, 20, 20)
    torch.testing.assert_close(network(sources, torch.ones(2, 3, dtype=torch.bool)), network(sources))


def test_each_slice_of_a_batch_has_its_own_missing_sources() -> None:
    network, sources = tiny(sources=3), slices(7, 3, 20, 24)
    present = torch.tensor(EVERY_SUBSET_OF_THREE)
    together = network(sources, present)
    for number in range(7):
        one = slice(number, number + 1)
        torch.testing.assert_close(together[one], network(sources[one], present[one]), rtol=1e-4, atol=1e-5)


def test_no_source_at_all_is_refused_in_words() -> None:
    present = torch.tensor([[True, False], [False, False]])
    with pytest.raises(InferenceError, match=r"1 of 2 slices have none of their 2 sources.*slice 1"):
        tiny()(slices(2, 2, 16, 16), present)


@pytest.mark.parametrize(
    "present", [torch.ones(2, 3, dtype=torch.bool), torch.ones(1, 2), torch.ones(2, dtype=torch.bool)]
)
def test_a_presence_that_does_not_fit_is_refused(present: Tensor) -> None:
    with pytest.raises(InferenceError, match="booleans"):
        tiny()(slices(1, 2, 16, 16), present)


def test_another_number_of_sources_is_refused() -> None:
    with pytest.raises(InferenceError, match="mark it as not present"):
        tiny(sources=3)(slices(1, 2, 16, 16))


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_gradients_flow_to_every_parameter(preset: str) -> None:
    network = tiny(preset)
    synthesis = network.inspect(slices(2, 2, 32, 32))
    (synthesis.image - slices(2, 1, 32, 32, seed=1)).square().sum().backward()
    normalized = {"shared_encoders": "bias", "decoder.blocks": "bias"}  # a normalisation right behind takes these away
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        if not any(name.startswith(start) and name.endswith(end) for start, end in normalized.items()):
            assert float(parameter.grad.abs().max()) > 1e-9, name


def test_the_pseudo_target_alone_teaches_the_fusion_alone() -> None:
    network = tiny()
    network.inspect(slices(1, 2, 20, 20)).pseudo_target.sum().backward()
    learning = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert learning == {"local_adaptive_fusion.weight", "local_adaptive_fusion.bias"}


def test_inspection_shows_what_the_image_was_made_with() -> None:
    network, sources = tiny(), slices(1, 2, 24, 28)
    synthesis = network.inspect(sources)
    torch.testing.assert_close(synthesis.image, network(sources))
    torch.testing.assert_close(synthesis.pseudo_target, sources.mean(dim=1, keepdim=True))  # as it starts
    assert float(synthesis.standard_deviation.detach().min()) > 0
    with torch.no_grad():
        network.local_adaptive_fusion.bias += 0.4
    assert not torch.equal(network.inspect(sources).mean, synthesis.mean)


@pytest.mark.parametrize(("preset", "lowest"), [("default", 0.0), ("paper", -1.0)])
def test_encoders_see_the_range_of_the_preset_and_laf_the_slices_themselves(preset: str, lowest: float) -> None:
    network = tiny(preset, start_as_mean=True)
    seen: list[Tensor] = []
    for encoder in (*network.shared_encoders, network.specific_encoder):
        encoder.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach()))
    sources = (slices(1, 1, 20, 20) > 0.5).float().repeat(1, 2, 1, 1)
    synthesis = network.inspect(sources)
    torch.testing.assert_close(synthesis.pseudo_target, sources[:, :1])
    for each in seen:
        assert (float(each.min()), float(each.max())) == pytest.approx((lowest, 1.0))


def test_paper_preset_leaves_the_deviation_unbounded() -> None:
    assert float(tiny("paper").inspect(slices(1, 2, 24, 28)).standard_deviation.detach().min()) < 0


@pytest.mark.parametrize("preset", list(PRESETS))
def test_same_seed_gives_the_same_network_and_leaves_the_global_generator_alone(preset: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = tiny(preset, seed=3), tiny(preset, seed=3), tiny(preset, seed=4)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    image = first(slices(1, 2, 20, 20))
    assert torch.equal(image, second(slices(1, 2, 20, 20)))
    assert not torch.equal(image, other(slices(1, 2, 20, 20)))


def test_shared_encoders_do_not_share_their_weights() -> None:
    first, second = tiny().shared_encoders
    assert not any(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("preset", list(PRESETS))
def test_configuration_survives_json(preset: str) -> None:
    text = json.dumps(PRESETS[preset].to_json())
    assert DisentangledGANConfiguration(**json.loads(text)) == PRESETS[preset]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sources": 0},
        {"base_channels": 0},
        {"grid": 3},
        {"specific_channels": ()},
        {"specific_channels": (1, 0)},
        {"fusion_weights": "smooth"},
        {"deviation": "any"},
        {"activation": "gelu"},
        {"padding": "circular"},
        {"intensity_range": "any"},
    ],
)
def test_senseless_configurations_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        DisentangledGANConfiguration(**wrong)  # type: ignore[arg-type]
