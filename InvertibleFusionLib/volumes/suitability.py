"""Whether a volume is an image that can be fused, decomposed or synthesized from, and what to do where it is not."""

import numpy as np

from InvertibleFusionLib.errors import UnsuitableVolumeError
from InvertibleFusionLib.volumes.volume import Volume

LABELS_AT_MOST = 32
"""A volume of whole numbers with no more distinct values than this is taken for a label map."""


def require_image(volume: Volume, components: int = 1) -> None:
    """Refuse what is not an image of finite values that vary, grey unless another number of components is needed.

    Raises:
        UnsuitableVolumeError: for colour where grey is needed and the reverse, empty, non-finite, constant volumes and
            for label maps.
    """
    array = volume.array
    if components != 1 and volume.components != components:
        raise UnsuitableVolumeError(
            f"{volume.name} has {volume.components} values per voxel; a colour image with {components} is needed here."
        )
    if volume.components != components:
        raise UnsuitableVolumeError(
            f"{volume.name} has {volume.components} values per voxel (colour or vectors); a grey image is needed. "
            "Export it as a scalar volume."
        )
    if array.size == 0:
        raise UnsuitableVolumeError(f"{volume.name} is empty: its size is {'×'.join(map(str, volume.grid.size))}.")
    require_finite(volume)
    smallest, largest = float(array.min()), float(array.max())
    if smallest == largest:
        raise UnsuitableVolumeError(
            f"{volume.name} is constant: all {array.size} voxels are {smallest:g}. There is nothing to see in it; "
            "check that it is the right file."
        )
    require_no_label_map(volume)


def require_no_label_map(volume: Volume) -> None:
    """Refuse a volume that is said to be a label map or looks like one.

    Raises:
        UnsuitableVolumeError: with its values.
    """
    if volume.label_map or looks_like_labels(volume):
        raise UnsuitableVolumeError(
            f"{volume.name} looks like a label map (whole numbers from {volume.array.min():g} to "
            f"{volume.array.max():g}, few of them), not an image. Choose the scan itself."
        )


def require_finite(volume: Volume) -> None:
    """Refuse NaN and infinities.

    Raises:
        UnsuitableVolumeError: with their count.
    """
    if not np.issubdtype(volume.array.dtype, np.floating):
        return
    bad = volume.array.size - sum(int(np.isfinite(part).sum()) for part in volume.array)
    if bad:
        raise UnsuitableVolumeError(
            f"{volume.name} has {bad} of {volume.array.size} voxels that are not finite (NaN or infinite), as ADC "
            "maps often have outside the head. Say which value they shall have: --replace-nonfinite 0 on the command "
            "line, replace_nonfinite(volume, 0) in Python."
        )


def replace_nonfinite(volume: Volume, value: float) -> Volume:
    """The volume with ``value`` (in its own units) in place of NaN and infinities; the same volume if it has none.

    Its record says how many voxels were replaced by what, so that everything made from it can say so too.
    """
    if not np.issubdtype(volume.array.dtype, np.floating):
        return volume
    finite = np.isfinite(volume.array)
    if finite.all():
        return volume
    record = {
        "task": "replace non-finite voxels",
        **(volume.record or {}),
        "replaced_nonfinite": {"voxels": int((~finite).sum()), "value": value},
        "result": {"kind": "source", "name": volume.name, "units": volume.units},
    }
    return volume.with_array(np.where(finite, volume.array, volume.array.dtype.type(value)), record=record)


def looks_like_labels(volume: Volume) -> bool:
    """Whether all values are whole numbers and there are very few of them for the volume's size."""
    distinct: set[float] = set()
    for part in volume.array:
        if np.issubdtype(part.dtype, np.floating) and np.any(part != np.round(part)):
            return False
        values = np.unique(part)
        distinct.update(float(value) for value in values[: LABELS_AT_MOST + 1])
        if len(distinct) > LABELS_AT_MOST:
            return False
    return len(distinct) > 1 and 16 * len(distinct) <= volume.array.size
