"""The networks of others in the shared loop: learnt, stopped and resumed, kept in model files, used like ours."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from InvertibleFusionLib import Volume, decompose, fuse, load_model, synthesize
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.metrics.structural_similarity import structural_similarity
from InvertibleFusionLib.models.baselines.fusion_baseline import FusionBaseline, FusionBaselineConfiguration
from InvertibleFusionLib.models.baselines.synthesis_baseline import SynthesisBaseline, SynthesisBaselineConfiguration
from InvertibleFusionLib.models.card_file import read_card
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import Augmentation
from InvertibleFusionLib.training.fusion_baseline_objective import FusionBaselineLoss, FusionBaselineObjective
from InvertibleFusionLib.training.recipe import recipe_for
from InvertibleFusionLib.training.run import dry_run, train_model
from InvertibleFusionLib.training.synthesis_baseline_objective import (
    PairedObjective,
    PixToPixObjective,
    SynthesisBaselineLoss,
)

FUSION = ("deepfuse", "funfusean", "half-unet", "unet", "unet++")
PIX2PIX = SynthesisBaselineLoss(deceive=0.01, discriminator_width=2)
KINDS: dict[str, dict[str, Any]] = {
    **{name: {"network": FusionBaselineConfiguration(name, width=2)} for name in FUSION},  # type: ignore[arg-type]
    "unet for synthesis": {"network": SynthesisBaselineConfiguration("unet", (1,), (1,), width=2)},
    "pix2pix": {"network": SynthesisBaselineConfiguration("unet", (1,), (1,), width=2), "loss": PIX2PIX},
}


@pytest.fixture(params=KINDS, ids=str)
def settings(configuration: TrainingConfiguration, request: pytest.FixtureRequest) -> TrainingConfiguration:
    """Three steps of a tiny network of each kind."""
    changed = KINDS[request.param]
    if isinstance(changed["network"], SynthesisBaselineConfiguration):
        changed = {**changed, "contrasts": ["T1Gd"], "targets": ["FLAIR"]}
    few = {"steps": 3, "checkpoint_every": 2, "validate_every": 3, "validation_slices": 1, "loss": None}
    return replace(configuration, **(few | changed))


def ignored(done: int, total: int, losses: dict[str, float]) -> None:
    pass


def stop_at_three(done: int, total: int, losses: dict[str, float]) -> None:
    if done == 3:
        raise KeyboardInterrupt


def test_every_kind_runs_dry_resumes_exactly_and_is_used_like_ours(
    settings: TrainingConfiguration, tmp_path: Path
) -> None:
    """Batch normalisation's running means and the discriminator are part of the state."""
    dry_run(settings, tmp_path / "stopped.safetensors")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt):
        train_model(settings, tmp_path / "stopped.safetensors", stop_at_three)
    train_model(settings, tmp_path / "stopped.safetensors", ignored, resume=True)
    train_model(settings, tmp_path / "whole.safetensors", ignored)
    tensors, others = (load_file(tmp_path / f"{name}.safetensors") for name in ("stopped", "whole"))
    assert tensors.keys() == others.keys()
    for name, value in tensors.items():
        assert torch.equal(value, others[name]), name
    assert read_card(tmp_path / "stopped.safetensors") == read_card(tmp_path / "whole.safetensors")
    assert not any("discriminator" in name for name in tensors)
    require_usable(load_model(tmp_path / "whole.safetensors"))


def require_usable(model: Model) -> None:
    generator = np.random.default_rng(0)
    sources = [Volume(generator.random((2, 19, 23)), name=name) for name in model.card.inputs]
    if model.card.task == "synthesis":
        [image] = synthesize(model, sources).images
        assert image.array.shape == (2, 19, 23)
        assert image.name.startswith("SYNTHETIC")
        return
    fusion = fuse(model, sources)
    assert fusion.latent is None
    assert fusion.image.array.shape == (2, 19, 23)
    assert 0 <= fusion.image.array.min() <= fusion.image.array.max() <= 1
    with pytest.raises(ConfigurationError, match="cannot be run backwards, so that nothing it has fused"):
        decompose(model, fusion.image)
    with pytest.raises(ConfigurationError, match="cannot be run backwards"):
        fuse(model, sources, certify=True)


def test_the_command_fuses_and_says_that_there_is_no_way_back(
    configuration: TrainingConfiguration, blocky_patients: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tiny.safetensors"
    network = FusionBaselineConfiguration("deepfuse", width=2)
    train_model(replace(configuration, network=network, loss=None, steps=1), out, ignored)
    volumes = [str(blocky_patients / "three" / f"{name}.nii.gz") for name in ("FLAIR", "T1Gd")]
    assert main(["fuse", *volumes, "--model", str(out), "--out", str(tmp_path / "result")]) == 0
    said = capsys.readouterr().out
    assert "There is no latent" in said
    assert "come back exactly" not in said
    assert [file.name for file in (tmp_path / "result").iterdir()] == ["fused.nrrd"]
    fused = str(tmp_path / "result" / "fused.nrrd")
    assert main(["decompose", fused, "--model", str(out), "--out", str(tmp_path / "back")]) == 1
    assert "cannot be run backwards" in capsys.readouterr().err


def batch(channels: int, seed: int = 0) -> dict[str, Tensor]:
    images = torch.rand((2, channels, 32, 32), generator=torch.Generator().manual_seed(seed))
    return {"images": images, "seed": torch.arange(2)}


def test_the_fusion_loss_is_equation_three_by_hand() -> None:
    network = FusionBaseline(FusionBaselineConfiguration("half-unet", width=2)).eval()
    images = batch(2)["images"]
    fused = network(images)
    parts = []
    for number in range(2):
        source = images[:, [number]]
        parts.append(0.7 * (1 - structural_similarity(fused, source).mean()) + 0.3 * ((fused - source) ** 2).mean())
    losses = FusionBaselineObjective(network, FusionBaselineLoss(0.7))(batch(2), "network")
    torch.testing.assert_close(losses["total"], (parts[0] + parts[1]) / 2)


def test_pix2pix_takes_turns_and_a_discriminator_that_knows_is_content() -> None:
    configuration = SynthesisBaselineConfiguration("unet", (1, 1), (1,), width=2)
    network, given = SynthesisBaseline(configuration), batch(3)
    real = given["images"][:, 2:]

    class Knows(torch.nn.Module):
        def forward(self, sources: Tensor, images: Tensor) -> Tensor:
            assert sources.shape[1] == 2
            return torch.full((2, 1), 9.0 if torch.equal(images, real) else -9.0)

    objective = PixToPixObjective(network, Knows(), SynthesisBaselineLoss(deceive=0.5))  # type: ignore[arg-type]
    assert float(objective(given, "discriminator")["total"]) < 0.001
    losses = objective(given, "generator")
    assert float(losses["deception"]) > 8
    difference = (network(given["images"][:, :2]) - real).abs().mean()
    torch.testing.assert_close(losses["total"], difference + 0.5 * losses["deception"])
    assert {id(p) for p in objective.parameters_of("generator")} == {id(p) for p in network.parameters()}


def test_hi_net_also_learns_what_its_encoders_keep() -> None:
    network = SynthesisBaseline(SynthesisBaselineConfiguration("hi-net", width=2)).eval()
    losses = PairedObjective(network, SynthesisBaselineLoss(reconstruct=0.25))(batch(3), "network")
    images = batch(3)["images"]
    made, again = network.with_reconstructions(images[:, :2])
    assert again is not None
    expected = (made - images[:, 2:]).abs().mean() + 0.25 * (again - images[:, :2]).abs().mean()
    torch.testing.assert_close(losses["total"], expected)


def test_colour_targets_are_made_by_a_unet_and_refused_by_hi_net() -> None:
    network = SynthesisBaseline(SynthesisBaselineConfiguration("unet", (1, 1), (3,), width=2)).eval()
    assert network.synthesize(torch.rand(1, 2, 33, 17)).shape == (1, 3, 33, 17)
    with pytest.raises(ConfigurationError, match="Hi-Net makes one grey target from two grey sources"):
        SynthesisBaselineConfiguration("hi-net", (1,), (1,))


@pytest.mark.parametrize("kind", [FusionBaselineConfiguration, SynthesisBaselineConfiguration])
def test_the_card_states_the_width_that_was_meant(kind: Callable[..., Any]) -> None:
    assert kind("unet").to_json()["width"] == 16
    assert kind("unet", width=4).to_json()["width"] == 4


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: FusionBaselineConfiguration("densenet"), "use deepfuse, funfusean, half-unet, unet, unet"),  # type: ignore[arg-type]
        (lambda: FusionBaselineConfiguration("unet", width=3), "width is even"),
        (lambda: SynthesisBaselineConfiguration("mm-gan"), "use unet, hi-net"),  # type: ignore[arg-type]
        (lambda: SynthesisBaselineConfiguration("unet", inputs=(2,)), "1 channel"),
        (lambda: FusionBaselineLoss(1.5), "structure share"),
        (lambda: SynthesisBaselineLoss(deceive=-1), "at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make()


def test_a_unet_learns_the_lookup_in_the_shared_loop(configuration: TrainingConfiguration, tmp_path: Path) -> None:
    """FLAIR is a function of T1Gd in these patients."""
    settings = replace(
        configuration,
        contrasts=["T1Gd"],
        targets=["FLAIR"],
        network=SynthesisBaselineConfiguration("unet", (1,), (1,), width=4),
        loss=None,
        augmentation=Augmentation(crop=12, gamma=1.0, gain=1.0),
        steps=60,
        learning_rate=1e-2,
    )
    losses: list[float] = []
    train_model(settings, tmp_path / "a.safetensors", lambda done, total, terms: losses.append(terms["total"]))
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])
    assert recipe_for(settings).architecture == "synthesis-baseline"
