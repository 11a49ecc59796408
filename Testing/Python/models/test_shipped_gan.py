"""The shipped feature-disentanglement GAN: small, sound, honest on its card, and content with any of its inputs."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from InvertibleFusionLib import Volume, load_model, synthesize
from InvertibleFusionLib.models.card_file import read_card
from InvertibleFusionLib.models.card_in_words import input_dropout
from InvertibleFusionLib.models.disentangled_gan import DisentangledGenerator
from InvertibleFusionLib.models.shipped import model_path
from InvertibleFusionLib.phantom import Patient
from InvertibleFusionLib.volumes.grid import Grid

NAME = "gan-t1-t2-flair"
INPUTS = ["T1", "T2", "T1Gd"]
CHOICES = [list(chosen) for count in (1, 2, 3) for chosen in combinations(INPUTS, count)]
HARDLY = 0.07
"""Mean absolute difference inside the head that a larger field of view may make, of images in [0, 1]: most where the
other scale moves the edge of the box by a row, as it does from T2 alone."""
KEPT_ASIDE = ("patient19", "isles", "harvard", "spm")
"""What no shipped model may learn from: validation data, and data whose licence or purpose forbids it."""


@pytest.fixture(scope="module")
def scans() -> dict[str, Volume]:
    """One axial slice of a simulated head, of an odd size."""
    return Patient.from_seed(3).acquire_all(INPUTS, Grid((61, 73, 1), (3.1, 2.9, 5.0), (-95.0, -105.0, 20.0)))


@pytest.mark.parametrize("chosen", CHOICES, ids=" ".join)
def test_a_flair_is_made_of_any_of_the_inputs(chosen: list[str], scans: dict[str, Volume]) -> None:
    """Something of a head, not a grey slab: brighter inside than in the air around it."""
    synthesis = synthesize(load_model(NAME), [scans[name] for name in chosen], given=chosen)
    image = synthesis.images[0]
    assert image.name == "SYNTHETIC FLAIR"
    assert image.array.shape == (1, 73, 61)
    head = scans["T2"].array > 0.2 * scans["T2"].array.max()
    assert image.array[head].mean() > image.array[~head].mean() + 0.1
    missing = [name for name in INPUTS if name not in chosen]
    warnings = [f"Made without {' + '.join(missing)}, which the model learnt to do without."] if missing else []
    assert synthesis.record["warnings"] == warnings


def test_zeros_around_the_scaled_head_change_nothing_of_it(scans: dict[str, Volume]) -> None:
    """Instance normalizations see all that the network gets."""
    network = load_model(NAME).subset_synthesis_network
    head = torch.stack([torch.from_numpy(scans[name].array / scans[name].array.max()) for name in INPUTS], dim=1)
    with torch.inference_mode():
        expected = network.inspect(head.float()).image
        larger = network.inspect(pad(head.float(), (60, 31, 5, 90))).image
    torch.testing.assert_close(larger[..., 5:-90, 60:-31], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("chosen", CHOICES, ids=" ".join)
def test_a_larger_field_of_view_hardly_changes_the_head(chosen: list[str], scans: dict[str, Volume]) -> None:
    """It changes the scale, a percentile of all voxels; without the box around the content it changes much more."""
    model = load_model(NAME)
    network = model.network
    assert isinstance(network, DisentangledGenerator)
    head = scans["T2"].array > 0.2 * scans["T2"].array.max()

    def change() -> float:
        small = [scans[name] for name in chosen]
        large = [Volume(np.pad(each.array, ((0, 0), (60, 31), (5, 90))), name=each.name) for each in small]
        before, after = (synthesize(model, sources, given=chosen).images[0].array for sources in (small, large))
        return float(np.abs(after[:, 60:-31, 5:-90] - before)[head].mean())

    assert change() < HARDLY
    network.configuration = replace(network.configuration, crop_to_content=False)
    assert change() > HARDLY


def test_the_file_is_small_and_its_card_tells_all() -> None:
    assert model_path(NAME).stat().st_size <= 8_000_000
    card = read_card(model_path(NAME))
    assert (card.name, card.inputs, card.outputs) == (NAME, INPUTS, ["FLAIR"])
    assert card.training["settings"]["stored"] == "float16"
    assert input_dropout(card) > 0
    assert "SYNTHETIC" in card.intended_use
    assert "Research use only" in card.intended_use
    assert "No lesion can be found or ruled out" in card.intended_use
    for source in card.training["data"]:
        assert source["licence"].startswith("CC BY")
        assert source["attribution"]
        assert not any(name in str(source).lower() for name in KEPT_ASIDE)
    measured = {str(metric["name"]) for metric in card.metrics if metric["data"].startswith("open_ms/patient19")}
    made = ["synthetic FLAIR", *(f"synthetic FLAIR from {' + '.join(chosen)}" for chosen in CHOICES[:-1])]
    for name in (*made, *(f"{source} in place of FLAIR" for source in INPUTS)):
        measures = {f"{name}: {measure}" for measure in ("PSNR", "SSIM", "NMSE", "PSNR inside the lesion")}
        assert measures <= measured, name


def test_it_does_better_than_copies_and_a_linear_fit_and_with_all_inputs_than_with_one() -> None:
    means = {str(metric["name"]): metric["mean"] for metric in read_card(model_path(NAME)).metrics if "mean" in metric}
    simple = ["FLAIR by the linear fit", *(f"{source} in place of FLAIR" for source in INPUTS)]
    from_one = [f"synthetic FLAIR from {source}" for source in INPUTS]
    for name in (*simple, *from_one):
        assert means["synthetic FLAIR: PSNR"] > means[f"{name}: PSNR"], name
