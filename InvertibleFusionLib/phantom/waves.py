"""Smooth random fields made of plane waves: the same value at the same millimetre, whatever the grid.

Products of large arrays are taken by ``einsum``, in the whole phantom: those of ``@`` depend in their last digit on how
many processor cores share the work, and the same seed shall give the same voxels.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from InvertibleFusionLib.phantom.shapes import Floats

POINTS_AT_ONCE = 2048
"""So few that the waves at them stay in the processor's nearest cache: several times faster than all at once."""


@dataclass(frozen=True, eq=False)
class Waves:
    """A sum of cosines with random directions and phases: nearly Gaussian, mean 0, variance 1.

    Attributes:
        vectors: wave vectors in radians per mm, shape (waves, 3).
        phases: in radians, shape (waves,).
    """

    vectors: Floats
    phases: Floats

    @classmethod
    def draw(cls, generator: np.random.Generator, count: int, shortest: float, longest: float) -> "Waves":
        """``count`` waves with lengths between ``shortest`` and ``longest`` mm, in all directions alike."""
        directions = generator.standard_normal((count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths = generator.uniform(shortest, longest, (count, 1))
        phases = generator.uniform(0, 2 * np.pi, count)
        return cls((directions * (2 * np.pi / lengths)).astype(np.float32), phases.astype(np.float32))

    def even(self) -> "Waves":
        """The same waves without phases: a field with the same value at p and at −p."""
        return Waves(self.vectors, np.zeros_like(self.phases))

    def __call__(self, points: Floats) -> Floats:
        """Values at ``points`` (3, n), shape (n,)."""
        values = np.empty(points.shape[1], dtype=np.float32)
        for part in self._parts(points):
            values[part] = np.cos(self._angles(points[:, part])).sum(axis=0)
        return values * self._scale

    def with_slope(self, points: Floats) -> tuple[Floats, Floats]:
        """Values, shape (n,), and gradients per mm, shape (3, n)."""
        values, slopes = np.empty(points.shape[1], dtype=np.float32), np.empty(points.shape, dtype=np.float32)
        for part in self._parts(points):
            angles = self._angles(points[:, part])
            values[part] = np.cos(angles).sum(axis=0)
            slopes[:, part] = -np.einsum("wc,wn->cn", self.vectors, np.sin(angles))
        return values * self._scale, slopes * self._scale

    def _angles(self, points: Floats) -> Floats:
        return np.asarray(np.einsum("wc,cn->wn", self.vectors, points) + self.phases[:, None])

    @staticmethod
    def _parts(points: Floats) -> Iterator[slice]:
        return (slice(start, start + POINTS_AT_ONCE) for start in range(0, points.shape[1], POINTS_AT_ONCE))

    @property
    def _scale(self) -> float:
        return math.sqrt(2 / len(self.phases))
