"""Patients' volumes as slices in memory, and random batches of augmented crops."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.errors import ConfigurationError, InvertibleFusionError
from InvertibleFusionLib.training.configuration import DataSource, TrainingConfiguration
from InvertibleFusionLib.volumes.grid import same_grid
from InvertibleFusionLib.volumes.intensity import IntensityScale, percentiles
from InvertibleFusionLib.volumes.reading import ENDINGS
from InvertibleFusionLib.volumes.resampling import resample
from InvertibleFusionLib.volumes.slices import SliceStack, slice_axis
from InvertibleFusionLib.volumes.suitability import require_image
from InvertibleFusionLib.volumes.volume import Volume

Normalize = Callable[[NDArray[Any]], NDArray[np.float32]]

CONTENT_LEVEL, CONTENT_SHARE = 0.05, 0.05
"""A slice is used when more than this share of its pixels exceeds this level in either contrast."""


@dataclass(frozen=True)
class PatientSlices:
    """The slices of one patient that show something.

    Attributes:
        patient: folder name.
        images: (slices, contrasts, rows, columns), float32, scaled.
    """

    patient: str
    images: NDArray[np.float32]


def with_scale(scale: IntensityScale) -> Normalize:
    """Normalization by an intensity scale, as the model will get its sources."""

    def normalize(slices: NDArray[Any]) -> NDArray[np.float32]:
        fitted = scale.fit(slices)
        return np.stack([fitted.apply(image, index).astype(np.float32) for index, image in enumerate(slices)])

    return normalize


def for_reporting(slices: NDArray[Any]) -> NDArray[np.float32]:
    """Divided by the volume's 99.9th percentile and clipped to [0, 1], so that SSIM values can be compared."""
    return np.clip(slices / percentiles(slices, (99.9,))[0], 0, 1).astype(np.float32)


def load_patients(
    sources: list[DataSource], contrasts: list[str], folder: Path, normalize: Normalize
) -> list[PatientSlices]:
    """Read all patients; every case that cannot be used is reported at once.

    Args:
        sources: which patients.
        contrasts: files to read for each patient.
        folder: that the patients' folders lie in.
        normalize: slices of one contrast (slices, rows, columns) to float32 ones of about [0, 1].

    Raises:
        ConfigurationError: naming each unusable case and why.
    """
    patients, problems = [], []
    for name in (patient for source in sources for patient in source.patients):
        try:
            patients.append(PatientSlices(name, _slices(folder / name, contrasts, normalize)))
        except InvertibleFusionError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ConfigurationError(f"{len(problems)} cases cannot be used. " + " ".join(problems))
    return patients


def shows_something(images: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of (slices, contrasts, rows, columns) have content; levels as fractions of the scale."""
    share = (images > CONTENT_LEVEL).mean(axis=(2, 3))
    return np.asarray((share > CONTENT_SHARE).any(axis=1))


def batches(patients: list[PatientSlices], configuration: TrainingConfiguration) -> Iterator[Tensor]:
    """Endless random batches (batch, contrasts, crop, crop), patients drawn evenly; the same for the same seed."""
    generator = np.random.default_rng(configuration.seed)
    while True:
        crops = [
            _crop(patients[generator.integers(len(patients))], configuration, generator)
            for _ in range(configuration.batch_size)
        ]
        yield torch.from_numpy(np.stack(crops))


def _slices(folder: Path, contrasts: list[str], normalize: Normalize) -> NDArray[np.float32]:
    volumes = [Volume.read(_file(folder, contrast)) for contrast in contrasts]
    for volume in volumes:
        require_image(volume)
    grid = volumes[0].grid
    volumes = [volume if same_grid(grid, volume.grid) else resample(volume, grid) for volume in volumes]
    stack = SliceStack(grid, slice_axis(grid, "axial"), 1)
    images = np.stack([normalize(stack.slices(volume.array)) for volume in volumes], axis=1)
    images = images[shows_something(images)]
    if len(images) == 0:
        raise ConfigurationError("no axial slice shows anything; are they the right files?")
    return images


def _file(folder: Path, contrast: str) -> Path:
    found = [folder / f"{contrast}{ending}" for ending in ENDINGS if (folder / f"{contrast}{ending}").exists()]
    if not found:
        raise ConfigurationError(f"there is no {contrast} in {folder}.")
    return found[0]


def _crop(
    patient: PatientSlices, configuration: TrainingConfiguration, generator: np.random.Generator
) -> NDArray[np.float32]:
    image = patient.images[generator.integers(len(patient.images))]
    size = configuration.crop
    short = [max(size - n, 0) for n in image.shape[1:]]
    if any(short):
        image = np.pad(image, ((0, 0), (0, short[0]), (0, short[1])))
    row, column = (int(generator.integers(n - size + 1)) for n in image.shape[1:])
    crop = np.rot90(image[:, row : row + size, column : column + size], int(generator.integers(4)), axes=(1, 2))
    if generator.random() < 0.5:
        crop = crop[:, :, ::-1]
    return _vary_grey_scale(crop, configuration, generator)


def _vary_grey_scale(
    crop: NDArray[np.float32], configuration: TrainingConfiguration, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Another gamma and gain for each contrast: scanners and sequences differ in more than the few patients show."""
    low, high = -np.ones((len(crop), 1, 1)), np.ones((len(crop), 1, 1))
    gamma = configuration.gamma ** generator.uniform(low, high)
    gain = configuration.gain ** generator.uniform(low, high)
    varied = gain * np.sign(crop) * np.abs(crop) ** gamma
    return (varied + generator.normal(0, configuration.noise, crop.shape)).astype(np.float32)
