"""The published way of running FusionINN: a FrEIA graph as the official script builds it, with our weights in it."""

from collections.abc import Callable
from typing import Any

import FrEIA.framework as framework
import FrEIA.modules as modules
import torch
from torch import nn

from InvertibleFusionLib.models.fusioninn import FusionINN


def freia_graph(network: FusionINN, rows: int, columns: int) -> Any:
    """A FrEIA GraphINN (float32, evaluation mode) that computes what ``network`` does, for one size of slices.

    Its forward pass takes (batch, 2, rows, columns) and gives ((y, z), log-determinant); its reverse pass takes
    ([y, z], rev=True). FrEIA 0.2, three blocks.
    """
    configuration = network.configuration
    nodes: list[Any] = [framework.InputNode(2, rows, columns)]
    for kind, arguments in (
        (modules.ActNorm, {}),
        (modules.GLOWCouplingBlock, _coupling(configuration.hidden, network)),
        (modules.PermuteRandom, {}),
        (modules.IRevNetDownsampling, {}),
        (modules.GLOWCouplingBlock, _coupling(configuration.hidden_squeezed, network)),
        (modules.PermuteRandom, {}),
        (modules.IRevNetUpsampling, {}),
        (modules.GLOWCouplingBlock, _coupling(configuration.hidden, network)),
    ):
        nodes.append(framework.Node(nodes[-1], kind, arguments))
    split = framework.Node(nodes[-1], modules.Split, {})
    outputs = [framework.OutputNode(split.out0), framework.OutputNode(split.out1)]
    graph = framework.GraphINN([*nodes, split, *outputs], verbose=False)
    _copy_weights(network, graph)
    return graph.eval()


def _coupling(hidden: int, network: FusionINN) -> dict[str, Any]:
    ending: list[nn.Module] = [nn.ReLU()] if network.configuration.final_relu else []

    def subnetwork(channels_in: int, channels_out: int) -> nn.Sequential:
        first = nn.Conv2d(channels_in, hidden, 3, padding=1)
        return nn.Sequential(first, nn.ReLU(), nn.Conv2d(hidden, channels_out, 3, padding=1), *ending)

    constructor: Callable[[int, int], nn.Module] = subnetwork
    return {"subnet_constructor": constructor, "clamp": network.configuration.clamp}


def _copy_weights(network: FusionINN, graph: Any) -> None:
    theirs = graph.state_dict()
    for name, value in network.flow.state_dict().items():
        place = name.replace("layers.", "module_list.")
        if name.endswith(".order"):
            place = place.replace(".order", ".perm")
            theirs[place.replace(".perm", ".perm_inv")] = torch.argsort(value)
        theirs[place.replace("log_scale", "scale")] = value
    graph.load_state_dict(theirs)
