"""What is measured of all slices of a case together."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.slice_measures import Measure, Values
from InvertibleFusionLib.metrics.calibration import Calibration, calibration
from InvertibleFusionLib.metrics.slice_consistency import slice_consistency

CONSISTENCY = Measure("change from slice to slice, relative to the sources (1 as they do)", "", "image", 3)
CONSISTENCY_OF_TARGET = Measure("change from slice to slice, relative to the target (1 as it does)", "", "image", 3)


def shown_slice(case: EvaluationCase) -> int:
    """The slice to look at: the one with the largest lesion, else the middle one."""
    if case.mask is not None and case.mask.any():
        return int(case.mask.sum(axis=(1, 2)).argmax())
    return len(case) // 2


def whole_values(case: EvaluationCase, made: NDArray[np.float32]) -> Values:
    """Of all slices together, of the first target where there are several; nothing where slices are missing between.

    Args:
        case: that was measured.
        made: (slices, images, rows, columns).
    """
    neighbours = all(second == first + 1 for first, second in pairwise(case.numbers))
    if len(case) < 2 or not neighbours or case.grid is None:
        return {}
    count = len(case.sources)
    wanted = [count] if case.targets else range(count)
    value = slice_consistency(made[:, 0], [case.images[:, number] for number in wanted])
    return {CONSISTENCY_OF_TARGET if case.targets else CONSISTENCY: value} if np.isfinite(value) else {}


def calibrations_of(parts: Sequence[NDArray[np.float32]], names: Sequence[str]) -> dict[str, Calibration]:
    """Whether the spread of each source says how large the error is.

    Args:
        parts: of each slice (decomposed, sources and spread; contrasts; voxels of the head).
        names: of the sources.
    """
    together = np.concatenate(parts, axis=2)[:, :, None]
    if not together.size:
        return {}
    return {name: calibration(*together[:, number]) for number, name in enumerate(names)}
