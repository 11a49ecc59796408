from typing import Any

import numpy as np
import pytest

from InvertibleFusionLib import Volume, fuse
from InvertibleFusionLib.errors import ConfigurationError, GridMismatchError
from InvertibleFusionLib.inference.preview import FusionPreview
from InvertibleFusionLib.models.model import Model


@pytest.mark.parametrize("axis", ["axial", "sagittal"])
def test_a_single_slice_is_bit_for_bit_that_of_the_whole_run(model: Model, sources: list[Volume], axis: Any) -> None:
    whole = fuse(model, sources, axis=axis).image.array
    preview = FusionPreview(model, sources, axis=axis)
    for index in (0, preview.stack.count - 1, 1):
        np.testing.assert_array_equal(preview.fused_slice(index), preview.stack.slices(whole)[index])


def test_a_preview_refuses_what_a_run_would_refuse(model: Model, sources: list[Volume]) -> None:
    preview = FusionPreview(model, sources)
    with pytest.raises(ConfigurationError, match="There is no slice 6; there are 5"):
        preview.fused_slice(5)
    other = Volume(sources[1].array[:, ::2], name="FLAIR")
    with pytest.raises(GridMismatchError, match="FLAIR is not on the grid of ADC"):
        FusionPreview(model, [sources[0], other])
