from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from InvertibleFusionLib import Volume, fuse
from InvertibleFusionLib.errors import ConfigurationError, GridMismatchError
from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.inference.preview import FusionPreview
from InvertibleFusionLib.models.model import Model


@pytest.fixture
def _three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("axis", ["axial", "sagittal"])
def test_a_single_slice_is_bit_for_bit_that_of_the_whole_run(model: Model, sources: list[Volume], axis: Any) -> None:
    whole = fuse(model, sources, axis=axis).image.array
    preview = FusionPreview(model, sources, axis=axis)
    for index in (0, preview.stack.count - 1, 1):
        np.testing.assert_array_equal(preview.fused_slice(index), preview.stack.slices(whole)[index])


@pytest.mark.usefixtures("_three_threads")
@pytest.mark.parametrize("kernel", ["auto", "products", "torch"])
def test_large_slices_are_bit_for_bit_the_same_on_many_threads_too(model: Model, kernel: Any) -> None:
    generator = np.random.default_rng(0)
    volumes = [Volume(generator.random((5, 250, 302), dtype=np.float32), name=name) for name in ("ADC", "FLAIR")]
    settings = Settings(device="cpu", kernel=kernel)
    whole = fuse(model, volumes, settings=settings).image.array
    preview = FusionPreview(model, volumes, settings=settings)
    for index in (3, 0):
        np.testing.assert_array_equal(preview.fused_slice(index), whole[index])
    assert torch.get_num_threads() == 3


def test_a_preview_refuses_what_a_run_would_refuse(model: Model, sources: list[Volume]) -> None:
    preview = FusionPreview(model, sources)
    with pytest.raises(ConfigurationError, match="There is no slice 6; there are 5"):
        preview.fused_slice(5)
    other = Volume(sources[1].array[:, ::2], name="FLAIR")
    with pytest.raises(GridMismatchError, match="FLAIR is not on the grid of ADC"):
        FusionPreview(model, [sources[0], other])
