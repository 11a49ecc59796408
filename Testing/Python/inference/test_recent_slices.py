"""Slices that are not computed again: never one of other voxels, scales, models or settings than are asked for."""

from typing import Any

import numpy as np
import pytest

from InvertibleFusionLib import Volume, fuse
from InvertibleFusionLib.inference import preview as preview_module
from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.inference.preview import FusionPreview
from InvertibleFusionLib.inference.recent_slices import RecentSlices, key_of
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.shipped import load_model


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The slices that a network computed."""
    indices: list[int] = []
    run_slice = preview_module.run_slice

    def counting(job: Any, network: Any, plan: Any, index: int) -> None:
        indices.append(index)
        run_slice(job, network, plan, index)

    monkeypatch.setattr(preview_module, "run_slice", counting)
    return indices


def arrays(seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 1000, (2, 6, 9, 10)).astype(np.float32))


def volumes(first: np.ndarray, second: np.ndarray) -> list[Volume]:
    return [Volume(first, name="ADC"), Volume(second, name="FLAIR")]


def test_a_slice_looked_at_again_is_the_same_and_not_computed_again(model: Model, computed: list[int]) -> None:
    preview = FusionPreview(model, volumes(*arrays()))
    first = preview.fused_slice(2).copy()
    preview.fused_slice(3)
    np.testing.assert_array_equal(preview.fused_slice(2), first)
    assert computed == [2, 3]


@pytest.mark.parametrize("place", [(2, 4, 4), (5, 8, 9), (0, 0, 0)])
def test_a_changed_voxel_never_shows_an_old_slice(model: Model, computed: list[int], place: tuple[int, ...]) -> None:
    """Also one in another slice, where it changes the scale of all: the range's ends are percentiles of the volume."""
    recent, (first, second) = RecentSlices(), arrays()
    before = FusionPreview(model, volumes(first, second), recent=recent).fused_slice(2).copy()
    changed = second.copy()
    changed[place] = 5000
    sources = volumes(first, changed)
    shown = FusionPreview(model, sources, recent=recent).fused_slice(2)
    np.testing.assert_array_equal(shown, fuse(model, sources).image.array[2])
    assert np.abs(shown - before).max() > 0
    np.testing.assert_array_equal(FusionPreview(model, volumes(first, second), recent=recent).fused_slice(2), before)
    assert computed == [2, 2]


def test_voxels_changed_under_a_preview_are_seen(model: Model) -> None:
    first, second = arrays()
    preview = FusionPreview(model, volumes(first, second))
    before = preview.fused_slice(2).copy()
    second[2, 3, 3] += 100
    assert np.abs(preview.fused_slice(2) - before).max() > 0


def test_axis_order_model_and_kernel_make_other_slices(model: Model, computed: list[int]) -> None:
    recent, (first, second) = RecentSlices(), [array[:, :6, :6] for array in arrays()]
    other = load_model("fusioninn-t1gd-flair")
    choices: list[tuple[Model, list[Volume], Any, Any]] = [
        (model, volumes(first, second), "axial", "products"),
        (model, volumes(first, second), "sagittal", "products"),
        (model, volumes(second, first), "axial", "products"),
        (other, volumes(first, second), "axial", "products"),
        (model, volumes(first, second), "axial", "torch"),
    ]
    for chosen, sources, axis, kernel in choices * 2:
        settings = Settings(device="cpu", kernel=kernel)
        preview = FusionPreview(chosen, sources, axis=axis, settings=settings, recent=recent)
        whole = fuse(chosen, sources, axis=axis, settings=settings).image.array
        np.testing.assert_array_equal(preview.fused_slice(1), preview.stack.slices(whole)[1])
    assert computed == [1] * len(choices)


def test_slices_padded_to_the_same_size_are_not_mistaken_for_each_other(model: Model) -> None:
    """A flat edge, repeated once more, is what padding makes of it."""
    recent, (first, second) = RecentSlices(), arrays()
    wide = [np.concatenate([array, array[:, :, -2:-1]], axis=2) for array in (first[:, :, :9], second[:, :, :9])]
    assert FusionPreview(model, volumes(*wide), recent=recent).fused_slice(0).shape == (9, 10)
    narrow = FusionPreview(model, volumes(first[:, :, :9], second[:, :, :9]), recent=recent)
    assert narrow.fused_slice(0).shape == (9, 9)


def test_what_is_shown_cannot_be_written_into(model: Model) -> None:
    with pytest.raises(ValueError, match="read-only"):
        FusionPreview(model, volumes(*arrays())).fused_slice(0)[:] = 0


def test_the_slices_that_were_not_asked_for_the_longest_make_room() -> None:
    recent = RecentSlices(most_bytes=3 * 400)
    images = {bytes([number]): np.full((10, 10), number, np.float32) for number in range(4)}
    for key in (b"\0", b"\1", b"\2"):
        recent.put(key, images[key])
    assert recent.get(b"\0") is not None
    recent.put(b"\3", images[b"\3"])
    assert [key for key in images if recent.get(key) is None] == [b"\1"]
    recent.put(b"\3", images[b"\3"])  # once more takes no more room
    assert sum(recent.get(key) is not None for key in images) == 3
    recent.clear()
    assert all(recent.get(key) is None for key in images)


def test_a_slice_too_large_to_keep_is_given_all_the_same() -> None:
    recent, image = RecentSlices(most_bytes=10), np.ones((4, 4), np.float32)
    np.testing.assert_array_equal(recent.put(b"a", image), image)
    assert recent.get(b"a") is None


def test_keys_tell_types_shapes_and_settings_apart() -> None:
    image = np.zeros((2, 4, 6), np.float32)
    others = [image.reshape(2, 6, 4), image.astype(np.float64), image + 1]
    keys = {key_of(each, {"kernel": "torch"}) for each in (image, *others)}
    assert len(keys | {key_of(image, {"kernel": "products"}), key_of(image, {})}) == 6
    assert key_of(image[:, ::2], {}) == key_of(image[:, ::2].copy(), {})
