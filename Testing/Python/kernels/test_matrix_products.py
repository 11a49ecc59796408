import pytest
import torch
from torch import nn

from InvertibleFusionLib.kernels import matrix_products
from InvertibleFusionLib.kernels.matrix_products import MatrixProducts, with_matrix_products
from InvertibleFusionLib.models.fusioninn import PRESETS, FusionINN


def network(channels: int, hidden: int, outputs: int, final_relu: bool) -> nn.Sequential:
    last = nn.Conv2d(hidden, outputs, 3, padding=1)
    ending = [nn.ReLU()] if final_relu else []
    return nn.Sequential(nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(), last, *ending)


@torch.inference_mode()
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 1), (2, 2), (3, 40), (31, 7), (32, 32)], ids=str)
@pytest.mark.parametrize("rows_at_once", [1, 2, 5, 100])
def test_they_are_the_convolutions_on_every_size_and_strip(
    size: tuple[int, int], rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    for dtype, digits in ((torch.float32, 1e-6), (torch.float64, 1e-14)):
        for channels, hidden, outputs, final_relu in ((1, 32, 2, False), (4, 6, 8, True), (2, 3, 1, True)):
            reference = network(channels, hidden, outputs, final_relu).to(dtype)
            bytes_of_a_row = hidden * size[1] * dtype.itemsize
            monkeypatch.setattr(matrix_products, "HIDDEN_BYTES", (rows_at_once + 2) * bytes_of_a_row)
            x = torch.randn(2, channels, *size, dtype=dtype)
            for given in (x, x.contiguous(memory_format=torch.channels_last)):
                torch.testing.assert_close(MatrixProducts(reference)(given), reference(x), rtol=0, atol=digits)


@torch.inference_mode()
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_goes_where_torchs_goes(value: float) -> None:
    torch.manual_seed(0)
    reference = network(1, 8, 2, False)
    x = torch.rand(1, 1, 12, 11)
    x[0, 0, 4, 10] = value
    ours, theirs = MatrixProducts(reference)(x), reference(x)
    assert torch.equal(ours.isfinite(), theirs.isfinite())
    assert not bool(theirs.isfinite().all())


def test_networks_with_others_inside_are_not_known_and_known_ones_are_not_changed() -> None:
    known, unknown = FusionINN(PRESETS["paper"]).flow, FusionINN().flow
    list(unknown)[1].subnet1[1] = nn.LeakyReLU()  # type: ignore[operator,union-attr,index]
    assert with_matrix_products(unknown, torch.float32) is None
    assert with_matrix_products(nn.Identity(), torch.float32) is None
    changed = with_matrix_products(known, torch.float64)
    assert changed is not None
    assert not any(isinstance(module, nn.Conv2d) for module in changed.modules())
    assert sum(isinstance(module, nn.Conv2d) for module in known.modules()) == 12
    x = torch.rand(1, 2, 6, 8)
    with torch.inference_mode():
        torch.testing.assert_close(changed(x.double()).float(), known(x), rtol=0, atol=1e-5)
