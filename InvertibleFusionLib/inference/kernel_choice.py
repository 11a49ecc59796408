"""Putting a faster way of computing in the place of a network's couplings."""

from typing import Any

from InvertibleFusionLib.inference.plan import Kernel
from InvertibleFusionLib.kernels.matrix_products import use_matrix_products


def with_kernel(network: Any, kernel: Kernel) -> Any | None:
    """``network``, changed to compute its couplings with ``kernel``; None when that does not know its layers.

    Everything around them (image, draws, moments) stays the network's own.

    Args:
        network: a copy that may be changed, in float32 or float64, on the CPU.
        kernel: of the plan.
    """
    if kernel == "torch":
        return network
    if kernel == "products":
        return network if use_matrix_products(network) else None
    from InvertibleFusionLib.kernels.flow import CompiledFlow  # brings Numba with it

    flow: object = getattr(network, "flow", None)
    if not CompiledFlow.can_be_compiled(flow):
        return None
    network.flow = CompiledFlow(flow)
    return network
