"""Cases for the evaluation: a patient on disk, and slices in memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib import Volume
from InvertibleFusionLib.evaluation.cases import EvaluationCase, one_case

SLICES = 5


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """A folder with T1Gd, FLAIR (more rows, same place) and a lesion on slice 2; slices 0 and 4 are air."""
    generator = np.random.default_rng(0)
    tissue = generator.random((SLICES, 5, 5)).repeat(7, 1).repeat(7, 2)[:, :31, :29].astype(np.float32)
    tissue[[0, -1]] = 0
    bright = np.where(tissue > 0, (1 - tissue) ** 2, 0).astype(np.float32)
    lesion = np.zeros(tissue.shape, np.uint8)
    lesion[2, 10:18, 10:18] = 1
    folder = tmp_path / "data" / "some one"
    for name, array in (("T1Gd", 1000 * tissue), ("FLAIR", 500 * bright), ("lesion", lesion)):
        Volume(array, name=name).write(folder / f"{name}.nii.gz")
    return folder


MakeCase = Callable[..., EvaluationCase]


@pytest.fixture(scope="session")
def blocks() -> MakeCase:
    """Makes slices of blocks: the second contrast is a function of the first, the last slice has a lesion."""

    def make(name: str, seed: int, slices: int = 3, targets: tuple[str, ...] = ()) -> EvaluationCase:
        tissue = np.random.default_rng(seed).random((slices, 4, 4)).repeat(6, 1).repeat(6, 2).astype(np.float32)
        lesion = np.zeros(tissue.shape, np.bool_)
        lesion[-1, 8:16, 8:16] = True
        images = np.stack((tissue, 0.2 + 0.5 * tissue**2), axis=1)
        sources = ("T1", "T2")[: 2 - len(targets)]
        return one_case(name, sources, images, targets, lesion)

    return make


@pytest.fixture(scope="session")
def case(blocks: MakeCase) -> EvaluationCase:
    """Three slices of two sources in memory, with a lesion on the last."""
    return blocks("someone", 0)
