"""Reading what stands in the header of a model file, without the weights and without torch.

Slicer lists models and shows their cards before torch is installed, so this reads the .safetensors header itself:
eight bytes with its length, little-endian, then JSON (https://github.com/huggingface/safetensors#format).
"""

import json
from pathlib import Path
from typing import Any

from InvertibleFusionLib.errors import ModelFileError
from InvertibleFusionLib.models.card import ModelCard

CARD_KEY = "invertible_fusion_card"
DIGEST_KEY = "invertible_fusion_sha256"
LONGEST_HEADER = 100_000_000
"""Bytes; the limit that safetensors itself sets."""


def read_card(path: Path) -> ModelCard:
    """The card alone, without reading the weights.

    Raises:
        ModelFileError: when the file is missing or not a model file of this library.
    """
    return read_card_and_digest(path)[0]


def read_card_and_digest(path: Path) -> tuple[ModelCard, str]:
    """The card, and the digest of the tensors as the file states it.

    Raises:
        ModelFileError: as ``read_card``.
    """
    try:
        metadata = _read_metadata(path)
        if CARD_KEY not in metadata or DIGEST_KEY not in metadata:
            raise ModelFileError(f"{path} holds tensors but no description; it is not a model of this library.")
        return ModelCard.from_json(json.loads(metadata[CARD_KEY])), str(metadata[DIGEST_KEY])
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}. Check its permissions.") from error
    except ValueError as error:  # json.JSONDecodeError and UnicodeDecodeError are
        raise damaged(path, error) from error


def damaged(path: Path, why: object) -> ModelFileError:
    """The error for a file that is no sound .safetensors."""
    return ModelFileError(f"{path} is not a model file, or is cut or damaged ({why}). Get it again.")


def _read_metadata(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ModelFileError(f"There is no model file {path}. Check its name and folder.")
    with path.open("rb") as stream:
        start = stream.read(9)
        _refuse_pickle(path, start)
        length = int.from_bytes(start[:8], "little")
        if len(start) < 9 or length > LONGEST_HEADER:
            raise damaged(path, "its header has no sound length")
        header = json.loads(start[8:] + stream.read(length - 1))
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise damaged(path, "its header is no description")
    return metadata


def _refuse_pickle(path: Path, start: bytes) -> None:
    # A .safetensors file begins with the length of its header, any eight bytes, and then the header's "{".
    if start[8:] != b"{" and (start[:2] == b"PK" or start[:1] == b"\x80"):
        raise ModelFileError(
            f"{path} is a PyTorch checkpoint, which can hold code; it is not opened. Convert it once with "
            "invertible-fusion import-checkpoint, if you trust where it comes from."
        )
