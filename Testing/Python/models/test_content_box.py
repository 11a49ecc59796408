"""Air around a head changes nothing: the box around a slice's content, and the generator that sees no more of it."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.content_box import ContentBox, content_box
from InvertibleFusionLib.models.disentangled_gan import MARGIN, PRESETS, SMALLEST, DisentangledGenerator, Synthesis
from InvertibleFusionLib.models.model_file import build_network

FIELDS_OF_VIEW = [(7, 13, 22, 4), (0, 0, 31, 0), (1, 0, 0, 0), (60, 3, 0, 47)]
"""Rows above and below, columns left and right of it; sizes that are odd and no multiples of anything."""


def generator(preset: str = "default", sources: int = 2, **changes: object) -> DisentangledGenerator:
    settings = {"sources": sources, "base_channels": 4, "residual_blocks": 1, "crop_to_content": True, **changes}
    return DisentangledGenerator(dataclasses.replace(PRESETS[preset], **settings)).eval()


def head(sources: int = 2, rows: int = 37, columns: int = 30) -> Tensor:
    """A bright ellipse that touches the slice's edges, (1, sources, rows, columns); nothing outside it."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij")
    texture = 0.3 + 0.6 * torch.rand((1, sources, rows, columns), generator=torch.Generator().manual_seed(1))
    return texture * (x**2 + y**2 <= 1)


def around(slices: Tensor, air: tuple[int, int, int, int], value: float = 0.0) -> Tensor:
    above, below, left, right = air
    return pad(slices, (left, right, above, below), value=value)


def inside(slices: Tensor, air: tuple[int, int, int, int]) -> Tensor:
    above, below, left, right = air
    return around(slices, (-above, -below, -left, -right))


def made(network: DisentangledGenerator, sources: Tensor, present: Tensor | None = None) -> Synthesis:
    with torch.no_grad():
        return network.inspect(sources, present)


def test_the_box_is_that_of_numpy_around_all_images_and_reaches_beyond_the_slice() -> None:
    images = torch.zeros(2, 40, 50)
    images[0, 20:30, 0:10] = 0.45
    images[1, 34:40, 30:41] = 0.2
    # Of five columns an edge of 0.45 needs two to be above 0.1 on average, one of 0.2 three.
    box = content_box(images, margin=4)
    assert box == ContentBox((20 - 1 - 4, 40 + 4), (0 - 1 - 4, 41 + 4))
    cut = box.cut(images)
    reference = np.pad(images.numpy(), ((0, 0), (0, 4), (5, 0)))[:, 15:, :50]
    np.testing.assert_array_equal(cut.numpy(), reference)
    np.testing.assert_array_equal(box.put_back(cut, 40, 50)[:, 15:, :45], images[:, 15:, :45])
    assert box.put_back(torch.ones_like(cut), 40, 50).sum() == 2 * 25 * 45


@pytest.mark.parametrize(("noise", "bright"), [(0.05, 0.0), (0.02, 1.0)])
def test_noise_and_single_bright_pixels_in_the_air_are_no_content(noise: float, bright: float) -> None:
    """Rician noise, as magnitudes have."""
    random = torch.Generator().manual_seed(0)
    slices = around(head(), (30, 40, 50, 20))
    parts = noise * torch.randn((2, *slices.shape), generator=random)
    noisy = ((slices + parts[0]).square() + parts[1].square()).sqrt()
    noisy[..., 3, 3] += bright
    expected, found = content_box(slices[0], 0), content_box(noisy[0], 0)
    assert expected is not None
    assert found is not None
    for side in ("rows", "columns"):
        for one, other in zip(getattr(found, side), getattr(expected, side), strict=True):
            assert abs(one - other) <= 2


def test_a_small_box_grows_about_its_middle() -> None:
    images = torch.zeros(1, 40, 90)
    images[:, 10:17, 10:80] = 1
    box = content_box(images, margin=0, smallest=20)
    assert box is not None
    assert box.rows == (10 - 2 - 4, 17 + 2 + 5)  # a bright edge is seen two pixels out
    assert box.columns == (8, 82)


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("air", FIELDS_OF_VIEW)
def test_a_larger_field_of_view_gives_the_same_head(preset: str, air: tuple[int, int, int, int]) -> None:
    network, sources = generator(preset), head()
    expected, got = made(network, sources), made(network, around(sources, air))
    torch.testing.assert_close(inside(got.image, air), expected.image, rtol=0, atol=1e-6)
    torch.testing.assert_close(inside(got.pseudo_target, air), expected.pseudo_target, rtol=0, atol=1e-6)
    torch.testing.assert_close(got.mean, expected.mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(got.standard_deviation, expected.standard_deviation, rtol=0, atol=1e-6)
    seen = [max(MARGIN + 2, SMALLEST - size) for size in sources.shape[-2:]]
    near = tuple(max(each - seen[side // 2], 0) for side, each in enumerate(air))
    assert int(got.image.count_nonzero()) == int(inside(got.image, near).count_nonzero())  # type: ignore[arg-type]


def test_air_that_is_cut_off_changes_nothing_in_odd_sizes_and_in_batches() -> None:
    """Each slice of a batch has a box of its own."""
    network = generator()
    small, large = around(head(rows=21, columns=33), (20, 10, 5, 13)), around(head(rows=51, columns=47), (0, 0, 4, 0))
    together = made(network, torch.cat((small, large)))
    alone = made(network, inside(small, (20, 10, 5, 13)))
    torch.testing.assert_close(inside(together.image[:1], (20, 10, 5, 13)), alone.image, rtol=0, atol=1e-6)
    for number, slices in enumerate((small, large)):
        one = made(network, slices)
        for field in dataclasses.fields(one):
            assert torch.equal(getattr(together, field.name)[[number]], getattr(one, field.name)), field.name


def test_without_the_setting_the_field_of_view_matters_as_published() -> None:
    """What the setting is for; and a card that was written before it means what it meant."""
    network, sources, air = generator(crop_to_content=False), head(), (40, 3, 0, 17)
    difference = inside(made(network, around(sources, air)).image, air) - made(network, sources).image
    assert float(difference.abs().max()) > 0.01
    assert not PRESETS["paper"].crop_to_content
    assert PRESETS["default"].crop_to_content
    settings = PRESETS["default"].to_json() | {"sources": 1, "base_channels": 2}
    del settings["crop_to_content"]
    card = ModelCard("old", "disentangled-gan", settings, "synthesis", ["T1"], ["T2"], {"method": "percentile"})
    old = build_network(card)
    assert isinstance(old, DisentangledGenerator)
    larger = around(head(1), air)
    assert torch.equal(made(old, larger).image, old.whole(larger).image)


def test_the_box_is_that_of_the_sources_that_are_there() -> None:
    network, present = generator(sources=3), torch.tensor([[True, False, True]])
    sources = around(head(3), (MARGIN + 4, 30, MARGIN + 17, 9))
    expected = made(network, sources, present)
    for junk in (float("nan"), float("inf"), 0.0, 0.9):
        changed = sources.clone()
        changed[:, 1] = junk
        assert torch.equal(made(network, changed, present).image, expected.image)
    seen = sources.clone()
    seen[:, 2, 2:9, 2:9] = 0.9  # what one source alone shows counts
    assert float(made(network, seen, present).image[..., 3:8, 3:8].min()) > 0
    assert float(expected.image[..., :2, :2].max()) == 0


def test_values_that_are_not_finite_stay_visible() -> None:
    sources = around(head(), (9, 9, 9, 9))
    sources[:, 0, 25, 25] = float("nan")
    assert bool(made(generator(), sources).image.isnan().any())


@pytest.mark.parametrize("value", [0.0, 0.03, -2.0])
def test_a_slice_of_air_is_taken_whole(value: float) -> None:
    network, air = generator(), torch.full((1, 2, 19, 26), value)
    assert content_box(air[0], MARGIN) is None
    got, whole = made(network, air), network.whole(air)
    assert bool(torch.isfinite(got.image).all())
    for field in dataclasses.fields(got):
        assert torch.equal(getattr(got, field.name), getattr(whole, field.name)), field.name
