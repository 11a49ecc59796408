"""The subnetworks that FusionINN's couplings have, and that faster ways exist for."""

from torch import nn


def is_two_convolutions(network: object) -> bool:
    """Whether a network is a 3×3 convolution, ReLU, a 3×3 convolution and perhaps a ReLU, none of them unusual."""
    if not isinstance(network, nn.Sequential) or len(network) not in (3, 4):
        return False
    kinds = [nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU][: len(network)]
    return all(type(module) is kind for module, kind in zip(network, kinds, strict=True)) and all(
        module.kernel_size == (3, 3)
        and module.padding == (1, 1)
        and module.stride == module.dilation == (1, 1)
        and module.groups == 1
        and module.bias is not None
        and module.padding_mode == "zeros"
        for module in network
        if isinstance(module, nn.Conv2d)
    )
