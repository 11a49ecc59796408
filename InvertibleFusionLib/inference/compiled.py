"""Putting compiled kernels in the place of a network's flow."""

from typing import Any


def with_compiled_flow(network: Any) -> Any | None:
    """``network``, changed so that its flow runs on compiled kernels; None when the kernels do not know its layers.

    Everything around the flow (image, draws, moments) stays the network's own.

    Args:
        network: a copy that may be changed, in float32 or float64, on the CPU.
    """
    from InvertibleFusionLib.kernels.flow import CompiledFlow  # brings Numba with it

    flow: object = getattr(network, "flow", None)
    if not CompiledFlow.can_be_compiled(flow):
        return None
    network.flow = CompiledFlow(flow)
    return network
