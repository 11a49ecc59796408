"""The losses of FusionINN against torch's densities, scikit-image and formulas written out in numpy."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.models.fusioninn import FusionINN, FusionINNConfiguration
from InvertibleFusionLib.training.fusioninn_objective import FusionINNObjective
from InvertibleFusionLib.training.losses import (
    LossWeights,
    dissimilarity,
    multiscale_mmd,
    negative_log_likelihood,
)
from InvertibleFusionLib.training.objective import Batch


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def objective(weights: LossWeights, last_layer: bool = True) -> FusionINNObjective:
    """Of a network that is not the identity, so that every term depends on every weight."""
    network = FusionINN(FusionINNConfiguration(hidden=4, hidden_squeezed=4, start_as_identity=not last_layer), seed=1)
    return FusionINNObjective(network, weights)


def batch(seeds: tuple[int, ...] = (3, 4)) -> Batch:
    images = torch.rand(len(seeds), 2, 16, 16, generator=torch.Generator().manual_seed(0))
    return {"images": images, "seed": torch.tensor(seeds)}


def test_likelihood_tells_a_shifted_latent_from_a_standard_one() -> None:
    """What the published loss cannot: N(5, 1) must score clearly worse than N(0, 1)."""
    z, none = normal(4, 1, 64, 64), torch.zeros(4)
    assert float(negative_log_likelihood(z, none)) == pytest.approx(0.5 * (1 + math.log(2 * math.pi)), abs=0.02)
    assert float(negative_log_likelihood(z + 5, none)) > float(negative_log_likelihood(z, none)) + 10
    assert float(negative_log_likelihood(2 * z, none)) > float(negative_log_likelihood(z, none)) + 1


def test_likelihood_is_that_of_the_change_of_variables() -> None:
    """Against torch's own densities: z = (x − 3) / 2 makes x ~ N(3, 2)."""
    x = torch.linspace(-4, 9, 50).reshape(1, 1, 5, 10)
    expected = -torch.distributions.Normal(3, 2).log_prob(x).mean()
    log_determinant = torch.tensor([-50 * math.log(2)])
    torch.testing.assert_close(negative_log_likelihood((x - 3) / 2, log_determinant), expected)


def test_the_official_mmd_is_inert_on_slices() -> None:
    """Measured on the original code: 6 / batch, whatever the latent is."""
    target = normal(4, 1, 64, 64, seed=1)
    standard, shifted = (float(multiscale_mmd(normal(4, 1, 64, 64) + mean, target)) for mean in (0, 5))
    assert standard == pytest.approx(6 / 4, abs=1e-3)
    assert shifted == pytest.approx(standard, abs=1e-3)


def test_the_official_mmd_follows_its_formula_in_few_dimensions() -> None:
    """There the kernels do not vanish; pair by pair in numpy."""
    x, y = 0.3 * normal(3, 1, 2, 2, seed=5), 0.3 * normal(3, 1, 2, 2, seed=6) + 0.2

    def kernels(first: np.ndarray, second: np.ndarray) -> float:
        values = []
        for a in first:
            for b in second:
                squared = float(((a - b) ** 2).sum())
                values.append(sum(width**2 / (width**2 + squared) for width in (0.05, 0.2, 0.9)))
        return float(np.mean(values))

    a, b = x.double().numpy(), y.double().numpy()
    expected = kernels(a, a) + kernels(b, b) - 2 * kernels(a, b)
    assert float(multiscale_mmd(x.double(), y.double())) == pytest.approx(expected, abs=1e-9)
    assert float(multiscale_mmd(x.double(), x.double())) == pytest.approx(0, abs=1e-9)


def test_dissimilarity_weighs_structure_and_error_as_the_official_code() -> None:
    from skimage.metrics import structural_similarity as scikit_image

    generator = np.random.default_rng(0)
    images, sources = generator.random((2, 1, 2, 20, 20))
    terms = []
    for a, b in zip(images[0], sources[0], strict=True):
        _, whole = scikit_image(
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, full=True
        )
        terms.append(0.8 * (1 - whole[5:-5, 5:-5].mean()) + 0.2 * ((a - b) ** 2).mean())
    ours = dissimilarity(torch.tensor(images), torch.tensor(sources), 0.8)
    assert float(ours) == pytest.approx(np.mean(terms), abs=1e-9)


@pytest.mark.parametrize("latent_loss", ["likelihood", "multiscale-mmd"])
def test_the_total_weighs_its_terms(latent_loss: str) -> None:
    weights = LossWeights(fusion=0.3, latent=0.01, latent_loss=latent_loss)  # type: ignore[arg-type]
    terms = {name: float(value.detach()) for name, value in objective(weights)(batch(), "network").items()}
    expected = 0.3 * terms["fusion"] + 0.7 * terms["decomposition"] + 0.01 * terms["latent"]
    assert terms["total"] == pytest.approx(expected, rel=1e-5)
    assert abs(terms["latent"]) > 0.1


def test_the_likelihood_is_that_of_the_network() -> None:
    """log |det J| against torch's Jacobian of the whole network."""
    trained, one = objective(LossWeights()).double().eval(), batch((3,))
    images = one["images"][..., :12, :12].double()
    with torch.no_grad():
        jacobian = torch.func.jacrev(trained.network)(images).reshape(288, 288)
        z = trained.network(images)[:, 1]
        # z alone is held against its prior: the fused image may be whatever it wants.
        expected = 0.5 * float((z**2).mean()) + 0.5 * math.log(2 * math.pi) - float(jacobian.slogdet()[1]) / 144
        latent = trained({"images": images, "seed": one["seed"]}, "network")["latent"]
    assert float(latent) == pytest.approx(expected, abs=1e-6)


def test_rounding_to_bits_costs_similarity_and_has_a_gradient() -> None:
    """The coarser the export, the worse the decomposition; the gradient passes the rounding."""
    losses = {}
    for bits in (0, 2, 12):
        trained = objective(LossWeights(image_bits=bits))
        terms = trained(batch(), "network")
        terms["decomposition"].backward()
        slopes = [parameter.grad for parameter in trained.parameters() if parameter.grad is not None]
        assert sum(float(slope.abs().sum()) for slope in slopes) > 1e-3
        losses[bits] = float(terms["decomposition"].detach())
    assert losses[2] > losses[0] + 1e-3
    assert 0 < abs(losses[12] - losses[0]) < 1e-3


def test_rounding_is_that_of_an_export_at_any_phase() -> None:
    """No value moves by more than half a level, equal values move alike, and ½ is the phase of an export."""
    trained = objective(LossWeights(image_bits=8))
    image = torch.linspace(0, 1, 2000).reshape(1, 1, 40, 50)
    for phase in (0.0, 0.3, 0.5, 0.99):
        rounded = trained._rounded(image, torch.full((1, 1, 1, 1), phase))
        assert float((rounded - image).abs().max()) <= 0.5 / 255 + 1e-6
        assert len(rounded.unique()) in (255, 256, 257)
    torch.testing.assert_close(
        trained._rounded(image, torch.full((1, 1, 1, 1), 0.5)), (image * 255).round() / 255, rtol=0, atol=1e-6
    )


def test_the_loss_of_a_sample_does_not_depend_on_its_neighbours() -> None:
    """What several processes rely on: the mean of two halves is the whole."""
    trained, whole = objective(LossWeights()), batch((3, 4))
    both = trained(whole, "network")
    halves = [trained({name: value[n : n + 1] for name, value in whole.items()}, "network") for n in (0, 1)]
    for name, value in both.items():
        torch.testing.assert_close(value, (halves[0][name] + halves[1][name]) / 2, msg=name)
    other = trained({"images": whole["images"], "seed": torch.tensor([5, 6])}, "network")
    assert float(other["decomposition"].detach()) != float(both["decomposition"].detach())
    assert float(other["fusion"].detach()) == float(both["fusion"].detach())


def test_a_mirrored_pair_is_compared_by_its_mean() -> None:
    """Where the sources follow z linearly, as in a permutation, its mean is free of z and one draw is not."""
    one = batch((3,))
    network = FusionINN(FusionINNConfiguration(blocks=1, hidden=4))
    with torch.no_grad():
        image = network.image(network(one["images"]))
        logit = torch.logit(image, eps=1e-6)
        mean = network.inverse(torch.cat((logit, torch.zeros_like(logit)), dim=1))
    expected = dissimilarity(mean, one["images"], 0.8)
    paired, single = (
        FusionINNObjective(network, LossWeights(image_bits=0, mirrored=mirrored))(one, "network")["decomposition"]
        for mirrored in (True, False)
    )
    assert float(paired.detach()) == pytest.approx(float(expected), rel=1e-4)
    assert float(single.detach()) > float(expected) + 0.01


def test_the_second_source_takes_its_share() -> None:
    losses = [
        float(objective(LossWeights(second_source=share))(batch(), "network")["decomposition"].detach())
        for share in (0.0, 0.5, 0.6, 1.0)
    ]
    assert abs(losses[0] - losses[3]) > 1e-3
    assert losses[1] == pytest.approx((losses[0] + losses[3]) / 2, rel=1e-5)
    assert losses[2] == pytest.approx(0.4 * losses[0] + 0.6 * losses[3], rel=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"similarity": 1.1},
        {"fusion": -0.1},
        {"latent": -1.0},
        {"latent_loss": "mmd"},
        {"image_bits": 25},
        {"second_source": 1.5},
    ],
    ids=str,
)
def test_senseless_weights_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        LossWeights(**wrong)  # type: ignore[arg-type]
