"""What lies round the brain: skull, scalp, face and neck, in the head's coordinates (see ``skull_contents``)."""

from dataclasses import dataclass

import numpy as np

from InvertibleFusionLib.phantom.canvas import Canvas
from InvertibleFusionLib.phantom.shapes import Floats, coverage, ellipsoid, tube, union
from InvertibleFusionLib.phantom.tissues import Tissue
from InvertibleFusionLib.phantom.waves import Waves

SKIN_THICKNESS = 2.0
TABLE_THICKNESS = 2.0
"""Of the compact bone on either side of the marrow."""
EYE = ((32.0, -78.0, -43.0), 12.0)
VEINS = (
    ((0.0, 85.0, -6.0), (32.0, 75.0, -12.0), 4.0, 4.0),
    ((32.0, 75.0, -12.0), (55.0, 44.0, -16.0), 4.0, 4.0),
    ((55.0, 44.0, -16.0), (50.0, 24.0, -32.0), 4.0, 4.0),
)


@dataclass(frozen=True, eq=False)
class OuterHead:
    """One patient's skull and soft tissues.

    Attributes:
        skull: mean thickness of the skull in mm.
        scalp: mean thickness of skin and fat over it in mm.
        uneven: field that varies both.
        texture: field that draws fat streaks and air cells.
    """

    skull: float
    scalp: float
    uneven: Waves
    texture: Waves

    @classmethod
    def draw(cls, generator: np.random.Generator, skull: float, scalp: float) -> "OuterHead":
        """A head with these thicknesses."""
        return cls(skull, scalp, Waves.draw(generator, 8, 35, 80), Waves.draw(generator, 24, 14, 40))

    def surface(self, half: Floats, cavity: Floats) -> Floats:
        """Distance in mm to the skin, negative inside."""
        cranium = cavity - self.skull - self.scalp
        face = ellipsoid(half, (0, -50, -60), (64, 52, 66))
        neck = tube(half, (0, 24, -58), (0, 40, -150), 56, 60)
        head = union(cranium, face, neck, blend=16)
        nose = tube(half, (0, -98, -42), (0, -112, -68), 6, 10)
        ear = ellipsoid(half, (85, 14, -26), (4.5, 14, 25))
        return union(head, nose, ear, blend=4)

    def paint(self, canvas: Canvas, points: Floats, half: Floats, cavity: Floats, surface: Floats, edge: float) -> None:
        """Fill the room of every cell, from the inside outwards."""
        canvas.paint(Tissue.AIR, coverage(-surface, edge))
        texture = self.texture(points)
        uneven = self.uneven(points)
        canvas.paint(Tissue.VEIN, coverage(_veins(half, cavity), edge))
        self._paint_skull(canvas, half, cavity, uneven, texture, edge)
        _paint_face(canvas, half, texture, edge)
        self._paint_soft_tissue(canvas, surface, uneven, texture, edge)

    def _paint_skull(
        self, canvas: Canvas, half: Floats, cavity: Floats, uneven: Floats, texture: Floats, edge: float
    ) -> None:
        thickness = self.skull * (1 + 0.12 * uneven)
        mastoid = ellipsoid(half, (56, 27, -38), (9, 12, 14))
        canvas.paint(Tissue.AIR, coverage(mastoid, edge) * coverage(0.3 - 3 * texture, 1.0))
        middle = np.abs(cavity - 0.5 * thickness) - (0.5 * thickness - TABLE_THICKNESS)
        canvas.paint(Tissue.MARROW, coverage(middle, edge))
        canvas.paint(Tissue.SKULL, coverage(np.minimum(cavity - thickness, mastoid), edge))

    def _paint_soft_tissue(self, canvas: Canvas, surface: Floats, uneven: Floats, texture: Floats, edge: float) -> None:
        canvas.paint(Tissue.SKIN, coverage(-surface - SKIN_THICKNESS, edge))
        fat = self.scalp * (1 + 0.2 * uneven) + 0.5
        canvas.paint(Tissue.FAT, coverage(-surface - fat, edge))
        canvas.paint(Tissue.FAT, coverage(1.5 * (1.0 - texture), 1.0))
        canvas.fill(Tissue.MUSCLE)


def _veins(half: Floats, cavity: Floats) -> Floats:
    """The sagittal sinus, a wedge under the vault, and the transverse sinuses."""
    sagittal = np.maximum(half[0] - (4 + 0.8 * cavity), np.abs(cavity + 1) - 4)
    sagittal = np.maximum(sagittal, -5 - half[2])
    return union(sagittal, *(tube(half, *part) for part in VEINS))


def _paint_face(canvas: Canvas, half: Floats, texture: Floats, edge: float) -> None:
    centre, radius = EYE
    eye = ellipsoid(half, centre, (radius, radius, radius))
    lens = ellipsoid(half, (32, -87, -43), (4.5, 2.2, 4.5))
    nerve = tube(half, (30, -66, -43), (16, -34, -36), 2.2, 2.0)
    orbit = ellipsoid(half, (29, -62, -43), (17, 25, 17))
    sinuses = union(
        ellipsoid(half, (25, -70, -70), (12, 15, 15)),
        ellipsoid(half, (6, -66, -39), (5, 20, 11)),
        ellipsoid(half, (7, -38, -39), (8, 10, 8)),
    )
    nose = ellipsoid(half, (5, -78, -63), (6, 26, 19))
    canvas.paint(Tissue.MUSCLE, coverage(np.minimum(lens, nerve), edge))
    canvas.paint(Tissue.EYE, coverage(eye, edge))
    canvas.paint(Tissue.AIR, coverage(sinuses, edge))
    canvas.paint(Tissue.AIR, coverage(nose, edge) * coverage(2 * np.abs(texture) - 1.6, 1.0))
    canvas.paint(Tissue.MUSCLE, coverage(np.minimum(eye - 1, nose), edge))
    canvas.paint(Tissue.MUSCLE, coverage(np.abs(ellipsoid(half, (29, -60, -43), (10, 22, 10))) - 1.5, edge))
    canvas.paint(Tissue.FAT, coverage(orbit, edge))
    canvas.paint(Tissue.SKULL, coverage(np.minimum(orbit, sinuses) - 1.5, edge))
