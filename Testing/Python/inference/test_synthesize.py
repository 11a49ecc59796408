"""Synthesis and going back from it, by a tiny iVAN: exactness, geometry, names that do not promise too much."""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from InvertibleFusionLib import Settings, Volume, decompose, fuse, synthesize
from InvertibleFusionLib.errors import (
    ConfigurationError,
    GridMismatchError,
    InferenceError,
    RecordMismatchError,
    UnsuitableVolumeError,
)
from InvertibleFusionLib.inference.synthesis import synthesize_slices
from InvertibleFusionLib.kernels.compilation import numba_works
from InvertibleFusionLib.models.ivan import Ivan
from InvertibleFusionLib.models.model import Model, SynthesisNetwork
from InvertibleFusionLib.models.model_file import read_model
from InvertibleFusionLib.volumes.grid import same_grid
from InvertibleFusionLib.volumes.itk import image_from_volume

MakeModel = Callable[..., Model]
TASKS = [("T1", "T2"), ("T1 PD", "T2"), ("T1", "T2 FLAIR"), ("T1 PD", "T2 FLAIR"), ("T1 T2", "PET"), ("PET T1", "T2")]
SHAPES = [(5, 13, 7), (1, 9, 12), (4, 1, 9), (3, 8, 1)]


@pytest.fixture(scope="session")
def make_model(synthesis_file: Callable[..., Path]) -> MakeModel:
    return lambda *arguments: read_model(synthesis_file(*arguments))


def volume(shape: tuple[int, int, int], seed: int, name: str) -> Volume:
    """Noise; whole numbers, oblique and anisotropic; in colour when it is called PET."""
    array = np.random.default_rng(seed).integers(0, 1000, (*shape, 3) if name == "PET" else shape, dtype=np.int16)
    direction = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, -1.0)
    return Volume(array, (0.9, 1.1, 3.5), (-50.0, 31.0, 7.5), direction, name=name, units="u")


def volumes(names: str, shape: tuple[int, int, int] = (3, 12, 10)) -> list[Volume]:
    return [volume(shape, seed, name) for seed, name in enumerate(names.split())]


def error_of_range(back: Volume, source: Volume) -> float:
    original = source.array.astype(np.float64)
    return float(np.abs(back.array - original).max() / np.ptp(original))


@pytest.mark.parametrize(("inputs", "outputs"), TASKS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sources_come_back_on_the_round_trip(
    make_model: MakeModel, inputs: str, outputs: str, shape: tuple[int, int, int]
) -> None:
    model, sources = make_model(inputs, outputs), volumes(inputs, shape)
    synthesis = synthesize(model, sources)
    assert [image.components for image in synthesis.images] == [3 if name == "PET" else 1 for name in outputs.split()]
    assert all(image.array.dtype == np.float32 for image in synthesis.images)
    result = decompose(model, synthesis.images, latent=synthesis.latent)
    assert len(result.sources) == len(sources)
    for estimate, source in zip(result.sources, sources, strict=True):
        assert estimate.spread is None
        assert estimate.mean.array.shape == source.array.shape
        assert error_of_range(estimate.mean, source) <= 1e-5


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
def test_the_synthetic_image_is_what_the_network_makes_of_the_scaled_slices(make_model: MakeModel, axis: Any) -> None:
    """Scaled, cut and put together by hand; the grid's i, j and k are nearest to left, posterior and superior."""
    model, sources = make_model("T1 T2", "PET"), volumes("T1 T2")
    result = synthesize(model, sources, axis=axis).images[0].array
    stacked = np.stack([source.array / 1000 for source in sources], axis=-1)
    along = {"axial": 0, "coronal": 1, "sagittal": 2}[axis]
    for index in range(stacked.shape[along]):
        x = torch.from_numpy(stacked.take(index, axis=along).astype(np.float32)).permute(2, 0, 1)[None]
        expected = model.synthesis_network.synthesize(x)[0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(result.take(index, axis=along), expected, atol=1e-5)
    assert 0 <= result.min() < result.max() <= 1


def test_every_result_lies_where_the_sources_lie(make_model: MakeModel) -> None:
    model, sources = make_model("T1 PD", "T2 FLAIR"), volumes("T1 PD", (4, 9, 7))
    synthesis = synthesize(model, sources)
    back = decompose(model, synthesis.images, latent=synthesis.latent)
    alone = decompose(model, synthesis.images)
    results = [*synthesis.images, synthesis.latent, *(e.mean for d in (back, alone) for e in d.sources)]
    assert len(results) == 7
    original = image_from_volume(sources[0])
    for result in results:
        assert result is not None
        image = image_from_volume(result)
        assert image.GetSize() == original.GetSize()
        for index in [(0, 0, 0), (6, 8, 3), (3, 1, 2)]:
            expected = original.TransformIndexToPhysicalPoint(index)
            np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), expected, atol=1e-9)
    assert {e.mean.units for d in (back, alone) for e in d.sources} == {"u"}


def test_few_thick_slices_are_resampled_onto_many_thin_ones(make_model: MakeModel) -> None:
    """29 slices of FLAIR and 73 of ADC, of one scanner frame, as ISLES has them."""
    model = make_model("ADC FLAIR", "DWI", {"method": "percentile", "lower": 0.1, "upper": 99.9})
    generator = np.random.default_rng(0)
    adc = Volume(generator.random((73, 14, 14)).astype(np.float32), (2, 2, 2), (0, 0, 0), name="ADC")
    flair = Volume(generator.random((29, 32, 32)).astype(np.float32), (0.9, 0.9, 5), (-0.5, -0.5, 1), name="FLAIR")
    with pytest.raises(GridMismatchError, match=r"FLAIR is not on the grid of ADC.*32×32×29.*14×14×73"):
        synthesize(model, [adc, flair])
    synthesis = synthesize(model, [adc, flair], resample=True)
    assert same_grid(synthesis.images[0].grid, adc.grid)
    assert synthesis.record["sources"][1]["resampled"]["onto"] == "ADC"
    back = decompose(model, synthesis.images[0], latent=synthesis.latent).sources
    assert error_of_range(back[0].mean, adc) <= 1e-5
    assert back[1].mean.name == "FLAIR resampled onto the grid of ADC, round trip of the network's own output"
    onto_flair = synthesize(model, [adc, flair], resample=True, reference=1)
    assert same_grid(onto_flair.images[0].grid, flair.grid)


def test_names_and_records_say_that_it_is_synthetic(make_model: MakeModel) -> None:
    model = make_model("T1 PD", "T2")
    synthesis = synthesize(model, volumes("T1 PD"))
    assert synthesis.images[0].name == "SYNTHETIC T2"
    assert list(synthesis.named_volumes()) == ["synthetic-T2", "latent"]
    assert synthesis.latent is not None
    for record in (synthesis.record, synthesis.images[0].record, synthesis.latent.record):
        assert record is not None
        assert json.dumps(record).isascii()
        assert record["synthetic"] is True
        assert record["task"] == "synthesize"
        assert "esearch use only" in record["notice"]
        assert record["model"]["name"] == "tiny-t1-pd-t2"
        assert [source["name"] for source in record["sources"]] == ["T1", "PD"]
        assert "not a physical quantity" in record["outputs"][0]["intensity"]
        assert record["settings"]["precision"] == "float32"
    assert synthesis.images[0].units == ""


def test_the_two_ways_back_are_never_called_the_same(make_model: MakeModel) -> None:
    """The round trip is exact because the latent carries the sources; the target alone tells far less."""
    model, sources = make_model("T1 PD", "T2"), volumes("T1 PD")
    synthesis = synthesize(model, sources)
    image = synthesis.images[0]
    trip, alone = decompose(model, image, latent=synthesis.latent), decompose(model, image)
    assert list(trip.named_volumes()) == ["round-trip-1-T1", "round-trip-2-PD"]
    assert list(alone.named_volumes()) == ["from-target-1-T1", "from-target-2-PD"]
    assert trip.sources[0].mean.name == "T1, round trip of the network's own output"
    assert alone.sources[0].mean.name == "SYNTHETIC T1, from the target image SYNTHETIC T2 alone"
    assert (trip.record["settings"]["way"], alone.record["settings"]["way"]) == ("round trip", "target alone")
    assert (trip.record["synthetic"], alone.record["synthetic"]) == (False, True)
    assert error_of_range(trip.sources[0].mean, sources[0]) <= 1e-5
    assert error_of_range(alone.sources[0].mean, sources[0]) > 1e-2


def test_from_the_target_alone_is_the_inverse_of_the_copied_target_in_the_sources_numbers(
    make_model: MakeModel,
) -> None:
    model = make_model("T1 T2", "PET")
    synthesis = synthesize(model, volumes("T1 T2"))
    image = synthesis.images[0]
    result = decompose(model, image)
    network = model.invertible_synthesis_network
    for index in range(3):
        target = torch.from_numpy(image.array[index].copy()).permute(2, 0, 1)[None]
        expected = 1000 * network.sources_from_images(target)[0].numpy()
        for number, estimate in enumerate(result.sources):
            np.testing.assert_allclose(estimate.mean.array[index], expected[number], atol=0.1)


def test_a_scan_of_the_target_goes_back_too_brought_to_the_models_scale(make_model: MakeModel) -> None:
    """As the paper's T2 → T1 + PD: its values are its own, and so the model's scale is fitted to it."""
    model = make_model("T1 PD", "T2", {"method": "percentile", "lower": 0.0, "upper": 100.0})
    scan = volume((3, 12, 10), 5, "my T2")
    result = decompose(model, scan)
    low, high = float(scan.array.min()), float(scan.array.max())
    target = torch.from_numpy(((scan.array - low) / (high - low)).astype(np.float32))[:, None]
    expected = model.invertible_synthesis_network.sources_from_images(target).numpy()
    for number, (estimate, name) in enumerate(zip(result.sources, ("T1", "PD"), strict=True)):
        np.testing.assert_allclose(estimate.mean.array, expected[:, number], atol=1e-4)
        assert estimate.mean.name == f"SYNTHETIC {name}, from the target image my T2 alone"
        assert estimate.mean.units == ""
    [target_record] = result.record["settings"]["targets"]
    assert (target_record["name"], target_record["synthetic"]) == ("my T2", False)
    assert target_record["intensity"] == {"offset": [low], "gain": [high - low]}


def test_ways_back_from_files(make_model: MakeModel, tmp_path: Path) -> None:
    model, sources = make_model("T1", "T2 FLAIR"), volumes("T1")
    for name, each in synthesize(model, sources).named_volumes().items():
        each.write(tmp_path / f"{name}.nrrd")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "latent.nrrd",
        "synthetic-FLAIR.nrrd",
        "synthetic-T2.nrrd",
    ]
    images = [Volume.read(tmp_path / f"synthetic-{name}.nrrd") for name in ("T2", "FLAIR")]
    latent = Volume.read(tmp_path / "latent.nrrd")
    assert error_of_range(decompose(model, images, latent=latent).sources[0].mean, sources[0]) <= 1e-5
    alone = decompose(model, images).sources[0].mean
    assert alone.name == "SYNTHETIC T1, from the target image SYNTHETIC T2 + SYNTHETIC FLAIR alone"
    with pytest.raises(ConfigurationError, match=r"needs T2 and FLAIR, in this order; 1 images"):
        decompose(model, images[0])
    with pytest.raises(RecordMismatchError, match="SYNTHETIC FLAIR is output 2"):
        decompose(model, images[::-1])
    other = synthesize(model, [volume((3, 12, 10), 9, "T1")]).images[1]
    with pytest.raises(RecordMismatchError, match="not synthesized together"):
        decompose(model, [images[0], other])


def test_what_does_not_belong_together_is_refused(make_model: MakeModel, model: Model) -> None:
    synthesizing, sources = make_model("T1 PD", "T2"), volumes("T1 PD")
    synthesis = synthesize(synthesizing, sources)
    image, latent = synthesis.images[0], synthesis.latent
    assert latent is not None
    changed = image.array.copy()
    changed[1, 4, 4] += 0.01
    with pytest.raises(RecordMismatchError, match="changed"):
        decompose(synthesizing, replace(image, array=changed), latent=latent)
    touched = latent.array.copy()
    touched[1, 4, 4] += (0.1, -0.1)  # the mean, and so the image, stays
    with pytest.raises(RecordMismatchError, match="digest"):
        decompose(synthesizing, image, latent=replace(latent, array=touched))
    with pytest.raises(GridMismatchError, match="latent"):
        decompose(synthesizing, image, latent=replace(latent, origin=(0.0, 0.0, 0.0)))
    with pytest.raises(UnsuitableVolumeError, match="2 values per voxel"):
        decompose(synthesizing, latent)
    with pytest.raises(RecordMismatchError, match="tiny-t1-pd-t2"):
        decompose(make_model("T1 PD", "FLAIR"), image)
    with pytest.raises(RecordMismatchError, match="decompose"):
        decompose(synthesizing, decompose(synthesizing, image).sources[0].mean)
    with pytest.raises(ConfigurationError, match="certified"):
        decompose(synthesizing, image, latent=latent, certify=True)
    with pytest.raises(RecordMismatchError, match="tiny-t1-pd-t2"):
        decompose(model, image)


def test_models_are_not_mistaken_for_each_other(make_model: MakeModel, model: Model, sources: list[Volume]) -> None:
    with pytest.raises(ConfigurationError, match="makes T2 from T1 \\+ PD; it does not fuse"):
        fuse(make_model("T1 PD", "T2"), sources)
    with pytest.raises(ConfigurationError, match="does not synthesize"):
        synthesize(model, sources)


def test_missing_inputs_are_named(make_model: MakeModel) -> None:
    with pytest.raises(ConfigurationError, match=r"takes 2 sources, 1 were given. It needs T1, PD.*given: PD"):
        synthesize(make_model("T1 PD", "T2"), volumes("PD"))


@pytest.mark.parametrize("names", ["PD T1", "Doe_John_T1Gd PD"])
def test_other_contrasts_are_said_in_log_and_record_and_allowed(
    make_model: MakeModel, caplog: pytest.LogCaptureFixture, names: str
) -> None:
    model = make_model("T1 PD", "T2")
    with caplog.at_level(logging.WARNING):
        synthesis = synthesize(model, volumes(names))
    assert "T1 + PD" in caplog.text
    assert "Doe" not in caplog.text
    assert synthesis.record["warnings"] == [caplog.messages[0]]
    caplog.clear()
    for fitting in ("t1 pd", "sub-03_T1 Axial-PD"):
        assert synthesize(model, volumes(fitting)).record["warnings"] == []
    assert not caplog.records


def bad(kind: str) -> Volume:
    good = volume((3, 12, 10), 0, "T1")
    array = good.array.astype(np.float32)
    if kind == "NaN":
        array[0, 0, :3] = np.nan
    if kind == "constant":
        array[:] = 7
    if kind == "colour":
        array = np.repeat(array[..., None], 3, axis=-1)
    if kind == "labels":
        array = np.asarray(array > 500, dtype=np.uint8)
    return good.with_array(array)


@pytest.mark.parametrize(
    ("kind", "says"),
    [("NaN", "3 of 360"), ("constant", "constant"), ("colour", "3 values per voxel"), ("labels", "label map")],
)
def test_unsuitable_sources_get_a_sentence(make_model: MakeModel, kind: str, says: str) -> None:
    with pytest.raises(UnsuitableVolumeError, match=says) as caught:
        synthesize(make_model("T1 PD", "T2"), [bad(kind), volume((3, 12, 10), 1, "PD")])
    assert "T1" in str(caught.value)


def test_a_grey_source_is_refused_where_the_model_takes_colour(make_model: MakeModel) -> None:
    grey = volume((3, 12, 10), 0, "T1").renamed("PET")
    with pytest.raises(UnsuitableVolumeError, match="PET has 1 values per voxel; a colour image with 3"):
        synthesize(make_model("PET T1", "T2"), [grey, volume((3, 12, 10), 1, "T1")])


def test_colours_are_scaled_together(make_model: MakeModel) -> None:
    """A scale for each of red, green and blue would change the hue."""
    model = make_model("PET T1", "T2", {"method": "percentile", "lower": 0.0, "upper": 100.0})
    sources = volumes("PET T1")
    dim = sources[0].array.copy()
    dim[..., 2] //= 10
    record = synthesize(model, [sources[0].with_array(dim), sources[1]]).record
    assert record["sources"][0]["intensity"] == {"offset": [float(dim.min())], "gain": [float(np.ptp(dim))]}
    assert record["sources"][0]["components"] == 3


def test_outliers_that_would_drown_the_rest_are_refused(make_model: MakeModel) -> None:
    sources = volumes("T1 PD")
    array = sources[0].array.astype(np.float32)
    array[1, 5, 5] = 1e12
    with pytest.raises(InferenceError, match=r"slice 2 .*1e\+12 in T1"):
        synthesize(make_model("T1 PD", "T2"), [sources[0].with_array(array), sources[1]])


def test_a_bright_voxel_is_reason_to_see_at_once_whether_the_sources_come_back(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a trained iVAN a patch three times as bright as the scale can spoil the other source by more than 1e-5."""
    exact = Ivan.inverse
    off = 1e-4
    monkeypatch.setattr(Ivan, "inverse", lambda network, latent: exact(network, latent) + off)
    model = make_model("T1 PD", "T2", {"method": "percentile", "lower": 0.0, "upper": 99.0})
    sources = volumes("T1 PD")
    assert synthesize(model, sources).record["warnings"] == []  # the rest need not be looked at
    array = sources[0].array.astype(np.float32)
    array[1, 5, 5] *= 3 * array.max() / array[1, 5, 5]
    bright = [sources[0].with_array(array), sources[1]]
    (warning,) = (each for each in synthesize(model, bright).record["warnings"] if "T1" not in each)
    assert re.fullmatch(r"The round trip brings PD back wrong by up to \S+ \(slice 2\): .*", warning)
    off = 0.1
    with pytest.raises(InferenceError, match=r"slice 2 .* would come back wrong"):
        synthesize(model, bright)


def test_slices_come_one_by_one_and_stopping_leaves_all_as_it_was(make_model: MakeModel) -> None:
    model, sources = make_model("T1 T2", "PET"), volumes("T1 T2")
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    whole = synthesize(model, sources)
    run = synthesize_slices(model, sources, first=2)
    finished = next(run)
    assert (finished.index, finished.done, finished.total) == (2, 1, 3)
    assert np.array_equal(finished.image, whole.images[0].array[2])
    run.close()
    with pytest.raises(StopIteration):
        next(run)
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


def test_same_input_gives_identical_voxels(make_model: MakeModel) -> None:
    model, sources = make_model("T1 PD", "T2"), volumes("T1 PD")
    first, second = synthesize(model, sources), synthesize(model, sources)
    assert first.latent is not None
    assert second.latent is not None
    assert np.array_equal(first.images[0].array, second.images[0].array)
    assert np.array_equal(first.latent.array, second.latent.array)
    alone = [decompose(model, first.images[0], seed=seed).sources[0].mean.array for seed in (0, 1)]
    assert np.array_equal(*alone)  # nothing is drawn


@pytest.mark.parametrize(("kernel", "used"), [("auto", "compiled"), ("products", "torch")])
def test_kernels_give_torchs_image_and_the_record_says_which_it_was(
    make_model: MakeModel, kernel: Any, used: str
) -> None:
    """Matrix products are for fusion alone."""
    model, sources = make_model("T1 PD", "T2"), volumes("T1 PD")
    settings = Settings(device="cpu", kernel=kernel)
    synthesis = synthesize(model, sources, settings=settings)
    back = decompose(model, synthesis.images, latent=synthesis.latent, settings=settings)
    expected = used if numba_works() else "torch"
    assert synthesis.record["settings"]["kernel"] == back.record["settings"]["kernel"] == expected
    assert error_of_range(back.sources[0].mean, sources[0]) <= 1e-5
    plain = synthesize(model, sources, settings=Settings(device="cpu", kernel="torch"))
    np.testing.assert_allclose(synthesis.images[0].array, plain.images[0].array, atol=1e-5)


def test_an_invertible_network_is_exact_or_refuses(make_model: MakeModel) -> None:
    with pytest.raises(ConfigurationError, match="bfloat16"):
        synthesize(make_model("T1 PD", "T2"), volumes("T1 PD"), settings=Settings(precision="bfloat16"))


class OneWay(nn.Module):
    """A network as a generator of a GAN is: sizes of a multiple of four, and no way back."""

    inputs, outputs, multiple = (1, 1), (1,), 4

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def synthesize(self, sources: Tensor) -> Tensor:
        assert sources.shape[2] % 4 == sources.shape[3] % 4 == 0
        return self.weight * sources.sum(1, keepdim=True)


def test_a_network_without_a_way_back_synthesizes_and_says_that_it_has_none(make_model: MakeModel) -> None:
    network: SynthesisNetwork = OneWay().requires_grad_(False)
    card = replace(make_model("T1 PD", "T2").card, name="one-way")
    model, sources = Model(network, card, "0" * 64), volumes("T1 PD", (3, 7, 10))
    synthesis = synthesize(model, sources, settings=Settings(batch_size=2))
    assert synthesis.latent is None
    assert list(synthesis.named_volumes()) == ["synthetic-T2"]
    expected = (sources[0].array + sources[1].array.astype(np.float64)) / 2000
    np.testing.assert_allclose(synthesis.images[0].array, expected, atol=1e-6)
    with pytest.raises(ConfigurationError, match=r"one-way .*cannot be run backwards"):
        decompose(model, synthesis.images[0])
