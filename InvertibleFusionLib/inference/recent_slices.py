"""Slices that were computed lately, found by what they were computed from."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 64 << 20
"""290 slices of 240×240 or 64 of 512×512."""


class RecentSlices:
    """Results by their key; those that were not asked for the longest go first when there is no more room.

    A key is a digest of everything that a result follows from, ``key_of``. So a slice whose source, scale, model or
    setting changed is another one, and nothing here has to be told of a change.

    Args:
        most_bytes: that the slices take together at most.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._slices: OrderedDict[bytes, NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def get(self, key: bytes) -> NDArray[Any] | None:
        """The slice of a key, read-only; None where it is not kept."""
        if key in self._slices:
            self._slices.move_to_end(key)
        return self._slices.get(key)

    def put(self, key: bytes, image: NDArray[Any]) -> NDArray[Any]:
        """Keep a copy of a slice, and give that copy, read-only."""
        kept = image.copy()
        kept.setflags(write=False)
        self._bytes += kept.nbytes - (self._slices.pop(key).nbytes if key in self._slices else 0)
        self._slices[key] = kept
        while self._bytes > self._most_bytes:
            _, oldest = self._slices.popitem(last=False)
            self._bytes -= oldest.nbytes
        return kept

    def clear(self) -> None:
        """Forget all of them."""
        self._slices.clear()
        self._bytes = 0


def key_of(inputs: NDArray[Any], settings: Mapping[str, Any]) -> bytes:
    """A digest of a network's input with its shape and type, and of what else a result follows from."""
    stated = sorted((name, str(value)) for name, value in settings.items())
    digest = hashlib.sha256(repr((inputs.dtype.str, inputs.shape, stated)).encode())
    digest.update(np.ascontiguousarray(inputs).data)
    return digest.digest()
