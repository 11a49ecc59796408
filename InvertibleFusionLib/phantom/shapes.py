"""Implicit shapes: signed distances in mm to ellipsoids and tapered tubes, and how distances are combined.

Points are arrays of shape (3, n), mm; distances have shape (n,), negative inside, positive outside, exact or close to
it near the surface. The phantom computes in float32, which places a point within 0.00001 mm. The formulae are those
that Inigo Quilez collects in "Distance functions" (iquilezles.org/articles/distfunctions).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Place = tuple[float, float, float]


def ellipsoid(points: Floats, centre: Place, radii: Place) -> Floats:
    """Distance to an ellipsoid along the axes; first-order exact at the surface and exact on the axes."""
    parts = [(points[axis] - centre[axis]) / radii[axis] for axis in range(3)]
    near = np.sqrt(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2)
    slope = np.sqrt(sum((parts[axis] / radii[axis]) ** 2 for axis in range(3)) + 1e-12)
    return np.asarray(np.maximum(near * (near - 1) / slope, -min(radii)))


def tube(points: Floats, start: Place, end: Place, start_radius: float, end_radius: float) -> Floats:
    """Distance to a tube with round ends whose radius changes evenly from ``start`` to ``end``."""
    way = [float(end[axis] - start[axis]) for axis in range(3)]
    offset = [points[axis] - start[axis] for axis in range(3)]
    length = sum(step * step for step in way)
    share = np.clip(sum(offset[axis] * (way[axis] / length) for axis in range(3)), 0, 1)
    aside = np.sqrt(sum((offset[axis] - share * way[axis]) ** 2 for axis in range(3)))
    return np.asarray(aside - start_radius - share * (end_radius - start_radius))


def union(*distances: Floats, blend: float = 0.0) -> Floats:
    """Distance to whichever shape is nearest; ``blend`` mm round the crease between them."""
    result = distances[0]
    for other in distances[1:]:
        if blend:
            overlap = np.maximum(blend - np.abs(result - other), 0)
            result = np.minimum(result, other) - overlap * overlap * (0.25 / blend)
        else:
            result = np.minimum(result, other)
    return result


def intersection(first: Floats, second: Floats, blend: float = 0.0) -> Floats:
    """Distance to what lies in both shapes; ``blend`` mm round the edge."""
    return -union(-first, -second, blend=blend)


def coverage(distance: Floats, edge: float) -> Floats:
    """Share of a cell ``edge`` mm wide that lies inside a flat surface at ``distance`` from its middle, in [0, 1]."""
    return np.asarray(np.clip(0.5 - distance / edge, 0, 1))


def mirrored(points: Floats) -> Floats:
    """The points with the right half of the head laid over the left one."""
    return np.stack([np.abs(points[0]), points[1], points[2]])
