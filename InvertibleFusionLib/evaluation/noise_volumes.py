"""Random volumes for timing: all-zero or white input would not show what real input does."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

BLOB = 8


def noise_volume(generator: np.random.Generator, size: tuple[int, int, int], dtype: DTypeLike) -> NDArray[Any]:
    """Blobs of 8×8 pixels from 0 to 1000 with noise of 20, about the range of an MR image.

    They are made slice by slice, so that nothing but the volume takes memory.

    Args:
        generator: of the random numbers.
        size: slices, rows, columns.
        dtype: of the voxels.
    """
    _, rows, columns = size
    volume = np.empty(size, dtype)
    for image in volume:
        coarse = generator.random((rows // BLOB + 1, columns // BLOB + 1), dtype=np.float32)
        blobs = coarse.repeat(BLOB, axis=0).repeat(BLOB, axis=1)[:rows, :columns]
        image[:] = 1000 * blobs + 20 * generator.standard_normal((rows, columns), dtype=np.float32)
    return volume
