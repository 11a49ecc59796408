"""The slices that the FusionINN authors publish: an .h5 file whose key ``data`` is (slices, 4, 240, 240).

From BraTS 2018; their code (inn_train.py and inn_vis.py of github.com/nish03/FusionINN) takes channel 2 as T1Gd and
channel 3 as FLAIR and scales each channel of each slice by its own minimum and maximum. They shuffled the slices before
they parted them into training and test (their README): neighbours in the file are not neighbours in a head, and
slices of one patient are likely to be in both files. No slice tells its patient, so nothing here can check that.
A file of one's own names its channels in the attribute ``contrasts`` of ``data``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError, UnreadableFileError
from InvertibleFusionLib.training.data.normalization import Normalization
from InvertibleFusionLib.training.data.selection import SliceSelection

KEY, CONTRASTS = "data", "contrasts"
PUBLISHED = {"T1Gd": 2, "FLAIR": 3}
"""Channels of the published files; what channels 0 and 1 are is not written anywhere."""
PUBLISHED_CHANNELS = 4
AT_ONCE = 64
"""Slices read in one go: the published training file has 8500."""


def load_h5(
    path: Path, contrasts: Sequence[str], normalize: Normalization, selection: SliceSelection
) -> NDArray[np.float32]:
    """Read a file of slices; slices that are blank in a contrast are left out.

    Args:
        path: of the file.
        contrasts: which channels.
        normalize: applied to each slice of each contrast alone, since neighbours are of different patients.
        selection: of slices; "middle" means the middle of the file.

    Returns:
        (slices, contrasts, rows, columns).

    Raises:
        UnreadableFileError: when it is missing, damaged or no HDF5 file.
        ConfigurationError: when it has other channels or shapes, nothing to see, or values that are not finite.
    """
    import h5py

    if not path.is_file():
        raise UnreadableFileError(f"There is no file {path}. Check its name and folder.")
    try:
        with h5py.File(path, "r") as file:
            if KEY not in file or not isinstance(file[KEY], h5py.Dataset):
                raise ConfigurationError(f"{path} has no data set {KEY!r}, only {', '.join(file) or 'nothing'}.")
            data = file[KEY]
            channels = _channels(data, contrasts, path)
            images = _read(data, channels, normalize, selection, path)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read as HDF5: {error}. Copy it again.") from error
    return images[selection.chosen(images, None)]


def _channels(data: Any, contrasts: Sequence[str], path: Path) -> list[int]:
    if data.ndim != 4 or data.dtype.kind not in "biuf":
        raise ConfigurationError(
            f"{path}: {KEY!r} must be numbers of the shape (slices, channels, rows, columns), not {data.dtype} of "
            f"{data.shape}."
        )
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in data.attrs.get(CONTRASTS, [])]
    if names and len(names) != data.shape[1]:
        raise ConfigurationError(f"{path} names {len(names)} contrasts for {data.shape[1]} channels.")
    known = {name: number for number, name in enumerate(names)}
    if not names and data.shape[1] == PUBLISHED_CHANNELS:
        known = PUBLISHED
    missing = [contrast for contrast in contrasts if contrast not in known]
    if missing:
        raise ConfigurationError(
            f"{path} has no channel known as {', '.join(missing)}: it has {data.shape[1]} channels, known are "
            f"{', '.join(known) or 'none'}. A file of your own names them in the attribute {CONTRASTS!r} of {KEY!r}."
        )
    return [known[contrast] for contrast in contrasts]


def _read(
    data: Any, channels: Sequence[int], normalize: Normalization, selection: SliceSelection, path: Path
) -> NDArray[np.float32]:
    slices, _, rows, columns = data.shape
    images = np.empty((slices, len(channels), rows, columns), dtype=np.float32)
    kept = 0
    for start in range(0, slices, AT_ONCE):
        for image in data[start : start + AT_ONCE][:, list(channels)]:
            if not np.isfinite(image).all():
                raise ConfigurationError(f"{path} has values that are not finite near slice {start}. Export it again.")
            if (image.min(axis=(1, 2)) == image.max(axis=(1, 2))).any():
                continue
            scaled = np.stack([normalize(contrast[None])[0] for contrast in image])
            if selection.showing(scaled[None])[0]:
                images[kept] = scaled
                kept += 1
    if kept == 0:
        raise ConfigurationError(f"{path}: no slice shows anything in all of its contrasts.")
    return images[:kept]
