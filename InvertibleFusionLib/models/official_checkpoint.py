"""FusionINN's official checkpoint, ``inn.pt``, in the layouts of both FrEIA generations.

FrEIA 0.2 writes ActNorm as x · exp(scale) + bias; newer FrEIA writes (x − loc) / exp(log_scale), so that
scale = −log_scale and bias = −loc · exp(−log_scale).
"""

import pickle
import re
import struct
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from InvertibleFusionLib.errors import ModelFileError
from InvertibleFusionLib.models.fusioninn import PRESETS, FusionINN

UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AssertionError,
    TypeError,
    AttributeError,
    struct.error,
)
"""What torch raises for files that are no checkpoints, by what is wrong with them."""
WITHOUT_WEIGHTS = ("perm_inv", "downsample_kernel", "is_initialized")
"""Endings of tensors that follow from the others."""

COUPLINGS, PERMUTATIONS = (1, 4, 7), (2, 5)
"""Places in the official graph; ``FusionINN``'s flow with three blocks has its layers at the same ones."""


def read_official_checkpoint(path: Path) -> FusionINN:
    """The network of an official checkpoint, preset ``paper``.

    The file is a pickle; it is read with ``weights_only=True``, which admits tensors and plain containers alone.

    Raises:
        ModelFileError: missing, not such a file, or tensors that do not fit.
    """
    try:
        if not path.is_file():
            raise ModelFileError(f"There is no checkpoint {path}. Check its name and folder.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a damaged file torch may warn before it fails
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}. Check its permissions.") from error
    except UNREADABLE as error:
        raise ModelFileError(
            f"{path} is not a PyTorch checkpoint of plain tensors, or is cut or damaged; nothing of it was run."
        ) from error
    network = FusionINN(PRESETS["paper"])
    network.flow.load_state_dict(_translated(_tensors(content, path), network.flow.state_dict(), path))
    return network.eval().requires_grad_(False)


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    state = content.get("model_state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelFileError(f"{path} has no model_state_dict of tensors; it is not a FusionINN checkpoint.")
    # torch.nn.DataParallel, which the official test script wraps the graph in, prefixes every name.
    return {str(name).removeprefix("module."): value for name, value in state.items()}


def _translated(theirs: dict[str, Tensor], ours: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    result = {
        "layers.0.log_scale": _taken(theirs, "module_list.0.scale", path, -1, "module_list.0.log_scale"),
        "layers.0.bias": _actnorm_bias(theirs, path),
    }
    for place in PERMUTATIONS:
        result[f"layers.{place}.order"] = _taken(theirs, f"module_list.{place}.perm", path).long()
    for place in COUPLINGS:
        for name in (name for name in ours if re.match(rf"layers\.{place}\.", name)):
            result[name] = _taken(theirs, name.replace("layers.", "module_list."), path)
    _require_nothing_left(theirs, ours, path)
    for name, tensor in ours.items():
        plain = result[name].is_floating_point() or name.endswith(".order")
        if not plain or not bool(torch.isfinite(result[name]).all()):
            raise ModelFileError(f"In {path} the tensor for {name} is not of finite real numbers; it is damaged.")
        if result[name].shape != tensor.shape:
            raise ModelFileError(
                f"In {path} the tensor for {name} has shape {tuple(result[name].shape)} instead of "
                f"{tuple(tensor.shape)}; it is a FusionINN of other sizes than the published one."
            )
        result[name] = result[name].to(tensor.dtype)
    for place in PERMUTATIONS:
        order = result[f"layers.{place}.order"]
        if sorted(order.tolist()) != list(range(len(order))):
            raise ModelFileError(f"In {path} the channel order {order.tolist()} is not a permutation; it is damaged.")
    return result


def _require_nothing_left(theirs: dict[str, Tensor], ours: dict[str, Tensor], path: Path) -> None:
    """A checkpoint with more layers is another network, whose first layers alone would compute something else."""
    known = {name.replace("layers.", "module_list.").replace(".order", ".perm") for name in ours}
    known |= {f"module_list.0.{name}" for name in ("scale", "loc", "log_scale", "bias")}
    left = sorted(name for name in theirs if name not in known and not name.endswith(WITHOUT_WEIGHTS))
    if left:
        raise ModelFileError(
            f"{path} has an unknown tensor {left[0]}; it is not a checkpoint of the published FusionINN."
        )


def _actnorm_bias(theirs: dict[str, Tensor], path: Path) -> Tensor:
    if "module_list.0.bias" in theirs:
        return theirs["module_list.0.bias"]
    scale = _taken(theirs, "module_list.0.log_scale", path)
    return -_taken(theirs, "module_list.0.loc", path) * torch.exp(-scale)


def _taken(theirs: dict[str, Tensor], name: str, path: Path, sign: int = 1, newer_name: str | None = None) -> Tensor:
    """The tensor ``name``, or ``sign`` times the one that newer FrEIA has under ``newer_name``."""
    if name in theirs:
        return theirs[name]
    if newer_name is not None and newer_name in theirs:
        return sign * theirs[newer_name]
    raise ModelFileError(
        f"{path} lacks the tensor {newer_name or name}; it is not a checkpoint of the published FusionINN."
    )
