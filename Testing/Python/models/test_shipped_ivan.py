"""The shipped iVANs after their whole training: what goes there comes back, on odd and anisotropic volumes, too."""

import numpy as np
import pytest
import torch

from InvertibleFusionLib import decompose, load_model, synthesize
from InvertibleFusionLib.inference.kernel_choice import with_kernel
from InvertibleFusionLib.inference.synthesis import CHECKED_BEYOND
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.ivan import Ivan
from InvertibleFusionLib.models.shipped import shipped_cards
from InvertibleFusionLib.phantom import Patient
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.intensity import IntensityScale

CARDS = [card for card in shipped_cards() if card.architecture == "ivan"]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: str(card.name))
def test_a_phantom_comes_back(card: ModelCard) -> None:
    model = load_model(card.name)
    grid = Grid((37, 53, 3), (5.3, 3.7, 20.0), (-95.0, -95.0, -20.0))
    scans = Patient.from_seed(3).acquire_all(card.inputs, grid)
    sources = [scans[name] for name in card.inputs]
    synthesis = synthesize(model, sources)
    back = decompose(model, synthesis.images, latent=synthesis.latent)
    for estimate, source in zip(back.sources, sources, strict=True):
        assert np.abs(estimate.mean.array - source.array).max() <= 1e-5 * np.ptp(source.array)
    network = model.network
    assert isinstance(network, Ivan)
    x = torch.rand(1, len(sources), 37, 53, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert float((network.double().inverse(network(x)) - x).abs().max()) <= 1e-10


@pytest.mark.parametrize("card", CARDS, ids=lambda card: str(card.name))
@pytest.mark.parametrize("which", [0, -1], ids=["first source", "last source"])
@pytest.mark.parametrize("value", [CHECKED_BEYOND, -0.1])
def test_bright_patches_that_are_not_taken_back_at_once_come_back(card: ModelCard, which: int, value: float) -> None:
    model = load_model(card.name)
    grid = Grid((96, 90, 1), (2.2, 2.4, 5.0), (-105.0, -108.0, 20.0))
    scans = Patient.from_seed(3).acquire_all(card.inputs, grid)
    scale = IntensityScale.from_json(card.intensity)
    scaled = [scale.fit(scans[name].array).apply(scans[name].array[0], 0) for name in card.inputs]
    x = torch.from_numpy(np.stack(scaled)[None])
    x[:, which, 30:60, 30:60] = value
    x = x.clamp(-CHECKED_BEYOND, CHECKED_BEYOND)
    network = with_kernel(model.network, "compiled", torch.float32) or model.network
    assert isinstance(network, Ivan)
    with torch.inference_mode():
        assert float((network.inverse(network(x)) - x).abs().max()) <= 1e-5


@pytest.mark.parametrize("card", CARDS, ids=lambda card: str(card.name))
def test_a_card_says_what_its_images_are_and_what_they_stand_beside(card: ModelCard) -> None:
    assert "SYNTHETIC" in card.intended_use
    figures = {metric["name"] for metric in card.metrics}
    (target,) = card.outputs
    beside = [f"synthetic {target}", *(f"{name} in place of {target}" for name in card.inputs)]
    for name in (*beside, f"{target} by the linear fit", f"{target} by the lookup table"):
        assert {f"{name}: {measure}" for measure in ("PSNR", "SSIM", "NMSE")} <= figures
    for name in card.inputs:
        assert f"{name}, round trip from the full output: PSNR" in figures
        assert f"{name}, from the real target alone: PSNR" in figures
    simulated = ["simulated" in source for source in card.training["data"]]
    assert all(simulated) == any(simulated)
    assert all(simulated) == ("simulated" in card.intended_use)
    for limit in ("the noise oracle", "the noise-free signal"):
        assert all(simulated) == (f"{target} by {limit}: PSNR" in figures)
    assert (f"synthetic {target}: PSNR inside the lesion" in figures) != all(simulated)
