"""The large forms inside the skull, as distances in mm: cerebrum, cerebellum, brainstem, and the cavity round them.

The head's own coordinates are millimetres along left, posterior and superior, like LPS, with the origin 16 mm behind
the anterior commissure: (x, y, z) is (−x, −16 − y, z) of the MNI space. Places and sizes are an average adult's there,
by eye.
Functions take points laid over the left half (``shapes.mirrored``).
"""

import numpy as np

from InvertibleFusionLib.phantom.shapes import Floats, Place, ellipsoid, intersection, tube, union

TENTORIUM_GAP = 2.0
BRAINSTEM: tuple[tuple[Place, Place, float, float], ...] = (
    ((0, -1, -2), (0, 4, -24), 10, 13),
    ((0, 4, -24), (0, 6, -36), 14, 13),
    ((0, 8, -38), (0, 24, -58), 10, 7),
    ((0, 24, -58), (0, 38, -130), 6.5, 5.5),
)
PEDUNCLES: tuple[tuple[Place, Place, float, float], ...] = (((10, 8, -32), (25, 40, -38), 7, 6),)


def cerebrum(half: Floats) -> Floats:
    """Both hemispheres without the fissure between them, and the temporal lobes."""
    front = ellipsoid(half, (9, -12, 8), (54, 73, 61))
    back = ellipsoid(half, (11, 16, 11), (58, 69, 66))
    upper = intersection(union(front, back, blend=10), _base_of_cerebrum(half) - half[2], blend=6)
    temporal = ellipsoid(half, (44, -11, -22), (23, 42, 22))
    return union(upper, temporal, blend=5)


def _base_of_cerebrum(half: Floats) -> Floats:
    """Height of the cerebrum's underside: lowest in front, and lifted by the cerebellum like a tent behind."""
    tent = np.exp(-((half[0] / 28) ** 2)) / (1 + np.exp((8 - half[1]) / 6))
    return np.asarray(0.12 * np.minimum(half[1], 0) - 19 + 12 * tent)


def cerebellum(half: Floats) -> Floats:
    """Both hemispheres and the vermis."""
    return union(ellipsoid(half, (22, 45, -33), (35, 33, 27)), ellipsoid(half, (0, 44, -27), (18, 25, 23)), blend=6)


def brainstem(half: Floats) -> Floats:
    """Midbrain, pons, medulla and the spinal cord."""
    return union(*(tube(half, *part) for part in BRAINSTEM), blend=5)


def peduncles(half: Floats) -> Floats:
    """The white matter between pons and cerebellum."""
    return union(*(tube(half, *part) for part in PEDUNCLES))


def cavity(half: Floats, fluid: float) -> Floats:
    """What the dura encloses: the brain with ``fluid`` mm of cerebrospinal fluid round it."""
    parts = union(cerebrum(half), cerebellum(half), brainstem(half) - 1, blend=8)
    return np.asarray(parts - fluid)
