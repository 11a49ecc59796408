"""Painting the brain: ventricles, deep grey matter, brainstem, cerebellum and the folded cerebrum."""

from dataclasses import dataclass

import numpy as np

from InvertibleFusionLib.phantom import skull_contents
from InvertibleFusionLib.phantom.canvas import Canvas
from InvertibleFusionLib.phantom.folding import Folding
from InvertibleFusionLib.phantom.shapes import Floats, Place, coverage, ellipsoid, mirrored, tube, union
from InvertibleFusionLib.phantom.tissues import Tissue

LATERAL_VENTRICLE: tuple[tuple[Place, Place, float, float], ...] = (
    ((15, -46, 5), (8, -32, 11), 3.5, 5.5),
    ((8, -32, 11), (8, -12, 18), 5.5, 4.5),
    ((8, -12, 18), (13, 10, 21), 4.5, 5.0),
    ((13, 10, 21), (25, 26, 12), 5.0, 7.5),
    ((25, 26, 12), (24, 50, 6), 6.0, 2.5),
    ((25, 26, 12), (34, 10, -10), 5.0, 2.5),
    ((34, 10, -10), (31, -6, -20), 2.5, 3.0),
)
DEEP_NUCLEI: tuple[tuple[Place, Place], ...] = (
    ((11, 3, 7), (8.5, 14, 8.5)),  # thalamus
    ((13.5, -29, 7), (5.5, 10, 10)),  # head of the caudate nucleus
    ((15.5, -8, 20), (3, 17, 3.5)),  # body of the caudate nucleus
    ((26, -20, 2), (5.5, 15, 10)),  # putamen
    ((19.5, -14, 0), (4, 9, 7)),  # globus pallidus
)
FOLIA_CENTRE = (24.0, -30.0)
FOLIA_SPACING = 0.115
"""Angle in radians between two folia of the cerebellum, seen from its root: about 4 mm at its surface."""


@dataclass(frozen=True, eq=False)
class Brain:
    """One patient's brain before the tumour came.

    Attributes:
        folding: its sulci.
        cortex: thickness of the cortex in mm.
        ventricles: mm by which the ventricles are wider than the average ones.
    """

    folding: Folding
    cortex: float
    ventricles: float

    def paint(self, canvas: Canvas, points: Floats, edge: float) -> None:
        """Fill the room of every cell; ``points`` are in the head's coordinates, mm. The rest becomes fluid."""
        half = mirrored(points)
        canvas.paint(Tissue.VENTRICLE, coverage(self._ventricles(half), edge))
        hull = skull_contents.cerebrum(half)
        canvas.paint(Tissue.DEEP_GREY_MATTER, coverage(_nuclei(half), edge))
        canvas.paint(Tissue.WHITE_MATTER, coverage(skull_contents.brainstem(half), edge))
        self._paint_cerebrum(canvas, points, hull, edge)
        self._paint_cerebellum(canvas, half, hull, edge)
        canvas.fill(Tissue.CEREBROSPINAL_FLUID)

    def _ventricles(self, half: Floats) -> Floats:
        lateral = union(*(tube(half, *part) for part in LATERAL_VENTRICLE), blend=4)
        # The septum between the two sides stays.
        lateral = np.maximum(lateral - self.ventricles, 1.0 - half[0])
        third = ellipsoid(half, (0, -3, -2), (2.2 + 0.7 * self.ventricles, 15, 11))
        fourth = ellipsoid(half, (0, 26, -32), (7, 5, 10))
        return union(lateral, third, fourth)

    def _paint_cerebrum(self, canvas: Canvas, points: Floats, hull: Floats, edge: float) -> None:
        depth = self.folding.depth_below_fluid(points, hull)
        within = coverage(hull, edge)
        canvas.paint(Tissue.CEREBROSPINAL_FLUID, coverage(depth, edge) * within)
        canvas.paint(Tissue.WHITE_MATTER, coverage(self.cortex - depth, edge))
        canvas.paint(Tissue.GREY_MATTER, within)

    def _paint_cerebellum(self, canvas: Canvas, half: Floats, cerebrum: Floats, edge: float) -> None:
        hull = np.maximum(skull_contents.cerebellum(half), skull_contents.TENTORIUM_GAP - cerebrum)
        y, z = half[1] - FOLIA_CENTRE[0], half[2] - FOLIA_CENTRE[1]
        radius = np.sqrt(y * y + z * z)
        angle = np.arctan2(z, y) + 0.006 * half[0] + 0.12 * self.folding.depth(half)
        between = np.abs(angle - FOLIA_SPACING * np.round(angle / FOLIA_SPACING)) * radius
        depth = np.minimum(-hull, np.sqrt(between**2 + np.maximum(-hull - 10, 0) ** 2) - 0.15)
        inner = coverage(0.5 * self.cortex - depth, edge)
        canvas.paint(Tissue.WHITE_MATTER, np.maximum(inner, coverage(skull_contents.peduncles(half), edge)))
        canvas.paint(Tissue.GREY_MATTER, coverage(-depth, edge))


def _nuclei(half: Floats) -> Floats:
    return union(*(ellipsoid(half, *part) for part in DEEP_NUCLEI))
