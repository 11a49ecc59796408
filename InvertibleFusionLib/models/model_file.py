"""Model files: one .safetensors with the weights, and in its header the card and a digest. Nothing is unpickled."""

import hashlib
import json
import os
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from InvertibleFusionLib.errors import ConfigurationError, ModelFileError, OutputError
from InvertibleFusionLib.models.baselines.fusion_baseline import FusionBaseline, FusionBaselineConfiguration
from InvertibleFusionLib.models.baselines.synthesis_baseline import SynthesisBaseline, SynthesisBaselineConfiguration
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.card_file import CARD_KEY, DIGEST_KEY, damaged, read_card_and_digest
from InvertibleFusionLib.models.disentangled_gan import DisentangledGANConfiguration, DisentangledGenerator
from InvertibleFusionLib.models.fusioninn import FusionINN, FusionINNConfiguration
from InvertibleFusionLib.models.ivan import Ivan, IvanConfiguration
from InvertibleFusionLib.models.model import FusionNetwork, Model, SynthesisNetwork

ARCHITECTURES: dict[str, tuple[type[Any], type[Any]]] = {
    "fusioninn": (FusionINNConfiguration, FusionINN),
    "ivan": (IvanConfiguration, Ivan),
    "disentangled-gan": (DisentangledGANConfiguration, DisentangledGenerator),
    "fusion-baseline": (FusionBaselineConfiguration, FusionBaseline),
    "synthesis-baseline": (SynthesisBaselineConfiguration, SynthesisBaseline),
}
"""Configuration and network class of every architecture."""
Stored = Literal["float32", "float16"]
"""Number format of the weights in a model file; networks compute in float32 whatever it is."""
Network = FusionINN | Ivan | DisentangledGenerator | FusionBaseline | SynthesisBaseline


def build_network(card: ModelCard) -> Network:
    """The network that a card describes, with fresh weights.

    Raises:
        ModelFileError: for an unknown architecture or configuration, or one that does not fit the rest of the card.
    """
    if not isinstance(card.architecture, str) or card.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ModelFileError(f"There is no architecture {card.architecture!r} in this version; it knows {known}.")
    configuration_type, network_type = ARCHITECTURES[card.architecture]
    try:
        known_fields = {field.name for field in fields(configuration_type)}
        unknown = sorted(set(card.configuration) - known_fields)
        if unknown:
            raise ModelFileError(
                f"The model's configuration has an unknown setting {unknown[0]!r}. Update the library."
            )
        network: Network = network_type(configuration_type(**card.configuration))
        _require_fits(card, network)
    except (TypeError, ValueError, ConfigurationError) as error:
        raise ModelFileError(f"The model's configuration does not make sense: {error}") from error
    return network


def save_model(
    network: FusionNetwork | SynthesisNetwork, card: ModelCard, path: Path, stored: Stored = "float32"
) -> None:
    """Write a model file, whole or not at all.

    Args:
        network: whose weights to write.
        card: its description.
        path: an existing file is replaced.
        stored: number format of the weights; "float16" halves the file and rounds them to eleven bits.

    Raises:
        OutputError: when it cannot be written, or a weight is too large for that format.
    """
    tensors = {name: as_stored(value, stored).cpu().contiguous() for name, value in network.state_dict().items()}
    for name, value in network.state_dict().items():
        if torch.isfinite(value).all() and not torch.isfinite(tensors[name]).all():
            raise OutputError(f"Not written: {name} has values too large for {stored}. Store the weights in float32.")
    metadata = {CARD_KEY: json.dumps(card.to_json(), sort_keys=True), DIGEST_KEY: tensor_digest(tensors)}
    write_tensors(tensors, metadata, path)


def as_stored(tensor: Tensor, stored: Stored) -> Tensor:
    """A tensor in the number format of the file; whole numbers stay what they are."""
    return tensor.detach().to(getattr(torch, stored)) if tensor.is_floating_point() else tensor.detach()


def write_tensors(tensors: dict[str, Tensor], metadata: dict[str, str], path: Path) -> None:
    """Write a .safetensors file, whole or not at all; folders are made.

    Args:
        tensors: contiguous, on the CPU.
        metadata: for the file's header.
        path: an existing file is replaced.

    Raises:
        OutputError: when it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-")
        os.close(handle)
        try:
            save_file(tensors, beside, metadata)
            Path(beside).chmod(0o644)
            Path(beside).replace(path)
        finally:
            Path(beside).unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} could not be written: {error}.") from error


def read_model(path: Path) -> Model:
    """Load a model file after checking its format, digest, and every tensor's name and shape; weights as float32.

    Raises:
        ModelFileError: missing, cut, changed, a pickle, of another kind, or weights that do not fit the architecture.
    """
    card, digest = read_card_and_digest(path)
    tensors = _read_tensors(path)
    if tensor_digest(tensors) != digest:
        raise ModelFileError(
            f"The weights in {path} are not those that were saved (their digest differs). Get it again."
        )
    network = build_network(card)
    _load_weights(network, tensors, path)
    return Model(network.eval().requires_grad_(False), card, file_digest(path))


def tensor_digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}. Check its permissions.") from error
    except SafetensorError as error:
        raise damaged(path, error) from error


def _require_fits(card: ModelCard, network: FusionNetwork | SynthesisNetwork) -> None:
    """A card that names too few inputs or outputs, or one twice, would leave results without names of their own."""
    if isinstance(network, SynthesisNetwork):
        task, inputs, outputs = "synthesis", len(network.inputs), len(network.outputs)
    else:
        task, inputs, outputs = "fusion", network.sources, 1
    if card.task != task or (len(card.inputs), len(card.outputs)) != (inputs, outputs):
        raise ModelFileError(
            f"The model's description does not fit its network: it speaks of {card.task} from {len(card.inputs)} "
            f"inputs to {len(card.outputs)} outputs, the network does {task} from {inputs} to {outputs}."
        )
    if len(set(card.outputs)) < outputs:
        raise ModelFileError(f"The model's description names an output twice: {', '.join(card.outputs)}.")


def _load_weights(network: Network, tensors: dict[str, Tensor], path: Path) -> None:
    expected = network.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors or name not in expected:
            where = "lacks" if name not in tensors else "has an unknown"
            raise ModelFileError(f"{path} {where} tensor {name}; it does not fit its own description. Get it again.")
        if tensors[name].shape != expected[name].shape:
            raise ModelFileError(
                f"In {path} the tensor {name} has shape {tuple(tensors[name].shape)} instead of "
                f"{tuple(expected[name].shape)}; it does not fit its own description. Get it again."
            )
        if not bool(torch.isfinite(tensors[name]).all()):
            raise ModelFileError(f"In {path} the tensor {name} has values that are not finite. Get the file again.")
    try:
        network.load_state_dict(tensors)
    except ValueError as error:
        raise ModelFileError(f"The weights in {path} make no network: {error} Get the file again.") from error
