"""Networks whose couplings are computed in a faster way."""

import copy
from typing import Any

import torch
from torch import nn

from InvertibleFusionLib.inference.plan import Kernel
from InvertibleFusionLib.kernels.matrix_products import with_matrix_products
from InvertibleFusionLib.models.dense_block import with_compiled_dense_blocks


def with_kernel(network: Any, kernel: Kernel, dtype: torch.dtype) -> Any | None:
    """A network that computes as ``network`` does, its couplings with ``kernel``; None when that does not know them.

    Everything around them (image, draws, moments) stays the network's own.

    Args:
        network: on the CPU; is not changed.
        kernel: "compiled" or "products".
        dtype: float32 or float64.
    """
    flow: object = getattr(network, "flow", None)
    if kernel == "products":
        faster: Any = with_matrix_products(flow, dtype)
    else:
        from InvertibleFusionLib.kernels.flow import CompiledFlow  # brings Numba with it

        if CompiledFlow.can_be_compiled(flow):
            faster = CompiledFlow(flow, dtype)
        else:
            faster = with_compiled_dense_blocks(flow, dtype) if isinstance(flow, nn.Module) else None
    if faster is None:
        return None
    # A deep copy takes longer than a slice; everything but the flow can be shared.
    changed = copy.copy(network)
    changed._modules = {**network._modules, "flow": faster}
    return changed
