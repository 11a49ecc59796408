"""One patient's head: from points in mm to shares of tissues."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.phantom import skull_contents
from InvertibleFusionLib.phantom.brain import Brain
from InvertibleFusionLib.phantom.canvas import Canvas
from InvertibleFusionLib.phantom.folding import Folding
from InvertibleFusionLib.phantom.outer_head import OuterHead
from InvertibleFusionLib.phantom.shapes import Floats, Place, coverage, mirrored
from InvertibleFusionLib.phantom.tissues import Tissue
from InvertibleFusionLib.phantom.tumour import Lesion, Tumour
from InvertibleFusionLib.phantom.waves import Waves

REACH = (100.0, 128.0, 106.0)
"""Beyond an ellipse so wide and long, and above this height, there is only air: a quick test in mm."""
UNEVENNESS = 1.2
"""Typical displacement in mm by which every head differs from the average one, besides its size."""


@dataclass(frozen=True)
class HeadShape:
    """What a patient's head is like, apart from the tumour.

    Attributes:
        size: factors on the average head's width, length and height.
        turn: rotations of the head in the scanner about its left, posterior and superior axes, in degrees.
        shift: of the head's origin from the scanner's, in mm, LPS.
        skull: mean thickness of the skull in mm.
        scalp: mean thickness of the scalp in mm.
        fluid: mean thickness of the fluid between brain and skull in mm.
        cortex: thickness of the cortex in mm.
        sulci: half the width of a sulcus in mm.
        ventricles: mm by which the ventricles are wider than average.
    """

    size: Place
    turn: Place
    shift: Place
    skull: float
    scalp: float
    fluid: float
    cortex: float
    sulci: float
    ventricles: float

    def to_scanner(self, place: Place) -> Place:
        """Where a place of the average head lies, in mm, LPS."""
        x, y, z = self._axes() @ np.asarray(place) + np.asarray(self.shift)
        return float(x), float(y), float(z)

    def to_head(self, points: Floats) -> Floats:
        """Points in mm, LPS, as places of the average head; both (3, n)."""
        shift = np.asarray(self.shift, dtype=np.float32)[:, None]
        back = np.linalg.inv(self._axes()).astype(np.float32)
        return np.asarray(np.einsum("ab,bn->an", back, points - shift))

    def _axes(self) -> NDArray[np.float64]:
        a, b, c = np.radians(self.turn)
        about_left = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        about_posterior = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
        about_superior = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
        return np.asarray(about_superior @ about_posterior @ about_left @ np.diag(self.size))


class Anatomy:
    """The tissues of one head at any point of space.

    Args:
        shape: of the head.
        lesion: the tumour in it.
        generator: draws everything that has no name: folds, outlines, unevenness.
    """

    def __init__(self, shape: HeadShape, lesion: Lesion, generator: np.random.Generator) -> None:
        self._shape = shape
        self._bends = [Waves.draw(generator, 5, 70, 150) for _ in range(3)]
        self._brain = Brain(Folding.draw(generator, shape.sulci), shape.cortex, shape.ventricles)
        self._outer = OuterHead.draw(generator, shape.skull, shape.scalp)
        self._tumour = Tumour.draw(generator, lesion)

    def shares(self, points: Floats, edge: float) -> Floats:
        """Share of each tissue in cells about ``edge`` mm wide round ``points``.

        Args:
            points: shape (3, n), mm, LPS.
            edge: width of a cell in mm; surfaces fade over this distance.

        Returns:
            Shape (tissues, n), in [0, 1], each column summing to 1.
        """
        head = self._shape.to_head(points)
        near = np.flatnonzero(_within_reach(head))
        canvas = Canvas(points.shape[1])
        if len(near):
            head = head[:, near]
            head = head + UNEVENNESS * np.stack([bend(head) for bend in self._bends])
            self._paint(canvas, near, points[:, near], head, edge)
        canvas.fill(Tissue.AIR)
        return canvas.shares

    def _paint(self, canvas: Canvas, where: NDArray[np.intp], points: Floats, head: Floats, edge: float) -> None:
        half = mirrored(head)
        cavity = skull_contents.cavity(half, self._shape.fluid)
        surface = self._outer.surface(half, cavity)
        inside = np.flatnonzero(surface < edge)
        part = Canvas(len(inside))
        enclosed = inside[cavity[inside] < edge]
        if len(enclosed):
            within = np.flatnonzero(cavity[inside] < edge)
            brain = self._enclosed(points[:, enclosed], head[:, enclosed], cavity[enclosed], edge)
            part.place(within, brain, coverage(cavity[enclosed], edge))
        self._outer.paint(part, head[:, inside], half[:, inside], cavity[inside], surface[inside], edge)
        canvas.place(where[inside], part, np.ones(len(inside), dtype=np.float32))

    def _enclosed(self, points: Floats, head: Floats, cavity: Floats, edge: float) -> Canvas:
        """What the skull encloses."""
        canvas = Canvas(points.shape[1])
        # The skull does not give way: the push fades towards it.
        give = np.clip(-cavity / 15, 0, 1)
        self._tumour.paint(canvas, points, edge)
        self._brain.paint(canvas, head - give * self._tumour.displaced_from(points), edge)
        self._tumour.swell(canvas, points)
        return canvas


def _within_reach(head: Floats) -> NDArray[np.bool_]:
    return np.asarray(((head[0] / REACH[0]) ** 2 + (head[1] / REACH[1]) ** 2 < 1) & (head[2] < REACH[2]))
