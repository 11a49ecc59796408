"""LAF against convolutions that torch computes block by block."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from InvertibleFusionLib.models.local_adaptive_fusion import FusionWeights, LocalAdaptiveFusion


def fusion(sources: int, grid: int, weights: FusionWeights) -> LocalAdaptiveFusion:
    torch.manual_seed(0)
    return LocalAdaptiveFusion(sources, grid, weights, start_as_mean=False).requires_grad_(False)


def slices(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("weights", ["seamless", "blocks"])
@pytest.mark.parametrize("sources", [1, 2, 3])
def test_grid_of_one_is_one_convolution(weights: FusionWeights, sources: int) -> None:
    module, x = fusion(sources, 1, weights), slices(2, sources, 21, 13)
    expected = functional.conv2d(x, module.weight.reshape(1, sources, 1, 1), module.bias.reshape(1))
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("grid", [2, 4, 8, 16])
def test_hard_blocks_are_one_convolution_each(grid: int) -> None:
    module, x = fusion(2, grid, "blocks"), slices(2, 2, 48, 32)
    expected = torch.zeros(2, 1, 48, 32)
    height, width = 48 // grid, 32 // grid
    for row in range(grid):
        for column in range(grid):
            here = (..., slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width))
            kernel = module.weight[:, row, column].reshape(1, 2, 1, 1)
            expected[here] = functional.conv2d(x[here], kernel, module.bias[row, column].reshape(1))
    torch.testing.assert_close(module(x), expected)


def test_hard_blocks_cover_odd_sizes_almost_evenly() -> None:
    module = fusion(1, 2, "blocks")
    weight = module.weight_of_pixels(7, 5)[0]
    counts = [int((weight == value).sum()) for value in module.weight.flatten()]
    assert sorted(counts) == sorted(height * width for height in (3, 4) for width in (2, 3))


@pytest.mark.parametrize("grid", [2, 4, 8])
def test_seamless_weights_equal_the_blocks_at_their_centres(grid: int) -> None:
    """Blocks of 5×3 pixels have a pixel in their centre."""
    hard, seamless = fusion(2, grid, "blocks"), fusion(2, grid, "seamless")
    x = slices(1, 2, 5 * grid, 3 * grid)
    centres = (..., slice(2, None, 5), slice(1, None, 3))
    torch.testing.assert_close(seamless(x)[centres], hard(x)[centres])
    assert not torch.allclose(seamless(x), hard(x))


def test_seamless_leaves_no_edge_and_blocks_leave_one() -> None:
    """On a flat image the pseudo-target shows the weights themselves."""
    flat = torch.ones(1, 2, 256, 256)
    steps = {
        weights: float(fusion(2, 2, weights)(flat)[0, 0].diff(dim=0).abs().max()) for weights in ("blocks", "seamless")
    }
    assert steps["seamless"] == pytest.approx(steps["blocks"] / 128, rel=0.01)  # spread over a block's 128 rows


def test_it_starts_as_the_mean() -> None:
    x = slices(2, 3, 9, 9)
    torch.testing.assert_close(LocalAdaptiveFusion(3, 2, "blocks", start_as_mean=True)(x), x.mean(1, keepdim=True))


@pytest.mark.parametrize("weights", ["seamless", "blocks"])
def test_the_mean_of_a_subset_is_the_mean_of_those_present(weights: FusionWeights) -> None:
    x = slices(2, 3, 9, 9)
    present = torch.tensor([[True, False, True], [False, False, True]])
    got = LocalAdaptiveFusion(3, 2, weights, start_as_mean=True)(x * present[:, :, None, None], present)
    torch.testing.assert_close(got[0, 0], (x[0, 0] + x[0, 2]) / 2)
    torch.testing.assert_close(got[1, 0], x[1, 2])


def test_a_slice_smaller_than_the_grid_is_taken() -> None:
    for weights in ("seamless", "blocks"):
        assert bool(torch.isfinite(fusion(2, 16, weights)(slices(1, 2, 1, 3))).all())
