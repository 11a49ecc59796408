from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from InvertibleFusionLib import Volume, decompose, fuse
from InvertibleFusionLib.errors import (
    CertificationError,
    ConfigurationError,
    GridMismatchError,
    InferenceError,
    InvertibleFusionError,
    RecordMismatchError,
    UnsuitableVolumeError,
)
from InvertibleFusionLib.inference.fusion import Fusion, fuse_slices
from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.volumes.grid import Grid, same_grid
from InvertibleFusionLib.volumes.itk import image_from_volume

SHAPES = [(5, 33, 27), (4, 16, 16), (1, 31, 20), (6, 1, 9), (3, 2, 3), (7, 12, 1)]


def volume(shape: tuple[int, ...], seed: int, name: str, dtype: str = "float32") -> Volume:
    generator = np.random.default_rng(seed)
    array = (1000 * generator.random(shape)).astype(dtype)
    return Volume(array, spacing=(0.9, 1.1, 3.5), origin=(-50, 31, 7.5), name=name)


def error_of_range(back: Volume, source: Volume) -> float:
    difference = np.abs(back.array.astype(np.float64) - source.array.astype(np.float64))
    return float(difference.max() / np.ptp(source.array.astype(np.float64)))


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal", "acquisition"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sources_come_back_exactly_whatever_the_size_and_axis(model: Model, shape: tuple[int, ...], axis: Any) -> None:
    sources = [volume(shape, 0, "ADC"), volume(shape, 1, "FLAIR")]
    fusion = fuse(model, sources, axis=axis)
    result = decompose(model, fusion.image, latent=fusion.latent)
    for estimate, source in zip(result.sources, sources, strict=True):
        assert estimate.spread is None
        assert error_of_range(estimate.mean, source) <= 1e-5


def test_every_result_lies_where_the_sources_lie_and_keeps_their_units(model: Model, sources: list[Volume]) -> None:
    fusion = fuse(model, sources)
    exact = decompose(model, fusion.image, latent=fusion.latent)
    seen = decompose(model, fusion.image, samples=2)
    assert [estimate.mean.name for estimate in exact.sources] == ["ADC", "FLAIR"]
    results = [
        fusion.image,
        *(v for d in (exact, seen) for e in d.sources for v in (e.mean, e.spread) if v is not None),
    ]
    assert len(results) == 7
    original = image_from_volume(sources[0])
    for result in results:
        image = image_from_volume(result)
        for index in [(0, 0, 0), (26, 32, 4), (13, 7, 2)]:
            expected = original.TransformIndexToPhysicalPoint(index)
            np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), expected, atol=1e-9)
        assert image.GetSize() == original.GetSize()
    for decomposition in (exact, seen):
        assert [estimate.mean.units for estimate in decomposition.sources] == ["1e-6 mm2/s", ""]
    assert seen.sources[0].spread is not None
    assert seen.sources[0].spread.units == "1e-6 mm2/s"


def test_image_is_the_sigmoid_of_the_latent_and_the_latent_is_padded_at_the_far_end(
    model: Model, sources: list[Volume]
) -> None:
    fusion = fuse(model, sources)
    assert fusion.image.array.dtype == fusion.latent.array.dtype == np.float32
    assert fusion.latent.array.shape == (5, 34, 28, 2)
    y = torch.from_numpy(fusion.latent.array[:, :33, :27, 0].copy())
    np.testing.assert_allclose(torch.sigmoid(y).numpy(), fusion.image.array, atol=1e-6)
    assert 0 <= fusion.image.array.min() < fusion.image.array.max() <= 1
    for index in [(0, 0, 0), (26, 32, 4)]:
        here = image_from_volume(fusion.latent).TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(
            here, image_from_volume(fusion.image).TransformIndexToPhysicalPoint(index), atol=1e-9
        )


def test_results_survive_being_written_and_read(model: Model, sources: list[Volume], tmp_path: Any) -> None:
    fusion = fuse(model, sources)
    fusion.image.write(tmp_path / "fused.nrrd")
    fusion.latent.write(tmp_path / "latent.nrrd")
    image, latent = Volume.read(tmp_path / "fused.nrrd"), Volume.read(tmp_path / "latent.nrrd")
    result = decompose(model, image, latent=latent)
    result.sources[0].mean.write(tmp_path / "exact.nrrd")
    read = sitk.ReadImage(str(tmp_path / "exact.nrrd"))
    assert error_of_range(Volume.read(tmp_path / "exact.nrrd"), sources[0]) <= 1e-5
    np.testing.assert_allclose(read.GetOrigin(), sources[0].origin)
    np.testing.assert_allclose(read.GetSpacing(), sources[0].spacing)
    np.testing.assert_allclose(read.GetDirection(), sources[0].direction, atol=1e-12)
    assert Volume.read(tmp_path / "exact.nrrd").units == "1e-6 mm2/s"


def test_grids_that_differ_are_refused_with_numbers_and_resampled_when_asked(model: Model) -> None:
    adc = volume((10, 20, 20), 0, "ADC")
    flair = replace(volume((5, 40, 40), 1, "FLAIR"), spacing=(0.45, 0.55, 7.0))
    with pytest.raises(GridMismatchError, match=r"FLAIR is not on the grid of ADC.*40×40×5.*20×20×10"):
        fuse(model, [adc, flair])
    fusion = fuse(model, [adc, flair], resample=True)
    assert same_grid(fusion.image.grid, adc.grid)
    back = decompose(model, fusion.image, latent=fusion.latent).sources[1].mean
    assert back.name == "FLAIR resampled onto the grid of ADC"
    onto_flair = fuse(model, [adc, flair], resample=True, reference=1)
    assert same_grid(onto_flair.image.grid, flair.grid)
    assert onto_flair.record["sources"][0]["resampled"]["onto"] == "FLAIR"
    assert onto_flair.record["sources"][1]["resampled"] is None
    exact = decompose(model, onto_flair.image, latent=onto_flair.latent).sources
    assert [estimate.mean.name for estimate in exact] == ["ADC resampled onto the grid of FLAIR", "FLAIR"]
    assert error_of_range(exact[1].mean, flair) <= 1e-5


def test_volumes_of_different_places_are_not_fused(model: Model) -> None:
    adc = volume((5, 20, 20), 0, "ADC")
    far = replace(volume((5, 20, 20), 1, "FLAIR"), origin=(500.0, 0.0, 0.0))
    with pytest.raises(GridMismatchError, match="FLAIR does not overlap"):
        fuse(model, [adc, far], resample=True)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_certified_whole_numbers_come_back_bit_for_bit(model: Model, dtype: str) -> None:
    generator = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -3000), min(limits.max, 65535)
    sources = [
        Volume(generator.integers(low, high, (3, 21, 18), dtype=dtype, endpoint=True), name=name)
        for name in ("ADC", "FLAIR")
    ]
    fusion = fuse(model, sources, certify=True)
    assert [entry["bit_for_bit"] for entry in fusion.record["certificate"]] == [True, True]
    result = decompose(model, fusion.image, latent=fusion.latent, certify=True)
    assert [entry["bit_for_bit"] for entry in result.record["certificate"]] == [True, True]
    for estimate, source in zip(result.sources, sources, strict=True):
        assert estimate.mean.array.dtype == source.array.dtype
        assert np.array_equal(estimate.mean.array, source.array)
        assert estimate.mean.record is not None
        assert estimate.mean.record["certificate"][0]["bit_for_bit"]


def test_whole_numbers_too_wide_for_the_latent_are_not_certified(model: Model) -> None:
    """The latent has 24 bits: values over 2^31 cannot all come back, and must not be said to."""
    values = np.random.default_rng(0).integers(-(2**31), 2**31 - 1, (2, 16, 16), dtype=np.int32)
    wide = volume((2, 16, 16), 0, "ADC").with_array(values)
    with pytest.raises(CertificationError, match=r"ADC .* of 512 voxels differ"):
        fuse(model, [wide, volume((2, 16, 16), 1, "FLAIR")], certify=True)


def test_fractional_sources_are_not_called_bit_for_bit(model: Model) -> None:
    """Unless they happen to be: the certificate says what was measured."""
    sources = [volume((2, 16, 16), 0, "ADC", "float64"), volume((2, 16, 16), 1, "FLAIR", "int16")]
    fusion = fuse(model, sources, certify=True)
    first, second = fusion.record["certificate"]
    assert not first["bit_for_bit"]
    assert 0 < first["largest_difference"] < 1e-5 * np.ptp(sources[0].array)
    assert second["bit_for_bit"]
    result = decompose(model, fusion.image, latent=fusion.latent, certify=True)
    assert [entry["bit_for_bit"] for entry in result.record["certificate"]] == [False, True]


def test_certification_notices_a_source_that_is_not_the_one_that_was_fused(model: Model) -> None:
    sources = [volume((2, 16, 16), 0, "ADC", "int16"), volume((2, 16, 16), 1, "FLAIR", "int16")]
    fusion = fuse(model, sources, certify=True)
    other = {**fusion.image.record, "sources": [dict(each) for each in fusion.record["sources"]]}  # type: ignore[dict-item]
    other["sources"][1]["voxels_sha256"] = "0" * 64
    with pytest.raises(CertificationError, match="FLAIR"):
        decompose(model, replace(fusion.image, record=other), latent=fusion.latent, certify=True)


def test_an_image_changed_since_is_refused_with_the_latent_and_taken_as_it_is_without(
    model: Model, sources: list[Volume]
) -> None:
    fusion = fuse(model, sources)
    changed = fusion.image.array.copy()
    changed[2, 10, 10] += 0.01
    image = replace(fusion.image, array=changed)
    with pytest.raises(RecordMismatchError, match="changed"):
        decompose(model, image, latent=fusion.latent)
    one = decompose(model, image, samples=2).sources[0].mean.array
    two = decompose(model, fusion.image, samples=2).sources[0].mean.array
    assert np.abs(one - two)[2].max() > 0
    assert np.abs(one - two)[[0, 1, 3, 4]].max() == 0


def test_image_and_latent_must_belong_together(model: Model, sources: list[Volume]) -> None:
    fusion = fuse(model, sources)
    moved = replace(fusion.latent, origin=(0.0, 0.0, 0.0))
    with pytest.raises(GridMismatchError, match="latent"):
        decompose(model, fusion.image, latent=moved)
    with pytest.raises(UnsuitableVolumeError, match="1 values per voxel"):
        decompose(model, fusion.image, latent=fusion.image)
    with pytest.raises(UnsuitableVolumeError, match="not the latent"):
        decompose(model, fusion.latent)
    other = replace(model, sha256="f" * 64)
    with pytest.raises(RecordMismatchError, match="for-tests"):
        decompose(other, fusion.image)


def test_results_of_decomposing_are_not_fused_images(model: Model, sources: list[Volume]) -> None:
    fusion = fuse(model, sources)
    adc = decompose(model, fusion.image, latent=fusion.latent).sources[0].mean
    with pytest.raises(RecordMismatchError, match="not a fused image"):
        decompose(model, adc)


@pytest.mark.parametrize("damage", ["sources", "model", "settings"])
def test_a_damaged_record_is_a_sentence(model: Model, sources: list[Volume], damage: str) -> None:
    fusion = fuse(model, sources)
    record = {key: value for key, value in fusion.image.record.items() if key != damage}  # type: ignore[union-attr]
    with pytest.raises(RecordMismatchError, match="damaged"):
        decompose(model, replace(fusion.image, record=record))


def test_without_a_record_the_image_alone_gives_the_networks_numbers(model: Model, sources: list[Volume]) -> None:
    fusion = fuse(model, sources)
    bare = replace(fusion.image, record=None, name="from elsewhere")
    result = decompose(model, bare, samples=3)
    known = decompose(model, fusion.image, samples=3)
    scale = fusion.record["sources"][0]["intensity"]
    expected = (known.sources[0].mean.array - scale["offset"][0]) / scale["gain"][0]
    np.testing.assert_allclose(result.sources[0].mean.array, expected, atol=1e-4)
    assert result.sources[0].mean.units == ""
    assert "mean from the fused image alone" in result.sources[1].mean.name


def test_a_per_slice_scale_comes_back_slice_by_slice(model: Model) -> None:
    """The paper's normalization, blank slices included."""
    card = replace(model.card, intensity={"method": "slice-minmax"})
    adc = volume((4, 16, 16), 0, "ADC")
    array = adc.array.copy()
    array[1] = 0
    array[2] *= 50
    sources = [replace(adc, array=array), volume((4, 16, 16), 1, "FLAIR")]
    paper = replace(model, card=card)
    fusion = fuse(paper, sources)
    back = decompose(paper, fusion.image, latent=fusion.latent).sources[0].mean.array
    for index in range(4):
        assert np.abs(back[index] - array[index]).max() <= 1e-5 * max(np.ptp(array[index]), 1)
    cropped = replace(fusion.image, array=fusion.image.array[:2])
    with pytest.raises(RecordMismatchError, match="cropped"):
        decompose(paper, cropped)


def test_same_input_gives_identical_voxels(model: Model, sources: list[Volume]) -> None:
    first, second = fuse(model, sources), fuse(model, sources)
    assert np.array_equal(first.image.array, second.image.array)
    assert np.array_equal(first.latent.array, second.latent.array)
    seen = [decompose(model, first.image, samples=3, seed=5).sources[0] for _ in range(2)]
    assert np.array_equal(seen[0].mean.array, seen[1].mean.array)
    other = decompose(model, first.image, samples=3, seed=6).sources[0]
    assert not np.array_equal(seen[0].mean.array, other.mean.array)


def test_results_from_the_image_alone_do_not_depend_on_the_batch(model: Model, sources: list[Volume]) -> None:
    fusion = fuse(model, sources)
    single, all_at_once = (
        decompose(model, fusion.image, samples=3, settings=Settings(batch_size=size)).sources[0].mean.array
        for size in (1, 5)
    )
    np.testing.assert_allclose(single, all_at_once, atol=1e-3 * np.ptp(single))


def test_bfloat16_is_close_and_refused_where_results_must_be_exact(model: Model, sources: list[Volume]) -> None:
    with pytest.raises(ConfigurationError, match="bfloat16"):
        fuse(model, sources, settings=Settings(precision="bfloat16"))
    with pytest.raises(ConfigurationError, match="one slice at a time"):
        fuse(model, sources, settings=Settings(batch_size=4))
    fusion = fuse(model, sources)
    exact = decompose(model, fusion.image, samples=2, settings=Settings(precision="float32"))
    rough = decompose(model, fusion.image, samples=2, settings=Settings(precision="bfloat16"))
    difference = np.abs(exact.sources[0].mean.array - rough.sources[0].mean.array).mean()
    assert 0 < difference < 0.05 * np.ptp(sources[0].array)
    assert rough.record["settings"]["precision"] == "bfloat16"


def test_the_record_says_how_it_was_made_and_is_ascii_json(model: Model, sources: list[Volume]) -> None:
    import json

    record = fuse(model, [sources[0].renamed("Überblick"), sources[1]]).image.record
    assert record is not None
    assert json.dumps(record).isascii()
    assert record["model"] == {
        "name": "for-tests",
        "sha256": model.sha256,
        "architecture": "fusioninn",
        "trained_on": ["ADC", "FLAIR"],
    }
    assert "esearch use only" in record["notice"]
    assert record["sources"][0]["name"] == "Überblick"
    assert record["sources"][0]["grid"]["spacing_mm"] == [0.9, 1.1, 3.5]
    assert record["sources"][1]["voxel_type"] == "int16"
    assert record["settings"]["precision"] == "float32"


def test_slices_come_one_by_one_the_wanted_one_first_and_stopping_leaves_the_sources_alone(
    model: Model, sources: list[Volume]
) -> None:
    before = [source.array.copy() for source in sources]
    whole = fuse(model, sources)
    run = fuse_slices(model, sources, first=3)
    finished = next(run)
    assert (finished.index, finished.done, finished.total) == (3, 1, 5)
    assert np.array_equal(finished.image, whole.image.array[3])
    run.close()
    with pytest.raises(StopIteration):
        next(run)
    assert all(np.array_equal(a, source.array) for a, source in zip(before, sources, strict=True))


def test_progress_counts_every_slice_once(model: Model, sources: list[Volume]) -> None:
    seen: list[tuple[int, int]] = []
    fusion = fuse(model, sources, on_slice=lambda finished: seen.append((finished.index, finished.done)))
    assert isinstance(fusion, Fusion)
    assert sorted(index for index, _ in seen) == [0, 1, 2, 3, 4]
    assert [done for _, done in seen] == [1, 2, 3, 4, 5]


def test_the_models_network_is_left_as_it_was(model: Model, sources: list[Volume]) -> None:
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    fuse(model, sources, certify=False)
    fuse(model, [volume((2, 8, 8), n, "x", "int16") for n in (0, 1)], certify=True)
    for name, value in model.network.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])


def bad(kind: str) -> Volume:
    plain = volume((5, 33, 27), 0, "ADC").array.copy()
    if kind == "NaN":
        plain[0, 0, :3] = np.nan
    if kind == "infinite":
        plain[1, 2, 3] = np.inf
    if kind == "constant":
        plain[:] = 7
    if kind == "colour":
        plain = np.repeat(plain[..., None], 3, axis=-1)
    if kind == "labels":
        plain = (plain > 500).astype(np.uint8)
    if kind == "empty":
        plain = plain[:0]
    if kind == "line":
        plain = plain[:, :1, :1]
    return Volume(plain, name="ADC")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("NaN", "3 of 4455"),
        ("infinite", "1 of 4455"),
        ("constant", "7"),
        ("colour", "3 values per voxel"),
        ("labels", "label map"),
        ("empty", "empty"),
        ("line", "1×1×5"),
    ],
)
def test_unsuitable_sources_get_a_sentence_with_numbers(model: Model, kind: str, says: str) -> None:
    with pytest.raises(UnsuitableVolumeError) as caught:
        fuse(model, [bad(kind), replace(bad("none"), name="FLAIR")])
    assert says in str(caught.value)
    assert "ADC" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [{"reference": 2}, {"reference": -1}, {"axis": "diagonal"}, {"settings": Settings(device="cuda:99")}],
)
def test_senseless_requests_are_refused(model: Model, sources: list[Volume], arguments: dict[str, Any]) -> None:
    with pytest.raises(InvertibleFusionError):
        fuse(model, sources, **arguments)


def test_wrong_number_of_sources_and_samples(model: Model, sources: list[Volume]) -> None:
    with pytest.raises(ConfigurationError, match="takes 2 sources, 1 were given"):
        fuse(model, sources[:1])
    image = fuse(model, sources).image
    with pytest.raises(ConfigurationError, match="sample"):
        decompose(model, image, samples=0)
    with pytest.raises(ConfigurationError, match="latent"):
        decompose(model, image, certify=True)


def test_a_slice_without_any_signal_does_no_harm(model: Model) -> None:
    array = volume((3, 16, 16), 0, "ADC").array.copy()
    array[1] = 0
    sources = [Volume(array, name="ADC"), Volume(array[::-1].copy(), name="FLAIR")]
    fusion = fuse(model, sources)
    assert np.isfinite(decompose(model, fusion.image, samples=2).sources[1].mean.array).all()
    assert error_of_range(decompose(model, fusion.image, latent=fusion.latent).sources[0].mean, sources[0]) <= 1e-5


@pytest.mark.parametrize("outlier", [5_000, 20_000])
def test_outliers_beyond_the_percentiles_are_not_clipped_and_harm_nobody(model: Model, outlier: float) -> None:
    array = volume((3, 40, 40), 0, "ADC").array.copy()
    array[1, 5, 5] = outlier
    sources = [volume((3, 40, 40), 0, "ADC").with_array(array), volume((3, 40, 40), 1, "FLAIR")]
    fusion = fuse(model, sources)
    for estimate, source in zip(decompose(model, fusion.image, latent=fusion.latent).sources, sources, strict=True):
        assert error_of_range(estimate.mean, source) <= 1e-5


@pytest.mark.parametrize("kernel", ["auto", "torch"])
@pytest.mark.parametrize("outlier", [50_000, 200_000])
def test_outliers_at_the_limit_come_back_exactly_or_are_refused(model: Model, outlier: float, kernel: Any) -> None:
    array = volume((3, 40, 40), 0, "ADC").array.copy()
    array[1, 5, 5] = outlier
    sources = [volume((3, 40, 40), 0, "ADC").with_array(array), volume((3, 40, 40), 1, "FLAIR")]
    try:
        fusion = fuse(model, sources, settings=Settings(kernel=kernel))
    except InferenceError as refusal:
        assert "slice 2" in str(refusal)  # noqa: PT017
        return
    for estimate, source in zip(decompose(model, fusion.image, latent=fusion.latent).sources, sources, strict=True):
        assert error_of_range(estimate.mean, source) <= 1e-5


def test_outliers_that_would_drown_the_rest_are_refused_with_the_numbers(model: Model) -> None:
    array = volume((3, 40, 40), 0, "ADC").array.copy()
    array[1, 5, 5] = 1e9
    sources = [volume((3, 40, 40), 0, "ADC").with_array(array), volume((3, 40, 40), 1, "FLAIR")]
    with pytest.raises(InferenceError, match=r"slice 2 .*1e\+09 in ADC"):
        fuse(model, sources)


@pytest.mark.parametrize(("dtype", "start"), [("float64", 1e9), ("int32", 2_000_000_000), ("float64", -1e-9)])
def test_wide_types_come_back_in_a_type_that_holds_them(model: Model, dtype: str, start: float) -> None:
    generator = np.random.default_rng(0)
    scale = 1000 if dtype == "int32" else 1e-9 if abs(start) < 1 else 1
    array = (start + scale * generator.random((3, 20, 20))).astype(dtype)
    sources = [volume((3, 20, 20), 0, "ADC").with_array(array), volume((3, 20, 20), 1, "FLAIR")]
    fusion = fuse(model, sources)
    back = decompose(model, fusion.image, latent=fusion.latent).sources
    assert [estimate.mean.array.dtype for estimate in back] == [np.float64, np.float32]
    assert error_of_range(back[0].mean, sources[0]) <= 1e-5


def test_a_latent_changed_since_is_refused_even_where_the_image_does_not_show_it(
    model: Model, sources: list[Volume]
) -> None:
    fusion = fuse(model, sources)
    array = fusion.latent.array.copy()
    array[2, 4:9, 4:9, 1] += 3  # z alone: sigmoid(y) is still the image
    with pytest.raises(RecordMismatchError, match="digest"):
        decompose(model, fusion.image, latent=replace(fusion.latent, array=array))


def test_a_latent_of_other_numbers_is_noticed_without_any_record(model: Model, sources: list[Volume]) -> None:
    fusion = fuse(model, sources)
    array = fusion.latent.array.copy()
    array[2, 4, 4, 0] += 2e-4  # about 5e-5 of the image
    bare = replace(fusion.image, record=None)
    with pytest.raises(RecordMismatchError, match="changed"):
        decompose(model, bare, latent=replace(fusion.latent, array=array, record=None))


def test_the_latents_record_serves_where_the_image_lost_its_own(model: Model, sources: list[Volume]) -> None:
    """As after a detour through a program that drops unknown header fields."""
    fusion = fuse(model, [sources[0].renamed("one"), sources[1].renamed("two")])
    result = decompose(model, replace(fusion.image, record=None), latent=fusion.latent)
    assert list(result.named_volumes()) == ["exact-1-one", "exact-2-two"]
    assert error_of_range(result.sources[0].mean, sources[0]) <= 1e-5
    assert [source["name"] for source in result.record["sources"]] == ["one", "two"]


@pytest.mark.parametrize("factor", [1000, -1])
def test_an_image_that_is_none_of_ours_is_refused(model: Model, sources: list[Volume], factor: float) -> None:
    fused = fuse(model, sources).image
    with pytest.raises(UnsuitableVolumeError, match="between 0 and 1"):
        decompose(model, replace(fused, array=factor * fused.array))


def test_precision_and_certification_stand_in_the_record(model: Model) -> None:
    whole = [volume((2, 16, 16), n, name, "int16") for n, name in enumerate(("ADC", "FLAIR"))]
    for certify, precision in ((False, "float32"), (True, "float64")):
        fusion = fuse(model, whole, certify=certify)
        result = decompose(model, fusion.image, latent=fusion.latent, certify=certify)
        for record in (fusion.record, result.record):
            assert record["settings"]["precision"] == precision
            assert record["settings"]["certify"] is certify


def test_every_slice_has_its_own_draws(model: Model) -> None:
    """Equal slices must not get equal noise: the spread over a volume would look smoother than it is."""
    array = np.repeat(volume((1, 16, 16), 0, "x").array, 3, axis=0)
    sources = [volume((3, 16, 16), 0, name).with_array(array, name=name) for name in ("ADC", "FLAIR")]
    mean = decompose(model, fuse(model, sources).image, samples=2).sources[0].mean.array
    assert not np.allclose(mean[0], mean[1])
    assert not np.allclose(mean[1], mean[2])


def test_a_source_that_is_constant_where_the_reference_sees_it_is_refused(model: Model) -> None:
    adc = volume((3, 16, 16), 0, "ADC")
    array = np.zeros((9, 16, 16), np.float32)
    array[8] = volume((1, 16, 16), 1, "x").array[0]
    with pytest.raises(UnsuitableVolumeError, match="FLAIR is constant"):
        fuse(model, [adc, adc.with_array(array[:3]).renamed("FLAIR")])
    longer = Volume(array, spacing=adc.spacing, origin=adc.origin, name="FLAIR")
    with pytest.raises(UnsuitableVolumeError, match="FLAIR is constant"):
        fuse(model, [adc, longer], resample=True)


def test_a_negative_seed_is_a_sentence(model: Model, sources: list[Volume]) -> None:
    with pytest.raises(ConfigurationError, match="-1"):
        decompose(model, fuse(model, sources).image, seed=-1)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("voxel_type", "nonsense"),
        ("intensity", {"offset": [0.0], "gain": []}),
        ("intensity", {"offset": [0.0], "gain": [0.0]}),
        ("intensity", {"offset": [[0.0]], "gain": [[1.0]]}),
        ("intensity", [1, 2]),
    ],
    ids=str,
)
def test_a_source_record_that_makes_no_sense_is_a_sentence(
    model: Model, sources: list[Volume], what: str, value: object
) -> None:
    image = fuse(model, sources).image
    assert image.record is not None
    damaged = {**image.record, "sources": [{**source, what: value} for source in image.record["sources"]]}
    with pytest.raises(RecordMismatchError, match="damaged"):
        decompose(model, replace(image, record=damaged))


def test_grid_of_the_result_is_the_reference_even_where_another_source_is_a_hair_off(model: Model) -> None:
    adc = volume((3, 16, 16), 0, "ADC")
    hair = replace(volume((3, 16, 16), 1, "FLAIR"), origin=(-50.004, 31.0, 7.5))
    assert fuse(model, [adc, hair]).image.grid == Grid((16, 16, 3), (0.9, 1.1, 3.5), (-50, 31, 7.5))
