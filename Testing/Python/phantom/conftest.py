"""One patient, scanned once without noise on a slab through tumour and ventricles."""

from dataclasses import dataclass

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib.phantom import CONTRASTS, Patient, Tissue
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.volume import Volume


@dataclass(frozen=True)
class Scan:
    patient: Patient
    volumes: dict[str, Volume]
    inner: np.ndarray  # labels, 0 at the borders between tissues

    def values(self, contrast: str, tissue: Tissue) -> np.ndarray:
        """Voxels well inside a tissue."""
        found = self.volumes[contrast].array[self.inner == tissue]
        assert found.size >= 10, f"{tissue.name} has too few voxels to look at: {found.size}"
        return found

    def median(self, contrast: str, tissue: Tissue) -> float:
        return float(np.median(self.values(contrast, tissue)))


def away_from_borders(labels: np.ndarray) -> np.ndarray:
    inner = np.zeros_like(labels)
    for value in np.unique(labels):
        mask = sitk.GetImageFromArray((labels == value).astype(np.uint8))
        inner[sitk.GetArrayFromImage(sitk.BinaryErode(mask, (1, 1, 1), sitk.sitkBox)) == 1] = value
    return inner


@pytest.fixture(scope="session")
def patient() -> Patient:
    return Patient.from_seed(107)


@pytest.fixture(scope="session")
def scan(patient: Patient) -> Scan:
    grid = Grid((190, 230, 22), (1.0, 1.0, 1.0), (-94.5, -114.5, patient.lesion_centre[2] - 14))
    volumes = patient.acquire_all(CONTRASTS, grid, noise=0, bias_field=0, labels=True)
    return Scan(patient, volumes, away_from_borders(volumes["labels"].array))
