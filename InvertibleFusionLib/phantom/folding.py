"""The folded surface of the cerebrum: how deep a point lies under the nearest cerebrospinal fluid.

Sulci are thin sheets that run from the surface inwards along the zero lines of a smooth random field on that surface.
Near such a line, field / slope of the field is the distance from it in mm, which gives sulci, and round them a
cortex, of even width.
"""

from dataclasses import dataclass

import numpy as np

from InvertibleFusionLib.phantom.shapes import Floats, ellipsoid
from InvertibleFusionLib.phantom.waves import Waves

REACH = 30.0
"""No sulcus reaches deeper than this below the surface, in mm."""
HEMISPHERE_AXIS = (26.0, (-38.0, 38.0), 6.0)
"""The line from which a hemisphere's sulci radiate: distance from the midline, its front and back ends, height; mm."""
HEMISPHERE_WIDTH = (28.0, 42.0)
HEMISPHERE_HEIGHT = (40.0, 68.0)
HEMISPHERE_END = 48.0
"""From the axis to the hemisphere's surface: towards the midline and sideways, down and up, beyond the axis' ends."""
CROWDED = 1.9
"""Where the pattern is drawn together more than this there are no sulci: deep inside, near the axis."""
CALLOSUM = ((0.0, -12.0, 4.0), (300.0, 38.0, 25.0))
"""Within this cylinder across the head the hemispheres are joined; its shell is the corpus callosum."""


@dataclass(frozen=True, eq=False)
class Folding:
    """The pattern of one head's sulci.

    Attributes:
        width: half the width of a sulcus in mm.
        large: field whose zero lines are the deep sulci.
        small: field whose zero lines are the shallow sulci.
        depth: field that varies how deep they are.
        bends: fields that keep them from running straight inwards.
    """

    width: float
    large: Waves
    small: Waves
    depth: Waves
    bends: tuple[Waves, Waves, Waves]

    @classmethod
    def draw(cls, generator: np.random.Generator, width: float) -> "Folding":
        """A pattern with gyri about 12 mm wide."""
        return cls(
            width,
            Waves.draw(generator, 36, 27, 37),
            Waves.draw(generator, 30, 18, 26),
            Waves.draw(generator, 10, 30, 60),
            (Waves.draw(generator, 6, 35, 60), Waves.draw(generator, 6, 35, 60), Waves.draw(generator, 6, 35, 60)),
        )

    def depth_below_fluid(self, points: Floats, hull: Floats) -> Floats:
        """Distance in mm from the folded surface, positive in tissue; ``hull`` is that from the smooth outside."""
        fissure = self._fissure(points)
        outer = np.minimum(-hull, fissure)
        result = np.minimum(outer, self._sylvian(points))
        near = np.flatnonzero((outer < REACH) & (hull < 3))
        result[near] = np.minimum(result[near], self._sulci(points[:, near], outer[near]))
        return np.asarray(result)

    def _fissure(self, points: Floats) -> Floats:
        """Distance from the fluid between the hemispheres, which ends at the corpus callosum."""
        bend = 1.2 * self.depth(np.stack([np.zeros_like(points[0]), points[1], points[2]]))
        joined = np.maximum(-ellipsoid(points, *CALLOSUM), 0)
        aside = np.abs(points[0] - bend)
        return np.asarray(np.sqrt(aside**2 + joined**2) - self.width)

    def _sylvian(self, points: Floats) -> Floats:
        """Distance from the lateral fissure and from the fluid that covers the insula, both sides."""
        # A cleft that rises backwards from the temple, and at its bottom a bowl that is open towards the midline.
        along = points[1] + 22
        across = (points[2] - 1 - 0.42 * along) * 0.92 + 2.5 * self.depth(points)
        aside = np.abs(points[0])
        beyond = np.maximum(np.abs(along - 6) - 34, 0)
        cleft = np.sqrt(across**2 + np.maximum(39 - aside, 0) ** 2 + beyond**2)
        bowl = 40 - (along / 16) ** 2 - (across / 14) ** 2
        edge = np.maximum(np.sqrt((along / 1.7) ** 2 + across**2) - 12, 0)
        insula = np.sqrt((aside - bowl) ** 2 + edge**2)
        return np.asarray(np.minimum(cleft, insula) - 1.3 * self.width)

    def _sulci(self, points: Floats, outer: Floats) -> Floats:
        surface, shrink = _on_surface(points)
        surface = surface + 5 * np.stack([bend(points) for bend in self.bends])
        varied = self.depth(surface)
        # Close to the axis the pattern would crowd together: there is white matter instead.
        crowded = 25 * np.maximum(shrink - CROWDED, 0)
        deep = self._sheet(self.large, surface, shrink, outer, 19 + 5 * varied - crowded)
        shallow = self._sheet(self.small, surface, shrink, outer, 8 + 3.5 * varied - crowded)
        return np.minimum(deep, shallow)

    def _sheet(self, field: Waves, surface: Floats, shrink: Floats, outer: Floats, reach: Floats) -> Floats:
        value, slope = field.with_slope(surface)
        steepness = np.sqrt((slope**2).sum(axis=0)) * shrink + 0.02
        aside = np.abs(value) / steepness
        opening = self.width * (1 + 0.8 * np.exp(-np.maximum(outer, 0) / 3))
        return np.asarray(np.sqrt(aside**2 + np.maximum(outer - reach, 0) ** 2) - opening)


def _on_surface(points: Floats) -> tuple[Floats, Floats]:
    """The points moved outwards onto a smooth hemisphere, and by which factor that drew them apart."""
    side, (front, back), height = HEMISPHERE_AXIS
    right = np.sign(points[0]) + (points[0] == 0)
    centre = np.stack([side * right, np.clip(points[1], front, back), np.full_like(points[2], height)])
    offset = points - centre
    medial, lateral = HEMISPHERE_WIDTH
    below, above = HEMISPHERE_HEIGHT
    parts = (
        offset[0] / np.where(offset[0] * right < 0, medial, lateral),
        offset[1] / HEMISPHERE_END,
        offset[2] / np.where(offset[2] < 0, below, above),
    )
    apart = 1 / np.sqrt(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2 + 0.01)
    return np.asarray(centre + offset * apart, dtype=np.float32), np.asarray(apart, dtype=np.float32)
