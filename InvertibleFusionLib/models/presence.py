"""Which sources a slice has: networks that accept any subset of their inputs.

A missing source is told by a boolean, never by its content, which is not read. What is left is scaled by
sources / present, as dropout does, so that sums over the sources keep their size.
"""

import torch
from torch import Tensor

from InvertibleFusionLib.errors import ConfigurationError, InferenceError


def random_presence(there: Tensor, dropout: float, generator: torch.Generator) -> Tensor:
    """Input dropout for training: which sources each slice keeps, at least one.

    Args:
        there: (batch, sources) booleans, false where a source is missing anyway; at least one true in each slice.
        dropout: probability with which a source is left out, in [0, 1]. A slice that would lose all keeps one, each
            with the same probability.
        generator: seeded, on the CPU; the same state gives the same answer whatever the device that uses it.

    Returns:
        (batch, sources) booleans, true where a source is there.

    Raises:
        ConfigurationError: for a dropout outside [0, 1].
    """
    if not 0 <= dropout <= 1:
        raise ConfigurationError(f"The input dropout is a probability between 0 and 1, not {dropout}.")
    draw = torch.where(there, torch.rand(there.shape, generator=generator), -1.0)
    return there & ((draw >= dropout) | (draw == draw.amax(dim=1, keepdim=True)))


def check_presence(sources: Tensor, expected: int, present: Tensor | None) -> None:
    """Refuse what the network cannot take, in words.

    Args:
        sources: (batch, sources, rows, columns).
        expected: how many sources the network takes.
        present: (batch, sources) booleans, or None when all are there.

    Raises:
        InferenceError: for another number of sources, a presence that does not fit, or a slice without any source.
    """
    if sources.ndim != 4 or sources.shape[1] != expected:
        raise InferenceError(
            f"The model takes slices of shape (batch, {expected}, rows, columns), not {tuple(sources.shape)}. "
            f"For a source that is missing give any values and mark it as not present."
        )
    if present is None:
        return
    if present.dtype != torch.bool or present.shape != sources.shape[:2]:
        raise InferenceError(
            f"Which sources are present must be {tuple(sources.shape[:2])} booleans, one for each slice and source, "
            f"not {tuple(present.shape)} of {present.dtype}."
        )
    empty = (~present.any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise InferenceError(
            f"{len(empty)} of {len(present)} slices have none of their {expected} sources (the first is slice "
            f"{empty[0]} of the batch). At least one source must be there."
        )


def without_missing(sources: Tensor, present: Tensor | None) -> Tensor:
    """Sources with zeros in place of the missing ones, whatever stood there, NaN included."""
    return sources if present is None else sources.masked_fill(~present[:, :, None, None], 0)


def presence_scale(present: Tensor) -> Tensor:
    """Sources / present where a source is there, 0 where it is missing; (batch, sources), float32."""
    kept = present.float()
    return kept * (present.shape[1] / kept.sum(dim=1, keepdim=True))
