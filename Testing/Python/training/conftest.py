"""Patients on disk for the tests of training data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.volume import Volume

WritePatient = Callable[..., Path]


@pytest.fixture
def write_patient(tmp_path: Path) -> WritePatient:
    """Writes a folder of volumes whose brightness grows along x, so that geometry can be told from voxels."""

    def write(
        name: str,
        contrasts: tuple[str, ...] = ("T1Gd", "FLAIR"),
        size: tuple[int, int, int] = (21, 25, 6),
        spacing: tuple[float, float, float] = (2.0, 2.0, 4.0),
        origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
        lesion_slices: tuple[int, ...] | None = None,
    ) -> Path:
        grid = Grid(size, spacing, origin)
        generator = np.random.default_rng(sum(map(ord, name)))
        x = origin[0] + spacing[0] * np.arange(size[0])
        for number, contrast in enumerate(contrasts, 1):
            array = 100.0 * number + x + generator.random((size[2], size[1], size[0]))
            Volume.on_grid(array.astype(np.float32), grid, name=contrast).write(tmp_path / name / f"{contrast}.nii.gz")
        if lesion_slices is not None:
            mask = np.zeros((size[2], size[1], size[0]), np.uint8)
            for k in lesion_slices:
                mask[k, 3:6, 4:8] = 2
            Volume.on_grid(mask, grid, name="lesion").write(tmp_path / name / "lesion.nii.gz")
        return tmp_path / name

    return write
