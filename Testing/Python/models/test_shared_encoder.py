import torch
from torch.nn import functional

from InvertibleFusionLib.models.shared_encoder import CatConv


def test_cat_conv_is_one_convolution_of_the_concatenated_features() -> None:
    torch.manual_seed(0)
    features = [torch.rand(2, 4, 6, 7) for _ in range(3)]
    module = CatConv(3, 4, "zeros")
    expected = functional.conv2d(
        torch.cat(features, dim=1), module.convolution.weight, module.convolution.bias, padding=1
    )
    torch.testing.assert_close(module(features), expected)


def test_sources_that_say_the_same_give_the_same_joint_features_in_any_number() -> None:
    """With one kernel for all of them; without the scaling fewer sources would give weaker features."""
    torch.manual_seed(0)
    module = CatConv(3, 4, "zeros")
    with torch.no_grad():
        module.convolution.weight.copy_(module.convolution.weight[:, :4].repeat(1, 3, 1, 1))
    features = [torch.rand(1, 4, 6, 7)] * 3
    for present in ([True, False, False], [False, True, True], [True, True, True]):
        torch.testing.assert_close(module(features, torch.tensor([present])), module(features))
