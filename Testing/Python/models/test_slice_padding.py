import numpy as np
import pytest
import torch

from InvertibleFusionLib.models.slice_padding import pad_by_reflection


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3), (5, 16), (16, 17), (240, 155)])
@pytest.mark.parametrize(("multiple", "minimum"), [(4, 16), (16, 32), (1, 1)])
def test_padding_is_numpys_reflection_however_often_it_bounces(
    rows: int, columns: int, multiple: int, minimum: int
) -> None:
    slices = torch.rand(2, 3, rows, columns)
    padded = pad_by_reflection(slices, multiple, minimum)
    added = [size - old for size, old in zip(padded.shape, slices.shape, strict=True)]
    np.testing.assert_array_equal(padded, np.pad(slices.numpy(), [(0, each) for each in added], "reflect"))
    assert all(size % multiple == 0 and size >= minimum for size in padded.shape[2:])
    assert all(0 <= each < max(multiple, minimum) for each in added)
