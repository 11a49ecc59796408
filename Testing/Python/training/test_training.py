import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from InvertibleFusionLib import Volume, fuse, load_model
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError, InferenceError, OutputError
from InvertibleFusionLib.models.fusioninn import FusionINN, FusionINNConfiguration
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import (
    Augmentation,
    DataSource,
    Stock,
    for_reporting,
    load_patients,
    load_stocks,
    with_scale,
)
from InvertibleFusionLib.training.loop import train
from InvertibleFusionLib.training.losses import LossWeights, dissimilarity, fusioninn_losses, latent_loss
from InvertibleFusionLib.training.run import train_model
from InvertibleFusionLib.training.validation import measure


def source(*patients: str) -> DataSource:
    return DataSource("made up", "none needed", "nobody", list(patients))


@pytest.fixture
def configuration(tmp_path: Path) -> TrainingConfiguration:
    """Three simulated patients of blobs; the third is kept for validation."""
    generator = np.random.default_rng(0)
    for patient in ("one", "two", "three"):
        tissue = generator.random((6, 4, 4)).repeat(8, 1).repeat(8, 2)[:, :31, :29]
        for contrast, image in (("T1Gd", 1000 * tissue), ("FLAIR", 500 * (1 - tissue) ** 2)):
            image[0] = 0
            Volume(image.astype(np.float32), name=contrast).write(tmp_path / patient / f"{contrast}.nii.gz")
    return TrainingConfiguration(
        name="tiny",
        contrasts=["T1Gd", "FLAIR"],
        training=[source("one", "two")],
        validation=[source("three")],
        intended_use="For tests. Research use only.",
        data_folder=tmp_path,
        network=FusionINNConfiguration(hidden=4, hidden_squeezed=4),
        steps=12,
        batch_size=2,
        augmentation=Augmentation(crop=16),
        warmup_steps=2,
        threads=1,
    )


def stocks_of(configuration: TrainingConfiguration) -> list[Stock]:
    scale = with_scale(configuration.intensity)
    return load_stocks(configuration.training, configuration.contrasts, configuration.data_folder, scale)


def trained(configuration: TrainingConfiguration) -> tuple[FusionINN, list[float]]:
    stocks = stocks_of(configuration)
    network = FusionINN(configuration.network, configuration.seed)
    return network, [step.losses["total"] for step in train(network, stocks, configuration)]


def test_training_learns_and_the_same_seed_learns_the_same(configuration: TrainingConfiguration) -> None:
    longer = replace(
        configuration, steps=120, learning_rate=1e-2, augmentation=Augmentation(crop=16, gamma=1.0, gain=1.0)
    )
    network, losses = trained(longer)
    again, _ = trained(longer)
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10])
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    other, _ = trained(replace(longer, seed=1))
    assert any(not torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


def test_the_command_trains_a_model_that_can_be_used(
    configuration: TrainingConfiguration, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = {
        "name": "tiny",
        "contrasts": ["T1Gd", "FLAIR"],
        "intended_use": configuration.intended_use,
        "training": [source("one", "two").to_json()],
        "validation": [source("three").to_json()],
        "network": {"hidden": 4, "hidden_squeezed": 4},
        "augmentation": {"crop": 16},
        "batch_size": 2,
        "threads": 1,
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(described))
    out = tmp_path / "models" / "tiny.safetensors"
    command = ["train", str(tmp_path / "tiny.yaml"), "--out", str(out), "--data_folder", str(tmp_path), "--steps", "3"]
    assert main(command) == 0
    assert "decomposition SSIM of FLAIR" in capsys.readouterr().out
    model = load_model(out)
    assert model.card.training["steps_done"] == 3
    assert model.card.training["data"][0]["licence"] == "none needed"
    assert model.card.training["settings"]["augmentation"]["crop"] == 16
    assert all(metric["data"].startswith("three: 5 axial slices") for metric in model.card.metrics)
    assert [path.name for path in out.parent.iterdir()] == ["tiny.safetensors"]
    pair = [Volume.read(tmp_path / "three" / f"{name}.nii.gz") for name in ("T1Gd", "FLAIR")]
    assert fuse(model, pair).image.array.shape == pair[0].array.shape


def test_a_patient_in_training_and_validation_is_refused_by_name(configuration: TrainingConfiguration) -> None:
    with pytest.raises(ConfigurationError, match="two"):
        replace(configuration, validation=[source("two", "three")])


@pytest.mark.parametrize("wrong", [{"contrasts": ["T1"]}, {"grid_of": "T2"}, {"steps": 0}, {"batch_size": 0}], ids=str)
def test_senseless_configurations_are_refused(configuration: TrainingConfiguration, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        replace(configuration, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [{"training": []}, {"validation": []}, {"workers": -1}, {"learning_rate": -1.0}, {"threads": 0}],
    ids=str,
)
def test_what_would_fail_after_hours_is_refused_before(
    configuration: TrainingConfiguration, wrong: dict[str, object]
) -> None:
    with pytest.raises(ConfigurationError):
        replace(configuration, **wrong)  # type: ignore[arg-type]


def test_a_stopped_training_leaves_an_earlier_model_alone(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    out = tmp_path / "out" / "tiny.safetensors"
    train_model(configuration, out, lambda done, total, losses: None)
    before = out.read_bytes()

    def stop(done: int, total: int, losses: dict[str, float]) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_model(replace(configuration, seed=9), out, stop)
    assert out.read_bytes() == before
    assert load_model(out.with_name("tiny.unfinished.safetensors")).card.training["steps_done"] == 0


def test_an_output_that_cannot_be_written_is_told_before_the_first_step(
    configuration: TrainingConfiguration, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    steps: list[int] = []
    with pytest.raises(OutputError):
        train_model(configuration, tmp_path / "file" / "x.safetensors", lambda done, total, losses: steps.append(done))
    assert steps == []


def test_gradients_are_clipped_and_the_rate_rises_and_falls(configuration: TrainingConfiguration) -> None:
    stocks = stocks_of(configuration)
    still = replace(configuration, gradient_norm=1e-12, learning_rate=1e-3, steps=6, warmup_steps=2)
    rates = [step.learning_rate for step in train(FusionINN(still.network), stocks, still)]
    np.testing.assert_allclose(rates[:3], [0.5e-3, 1e-3, 1e-3], rtol=1e-6)
    assert rates[3] > rates[4] > rates[5] > 0

    def moved(norm: float) -> float:
        """How far plain gradient descent gets, whose steps are as long as its gradients."""
        network = FusionINN(still.network)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.optim, "Adam", torch.optim.SGD)
            list(train(network, stocks, replace(still, gradient_norm=norm, steps=1)))
        start = FusionINN(still.network)
        pairs = zip(list(network.parameters())[2:], list(start.parameters())[2:], strict=True)  # all but ActNorm's
        return max(float((a - b).detach().abs().max()) for a, b in pairs)

    assert moved(1e-12) < 1e-12 < 1e-8 < moved(1.0)


def test_divergence_stops_with_the_step_and_the_term(configuration: TrainingConfiguration) -> None:
    with pytest.raises(InferenceError, match=r"step \d+: the \w+ loss is"):
        trained(replace(configuration, learning_rate=1e30, steps=30, gradient_norm=1e30))


def test_reporting_scale_divides_by_the_999_permille_and_clips() -> None:
    slices = np.random.default_rng(0).normal(100, 300, (4, 50, 50)).astype(np.float32)
    expected = np.clip(slices / np.percentile(slices, 99.9), 0, 1)
    np.testing.assert_allclose(for_reporting(slices), expected, atol=2e-3)


def test_latent_loss_tells_a_shifted_latent_from_a_standard_one() -> None:
    """What the published loss cannot: N(5, 1) must score clearly worse than N(0, 1)."""
    z = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    none = torch.zeros(4)
    assert float(latent_loss(z, none)) == pytest.approx(0.5 * (1 + math.log(2 * math.pi)), abs=0.02)
    assert float(latent_loss(z + 5, none)) > float(latent_loss(z, none)) + 10
    assert float(latent_loss(2 * z, none)) > float(latent_loss(z, none)) + 1


def test_latent_loss_is_the_negative_log_likelihood() -> None:
    """Against torch's own densities: z = (x − 3) / 2 makes x ~ N(3, 2)."""
    x = torch.linspace(-4, 9, 50).reshape(1, 1, 5, 10)
    expected = -torch.distributions.Normal(3, 2).log_prob(x).mean()
    log_determinant = torch.tensor([-50 * math.log(2)])
    torch.testing.assert_close(latent_loss((x - 3) / 2, log_determinant), expected)


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


def test_total_loss_weighs_its_terms() -> None:
    network, x, z = FusionINN(), torch.rand(1, 2, 16, 16), torch.randn(1, 1, 16, 16)
    losses = fusioninn_losses(network, x, z, torch.rand(1, 1, 16, 16), LossWeights(0.8, 0.3, 0.01))
    terms = {name: float(value.detach()) for name, value in losses.items()}
    expected = 0.3 * terms["fusion"] + 0.7 * terms["decomposition"] + 0.01 * terms["latent"]
    assert terms["total"] == pytest.approx(expected, rel=1e-5)


def test_measured_trivial_rules_are_right(configuration: TrainingConfiguration) -> None:
    """A network that is the identity but for a swap fuses nothing: its image is sigmoid(FLAIR)."""
    patients = load_patients(configuration.validation, ["T1Gd", "FLAIR"], configuration.data_folder, for_reporting)
    metrics = {metric["name"]: metric for metric in measure(FusionINN().eval(), patients, ["T1Gd", "FLAIR"])}
    from skimage.metrics import structural_similarity as scikit_image

    def score(a: np.ndarray, b: np.ndarray) -> float:
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
        return float(scikit_image(a, b, full=True, **options)[1][5:-5, 5:-5].mean())

    images = patients[0].images.astype(np.float64)
    mean = [np.mean([score(pair.mean(0), each) for each in pair]) for pair in images]
    largest = [np.mean([score(pair.max(0), each) for each in pair]) for pair in images]
    assert metrics["trivial rule, plain mean: fusion SSIM"]["mean"] == pytest.approx(np.mean(mean), abs=1e-4)
    assert metrics["trivial rule, maximum: fusion SSIM"]["mean"] == pytest.approx(np.mean(largest), abs=1e-4)


def test_every_shipped_model_has_its_configuration() -> None:
    from InvertibleFusionLib.models.shipped import WEIGHTS, shipped_cards

    for card in shipped_cards():
        described = yaml.safe_load((WEIGHTS / f"{card.name}.yaml").read_text())
        assert described["name"] == card.name
        assert [each["name"] for each in described["training"]] == [each["name"] for each in card.training["data"]]
        assert described["steps"] == card.training["steps_done"]
