"""A ring-enhancing tumour: necrotic core, solid rim, oedema in the white matter round it, and the push it exerts."""

from dataclasses import dataclass

import numpy as np

from InvertibleFusionLib.phantom.canvas import Canvas
from InvertibleFusionLib.phantom.shapes import Floats, Place, coverage
from InvertibleFusionLib.phantom.tissues import Tissue
from InvertibleFusionLib.phantom.waves import Waves


@dataclass(frozen=True)
class Lesion:
    """Where the tumour lies and how large it is.

    Attributes:
        centre: of the tumour, in mm, LPS.
        radius: mean radius of core and rim together, in mm.
        rim: mean thickness of the solid rim, in mm.
        oedema: how far the oedema reaches beyond the rim on average, in mm.
        push: strength of the displacement of the brain beside it, in mm; it peaks at about 0.6 of this.
    """

    centre: Place
    radius: float
    rim: float
    oedema: float
    push: float


@dataclass(frozen=True, eq=False)
class Tumour:
    """A lesion with its outlines. Core and rim are point-symmetric: their centroid is the lesion's centre."""

    lesion: Lesion
    outline: Waves
    inside: Waves
    fingers: Waves

    @classmethod
    def draw(cls, generator: np.random.Generator, lesion: Lesion) -> "Tumour":
        """Outlines for ``lesion``."""
        return cls(
            lesion,
            Waves.draw(generator, 8, 18, 36).even(),
            Waves.draw(generator, 8, 9, 20).even(),
            Waves.draw(generator, 12, 18, 45),
        )

    def paint(self, canvas: Canvas, points: Floats, edge: float) -> None:
        """Core and rim, over whatever is there; ``points`` in mm, LPS."""
        offset, distance = self._offset(points)
        lesion = self.lesion
        whole = distance - lesion.radius * (1 + 0.1 * np.clip(self.outline(offset), -2, 2))
        # At least 1.5 mm of rim everywhere, so that it never tears.
        depth = np.maximum(lesion.rim * (1 + 0.3 * np.clip(self.inside(offset), -2, 2)), 1.5)
        canvas.paint(Tissue.TUMOUR_CORE, coverage(whole + depth, edge))
        canvas.paint(Tissue.TUMOUR_RIM, coverage(whole, edge))

    def swell(self, canvas: Canvas, points: Floats) -> None:
        """Oedema: it follows the white matter, fades at its border and spares the cortex."""
        offset, distance = self._offset(points)
        reach = self.lesion.radius + self.lesion.oedema * (1 + 0.4 * self.fingers(offset))
        canvas.turn_into(Tissue.WHITE_MATTER, Tissue.OEDEMA, coverage(distance - reach, 4.0))

    def displaced_from(self, points: Floats) -> Floats:
        """Displacement, shape (3, n), from where tissue was before the tumour grew to ``points``, where it is now."""
        offset, distance = self._offset(points)
        reach = self.lesion.radius + 22
        length = self.lesion.push * np.exp(-((distance / reach) ** 2)) / (distance + 5)
        return np.asarray(offset * length)

    def _offset(self, points: Floats) -> tuple[Floats, Floats]:
        offset = points - np.array(self.lesion.centre, dtype=np.float32)[:, None]
        return offset, np.sqrt((offset**2).sum(axis=0))
