"""Patients on disk for the tests of training data, and a training run that takes seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from InvertibleFusionLib.models.fusioninn import FusionINNConfiguration
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import Augmentation, DataSource, SliceSelection
from InvertibleFusionLib.training.schedule import Schedule
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.volume import Volume

WritePatient = Callable[..., Path]
WriteYaml = Callable[..., Path]


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


@pytest.fixture(scope="session")
def blocky_patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients of random blocks, odd-sized, the first slice blank; the third has a lesion in slices 2 and 3."""
    folder = tmp_path_factory.mktemp("patients")
    generator = np.random.default_rng(0)
    for patient in ("one", "two", "three"):
        tissue = generator.random((6, 4, 4)).repeat(8, 1).repeat(8, 2)[:, :31, :29]
        for contrast, image in (("T1Gd", 1000 * tissue), ("FLAIR", 500 * (1 - tissue) ** 2)):
            image[0] = 0
            Volume(image.astype(np.float32), name=contrast).write(folder / patient / f"{contrast}.nii.gz")
    lesion = np.zeros((6, 31, 29), np.uint8)
    lesion[2:4, 12:18, 10:16] = 1
    Volume(lesion, name="lesion").write(folder / "three" / "lesion.nii.gz")
    return folder


@pytest.fixture
def configuration(blocky_patients: Path) -> TrainingConfiguration:
    """Twelve steps of a tiny network on three slices of the first two of them, measured on three of the third."""
    return TrainingConfiguration(
        name="tiny",
        contrasts=["T1Gd", "FLAIR"],
        training=[DataSource("made up", "none needed", "nobody", ["one", "two"])],
        validation=[DataSource("made up", "none needed", "nobody", ["three"], mask="lesion")],
        intended_use="For tests. Research use only.",
        data_folder=blocky_patients,
        selection=SliceSelection(middle=3),
        network=FusionINNConfiguration(blocks=2, hidden=4, hidden_squeezed=4),
        augmentation=Augmentation(crop=12),
        schedule=Schedule(warmup_steps=2),
        steps=12,
        batch_size=2,
        validate_every=6,
        validation_slices=2,
        checkpoint_every=5,
        accelerator="cpu",
        threads=1,
    )


@pytest.fixture
def write_yaml(tmp_path: Path) -> WriteYaml:
    """Writes a configuration, or the same with other settings, as the YAML that the command reads."""

    def write(configuration: TrainingConfiguration, name: str = "tiny.yaml", **changed: Any) -> Path:
        settings = {key: value for key, value in configuration.to_json().items() if value is not None}
        (tmp_path / name).write_text(yaml.safe_dump(settings | changed))
        return tmp_path / name

    return write
