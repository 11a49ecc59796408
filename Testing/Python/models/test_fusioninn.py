import dataclasses

import numpy as np
import pytest
import torch

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.freia_graph import freia_graph
from InvertibleFusionLib.models.cost import multiply_adds_per_pixel
from InvertibleFusionLib.models.fusioninn import PRESETS, FusionINN, FusionINNConfiguration, sample_prior


def trained_like(preset: str, seed: int = 1) -> FusionINN:
    """A network whose every weight is off its start, so that nothing is the identity."""
    network = FusionINN(PRESETS[preset], seed)
    torch.manual_seed(seed)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.06)
    return network.eval().requires_grad_(False)


def test_paper_preset_has_the_published_size() -> None:
    network = FusionINN(PRESETS["paper"])
    assert sum(p.numel() for p in network.parameters()) == 17_564
    assert multiply_adds_per_pixel(network) == 6_912


def test_multiply_adds_agree_with_what_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = FusionINN(PRESETS["paper"])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 2, 48, 32))
    assert counter.get_total_flops() == 2 * multiply_adds_per_pixel(network) * 48 * 32


def test_paper_preset_ends_its_subnetworks_in_a_relu_and_default_does_not() -> None:
    x = torch.randn(1, 2, 8, 8)
    for preset, only_expands in (("paper", True), ("default", False)):
        network = trained_like(preset)
        coupling = list(network.flow)[1]
        outputs = coupling.subnet1(x[:, :1])
        assert bool((outputs >= 0).all()) is only_expands


def test_default_starts_as_a_chessboard_of_both_sources() -> None:
    x = torch.stack((torch.full((6, 4), 1.0), torch.full((6, 4), 2.0)))[None]
    y = FusionINN(PRESETS["default"])(x)[0]
    row, column = np.indices((6, 4))
    chessboard = torch.from_numpy(np.where((row + column) % 2, 1.0, 2.0)).float()
    assert torch.equal(y[0], chessboard) or torch.equal(y[0], 3 - chessboard)
    assert torch.equal(y[1], 3 - y[0])


def test_default_starts_as_a_reordering_of_its_input() -> None:
    x = torch.rand(1, 2, 6, 6)
    y = FusionINN(PRESETS["default"])(x)
    torch.testing.assert_close(y.flatten().sort().values, x.flatten().sort().values)


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("shape", [(1, 2, 240, 240), (2, 2, 2, 2), (1, 2, 18, 34)])
def test_whole_network_is_the_official_graph_in_both_directions(preset: str, shape: tuple[int, ...]) -> None:
    network = trained_like(preset).double()
    graph = freia_graph(network, shape[2], shape[3]).double()
    x = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (y, z), log_determinant = graph(x)
    latent, ours = network.flow.forward_and_log_determinant(x)
    torch.testing.assert_close(latent, torch.cat((y, z), 1), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(network(x), latent, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours, log_determinant, rtol=1e-10, atol=1e-10)
    back, _ = graph([x[:, :1], x[:, 1:]], rev=True)
    torch.testing.assert_close(network.inverse(x), back, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("preset", "dtype", "error"),
    [(preset, *pair) for preset in PRESETS for pair in ((torch.float32, 1e-4), (torch.float64, 1e-11))],
)
def test_true_inverse_gives_the_sources_back(preset: str, dtype: torch.dtype, error: float) -> None:
    network = trained_like(preset).to(dtype)
    x = torch.rand(1, 2, 64, 48, dtype=dtype)
    latent = network(x)
    mean, spread = network.decompose(torch.full_like(latent[:, :1], torch.nan), latent)  # the image is not read
    assert spread is None
    assert float((mean - x).abs().max()) < error


def test_paper_feeds_the_image_itself_and_puts_a_second_sigmoid_behind() -> None:
    network = trained_like("paper")
    image, z = torch.rand(1, 1, 8, 8), torch.randn(1, 1, 8, 8)
    expected = torch.sigmoid(network.flow.inverse(torch.cat((image, z), 1)))
    torch.testing.assert_close(network.sources_from_image(image, z), expected)


def test_default_feeds_the_logit_so_that_the_true_z_gives_the_true_sources() -> None:
    network = trained_like("default").double()
    x = torch.rand(1, 2, 16, 16, dtype=torch.float64)
    latent = network(x)
    torch.testing.assert_close(
        network.sources_from_image(network.image(latent), latent[:, 1:]), x, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_images_decompose_to_finite_values(value: float) -> None:
    """logit(0) and logit(1) are infinite; NaN would appear in the reverse direction only."""
    mean, spread = trained_like("default").decompose(torch.full((1, 1, 8, 8), value), samples=3)
    assert spread is not None
    assert bool(torch.isfinite(mean).all() and torch.isfinite(spread).all())


@pytest.mark.parametrize(("samples", "degrees"), [(5, 4), (6, 6)])
def test_mean_and_spread_are_those_of_mirrored_samples(samples: int, degrees: int) -> None:
    network = trained_like("default")
    image = torch.rand(2, 1, 8, 6)
    mean, spread = network.decompose(image, samples=samples, seeds=[7, 8])
    assert spread is not None
    for entry, seed in enumerate((7, 8)):
        generator = torch.Generator().manual_seed(seed)
        pairs = [torch.randn(1, 1, 8, 6, generator=generator) for _ in range(3)]
        draws = np.stack(
            [
                network.sources_from_image(image[entry : entry + 1], sign * z)[0].numpy()
                for z in pairs
                for sign in (1, -1)
            ][:samples]
        )
        np.testing.assert_allclose(mean[entry], draws.mean(axis=0), rtol=1e-4, atol=1e-5)
        expected = np.sqrt(((draws - draws.mean(axis=0)) ** 2).sum(axis=0) / degrees)
        np.testing.assert_allclose(spread[entry], expected, rtol=1e-3, atol=1e-5)


def test_mirrored_samples_find_mean_and_spread_of_a_linear_way_back() -> None:
    """x = image ± .3·z: two draws give the mean exactly, many the spread, neither too small nor too large."""
    network = trained_like("default")
    network.sources_from_image = lambda image, z: torch.cat((image + 0.3 * z, image - 0.3 * z), 1)  # type: ignore[method-assign]
    image = torch.rand(1, 1, 100, 100)
    mean, spread = network.decompose(image, samples=8)
    torch.testing.assert_close(mean, image.repeat(1, 2, 1, 1))
    assert spread is not None
    assert float(spread.square().mean().sqrt()) == pytest.approx(0.3, rel=0.02)


def test_single_sample_has_no_spread() -> None:
    assert trained_like("default").decompose(torch.rand(1, 1, 4, 4), samples=1)[1] is None


def test_priors_are_what_they_are_called() -> None:
    draw = {
        prior: sample_prior(prior, (200, 200), torch.Generator().manual_seed(0))
        for prior in ("normal", "uniform", "zero", "one")
    }
    assert abs(float(draw["normal"].mean())) < 0.02
    assert abs(float(draw["normal"].std()) - 1) < 0.02
    assert 0 <= float(draw["uniform"].min()) < 0.01 < 0.99 < float(draw["uniform"].max()) <= 1
    assert float(draw["zero"].abs().max()) == 0
    assert float(draw["one"].min()) == float(draw["one"].max()) == 1


def test_same_seed_gives_the_same_network_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = FusionINN(seed=3), FusionINN(seed=3)
    assert torch.equal(torch.rand(1), expected)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("blocks", [1, 2, 4, 5])
def test_other_numbers_of_blocks_are_invertible_too(blocks: int) -> None:
    network = FusionINN(dataclasses.replace(PRESETS["paper"], blocks=blocks)).double()
    x = torch.rand(1, 2, 6, 10, dtype=torch.float64)
    torch.testing.assert_close(network.inverse(network(x)), x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("wrong", [{"blocks": 0}, {"hidden": 0}, {"clamp": 0.0}])
def test_senseless_configurations_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        FusionINNConfiguration(**wrong)  # type: ignore[arg-type]
