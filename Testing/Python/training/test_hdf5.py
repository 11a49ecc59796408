"""The published .h5, made here in its layout: (slices, 4, rows, columns), T1Gd and FLAIR in channels 2 and 3."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib.errors import ConfigurationError, UnreadableFileError
from InvertibleFusionLib.training.data import DataSource, SliceSelection, for_reporting, load_patients, with_scale
from InvertibleFusionLib.training.data.hdf5 import load_h5
from InvertibleFusionLib.volumes.intensity import IntensityScale

h5py = pytest.importorskip("h5py", reason="h5py is in the training extra, which is not installed")

Write = Callable[..., Path]
PAIR = ["T1Gd", "FLAIR"]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(array: np.ndarray, key: str = "data", contrasts: list[str] | None = None) -> Path:
        path = tmp_path / "train_data.h5"
        with h5py.File(path, "w") as file:
            file[key] = array
            if contrasts:
                file[key].attrs["contrasts"] = contrasts
        return path

    return written


def published(slices: int = 150) -> np.ndarray:
    array = np.random.default_rng(0).uniform(0, 255, (slices, 4, 16, 18)).astype(np.float64)
    array *= 10.0 ** np.random.default_rng(1).integers(0, 3, (slices, 1, 1, 1))  # each slice from another scanner
    return array


def test_channels_are_scaled_slice_by_slice_as_the_authors_do(write: Write) -> None:
    array = published()
    images = load_h5(write(array), PAIR, with_scale(IntensityScale("slice-minmax")), SliceSelection())
    # inn_train.py: (x − min) / (max − min) for each slice and channel, then channels 2 and on.
    low, high = array.min(axis=(2, 3), keepdims=True), array.max(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(images, ((array - low) / (high - low))[:, 2:], atol=1e-6)
    swapped = load_h5(write(array), ["FLAIR"], with_scale(IntensityScale("slice-minmax")), SliceSelection())
    np.testing.assert_array_equal(swapped[:, 0], images[:, 1])


def test_blank_slices_are_left_out_instead_of_dividing_by_zero(write: Write) -> None:
    array = published(10)
    array[3, 2] = 0
    array[7] = 0
    source = DataSource("BraTS 2018", "its own", "its authors", h5=Path("train_data.h5"))
    folder = write(array).parent
    [patient] = load_patients([source], PAIR, folder, for_reporting)
    assert patient.images.shape == (8, 2, 16, 18)
    assert np.isfinite(patient.images).all()


def test_own_files_name_their_channels(write: Write) -> None:
    array = published(3)[:, :2]
    scale = with_scale(IntensityScale())
    images = load_h5(write(array, contrasts=["PD", "T2"]), ["T2", "PD"], scale, SliceSelection())
    unnamed = load_h5(write(array, contrasts=["T2", "PD"]), ["T2", "PD"], scale, SliceSelection())
    np.testing.assert_array_equal(images[:, 0], unnamed[:, 1])
    assert not np.array_equal(images, unnamed)
    with pytest.raises(ConfigurationError, match="no channel known as T2, PD: it has 2 channels, known are none"):
        load_h5(write(array), ["T2", "PD"], scale, SliceSelection())
    with pytest.raises(ConfigurationError, match="no channel known as T1: it has 4 channels, known are T1Gd, FLAIR"):
        load_h5(write(published(3)), ["T1"], scale, SliceSelection())


def test_other_and_damaged_files_are_refused(write: Write, tmp_path: Path) -> None:
    scale = with_scale(IntensityScale())
    array = published(4)
    with pytest.raises(ConfigurationError, match="no data set 'data', only images"):
        load_h5(write(array, key="images"), PAIR, scale, SliceSelection())
    with pytest.raises(ConfigurationError, match="shape"):
        load_h5(write(array[0]), PAIR, scale, SliceSelection())
    array[2, 3, 0, 0] = np.nan
    with pytest.raises(ConfigurationError, match="not finite"):
        load_h5(write(array), PAIR, scale, SliceSelection())
    with pytest.raises(ConfigurationError, match="shows anything"):
        load_h5(write(np.zeros((3, 4, 16, 16))), PAIR, scale, SliceSelection())
    path = write(published(4))
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(UnreadableFileError, match="HDF5"):
        load_h5(path, PAIR, scale, SliceSelection())
    with pytest.raises(UnreadableFileError, match="no file"):
        load_h5(tmp_path / "none.h5", PAIR, scale, SliceSelection())
