"""iVAN's dense blocks on compiled kernels against torch's convolutions, values and gradients, on every awkward size."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from InvertibleFusionLib.inference.kernel_choice import with_kernel
from InvertibleFusionLib.models.dense_block import DenseBlock
from InvertibleFusionLib.models.ivan import PRESETS, Ivan, IvanConfiguration

pytest.importorskip("numba", reason="compiled kernels need Numba")
from InvertibleFusionLib.kernels.dense_block import AT_ONCE, FEW
from InvertibleFusionLib.kernels.dense_block_function import compiled_dense_block

SIZES = [(1, 1), (1, 50), (9, 1), (3, 47), (8, 48), (13, 49)]
CHANNELS = [(1, 1, 8), (2, 3, 4), (3, 3, 32), (1, 5, 1), (5, 1, 10), (FEW + 1, FEW, AT_ONCE + 1)]
DIGITS = {torch.float32: 1e-5, torch.float64: 1e-13}


def both(block: DenseBlock, x: Tensor, of_y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Result, gradients of the input and of all parameters: compiled as while learning, and by torch as otherwise."""
    ours, theirs = [], []
    for results, training in ((ours, True), (theirs, False)):
        block.train(training).zero_grad()
        given = x.clone().requires_grad_()
        y = block(given)
        y.backward(of_y)
        assert given.grad is not None
        results += [y.detach(), given.grad, *(p.grad.clone() for p in block.parameters() if p.grad is not None)]
    return ours, theirs


def close(ours: Tensor, theirs: Tensor) -> None:
    """Within 1e-5 (1e-13 in float64) of the largest."""
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=0, atol=DIGITS[theirs.dtype] * max(1.0, float(theirs.abs().max())))


@pytest.mark.parametrize("dtype", DIGITS, ids=str)
@pytest.mark.parametrize("channels", CHANNELS, ids=str)
def test_values_and_gradients_are_torchs(channels: tuple[int, int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    block = DenseBlock(*channels).to(dtype)
    for size in SIZES:
        x, of_y = torch.randn(2, channels[0], *size, dtype=dtype), torch.randn(2, channels[1], *size, dtype=dtype)
        ours, theirs = both(block, x, of_y)
        assert len(ours) == 12
        for mine, other in zip(ours, theirs, strict=True):
            close(mine, other)


def test_where_a_map_is_zero_its_gradient_leaks_as_torchs_does() -> None:
    block = DenseBlock(1, 1, 8)
    for convolution in block.grow:  # air at the start of training: zeros in, zero biases
        torch.nn.init.zeros_(convolution.bias)
    ours, theirs = both(block, torch.zeros(1, 1, 6, 20), torch.ones(1, 1, 6, 20))
    for mine, other in zip(ours, theirs, strict=True):
        close(mine, other)
    assert float(ours[1].abs().max()) > 0


def test_gradients_are_those_of_finite_differences() -> None:
    block = DenseBlock(2, 2, 3).double()
    convolutions = [*block.grow, block.last]
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: compiled_dense_block(given, convolutions), x)  # type: ignore[arg-type]


def test_the_number_of_threads_and_of_images_changes_no_bit() -> None:
    torch.manual_seed(4)
    block = DenseBlock(1, 1, 8)
    x, of_y = torch.randn(3, 1, 21, 30), torch.randn(3, 1, 21, 30)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(both(block, x, of_y)[0])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(first, second) for first, second in zip(results[0], other, strict=True))
    alone = block.train()(x[1:2]).detach()
    assert torch.equal(alone, results[0][0][1:2])


def test_what_is_not_a_number_reaches_its_neighbours_only() -> None:
    block = DenseBlock(1, 1, 8)
    x = torch.zeros(1, 1, 20, 60)
    x[..., 10, 30] = float("nan")
    unknown = torch.isnan(compiled_dense_block(x, [*block.grow, block.last]))[0, 0]  # type: ignore[list-item]
    rows, columns = torch.where(unknown)
    assert (rows.min(), rows.max()) == (5, 15)
    assert (columns.min(), columns.max()) == (25, 35)


@torch.inference_mode()
@pytest.mark.parametrize(
    "configuration",
    [*PRESETS.values(), replace(PRESETS["small"], copies=2)],
    ids=[*PRESETS, "small, twice the channels"],
)
def test_ivan_with_the_kernel_is_ivan_and_comes_back(configuration: IvanConfiguration) -> None:
    network = Ivan(configuration, seed=2).eval()
    torch.manual_seed(5)
    for parameter in network.parameters():
        if parameter.dim() == 4:
            torch.nn.init.normal_(parameter, std=0.02)
    x = torch.rand(1, 2, 17, 33)
    faster = with_kernel(network, "compiled", torch.float32)
    assert faster is not None
    assert all(block.compiled for block in faster.modules() if isinstance(block, DenseBlock))
    assert not any(block.compiled for block in network.modules() if isinstance(block, DenseBlock))
    close(faster(x), network(x))
    close(faster.inverse(faster(x)), x)
    double = with_kernel(network, "compiled", torch.float64)
    assert double is not None
    back = double.inverse(double(x.double()))
    np.testing.assert_allclose(back.numpy(), x.double().numpy(), rtol=0, atol=1e-12)


def test_what_the_kernel_cannot_compute_is_refused_or_torchs() -> None:
    block = DenseBlock(2, 1, 8)
    convolutions = [*block.grow, block.last]
    for channels in (1, 3):
        with pytest.raises(ValueError, match=r"2 channels"):
            compiled_dense_block(torch.rand(1, channels, 8, 8), convolutions)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="5 convolutions, not 4"):
        compiled_dense_block(torch.rand(1, 2, 8, 8), convolutions[1:])  # type: ignore[arg-type]
    assert block(torch.rand(0, 2, 8, 8)).shape == (0, 1, 8, 8)
    half = DenseBlock(2, 1, 8).to(torch.bfloat16)
    assert half(torch.rand(1, 2, 8, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_the_gradient_of_a_bias_keeps_its_digits_on_a_large_slice() -> None:
    block = DenseBlock(1, 1, 2)
    block(torch.zeros(1, 1, 512, 512)).backward(torch.full((1, 1, 512, 512), 0.1))
    assert block.last.bias is not None
    assert block.last.bias.grad is not None
    assert float(block.last.bias.grad) == pytest.approx(0.1 * 512 * 512, rel=2e-3)


def test_kernel_and_module_agree_on_what_a_dense_block_is() -> None:
    from InvertibleFusionLib.kernels import dense_block as kernels
    from InvertibleFusionLib.models import dense_block as modules

    assert (kernels.CONVOLUTIONS, kernels.NEGATIVE_SLOPE) == (modules.CONVOLUTIONS, modules.NEGATIVE_SLOPE)
    assert (kernels.CONVOLUTIONS - 1) % kernels.FEW_ROWS == kernels.STRIP % kernels.FEW_ROWS == 0


def test_without_numba_torch_learns_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("InvertibleFusionLib.models.dense_block.numba_works", lambda: False)
    monkeypatch.setattr(
        "InvertibleFusionLib.kernels.dense_block_function.compiled_dense_block",
        lambda *_: pytest.fail("Numba is not there"),
    )
    network = Ivan(IvanConfiguration(inputs=(1,), blocks=1, growth=2)).train()
    network(torch.rand(1, 1, 8, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_log_says_so_before_kernels_are_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    from InvertibleFusionLib.kernels import compilation, dense_block_function

    monkeypatch.setattr(compilation, "cache_folder", lambda: tmp_path)
    dense_block_function._compile.cache_clear()
    with caplog.at_level(logging.WARNING, "InvertibleFusion"):
        block = DenseBlock(1, 1, 2)
        compiled_dense_block(torch.rand(1, 1, 4, 4), [*block.grow, block.last])  # type: ignore[list-item]
        compiled_dense_block(torch.rand(1, 1, 4, 4), [*block.grow, block.last])  # type: ignore[list-item]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "Compiling the float32 dense block kernels" in told[0]
