"""Noise, coil and seeds."""

import os
import subprocess
import sys
from math import exp, pi, sqrt

import numpy as np
import pytest

from InvertibleFusionLib.phantom import Patient, Tissue, artefacts
from InvertibleFusionLib.volumes.grid import Grid

SLAB = Grid((96, 110, 2), (2.0, 2.0, 3.0), (-95.0, -109.0, 18.0))


def test_noise_without_signal_has_the_rayleigh_mean():
    noise = artefacts.rician(np.zeros((50, 60, 70), np.float32), 3.0, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(3 * sqrt(pi / 2), rel=0.01)
    assert noise.std() == pytest.approx(3 * sqrt(2 - pi / 2), rel=0.01)


def test_the_air_in_a_scan_has_it_too(patient):
    volumes = patient.acquire_all(["PD"], SLAB, noise=0.1, bias_field=0, labels=True)
    clean = patient.acquire("PD", SLAB, noise=0, bias_field=0).array
    sigma = 0.1 * patient.scanner.sequences["PD"].brightness()[Tissue.WHITE_MATTER]
    air = volumes["PD"].array[(volumes["labels"].array == Tissue.AIR) & (clean == 0)]
    assert air.mean() == pytest.approx(sigma * sqrt(pi / 2), rel=0.03)


def test_strong_signal_keeps_its_mean():
    noisy = artefacts.rician(np.full((40, 40, 40), 1000, np.float32), 20.0, np.random.default_rng(1))
    assert noisy.mean() == pytest.approx(sqrt(1000**2 + 20**2), rel=1e-3)
    assert noisy.std() == pytest.approx(20, rel=0.02)


def test_the_coil_brightens_within_its_bounds_and_spares_the_adc_map(patient):
    even = patient.acquire_all(["T1", "ADC"], SLAB, noise=0, bias_field=0)
    uneven = patient.acquire_all(["T1", "ADC"], SLAB, noise=0, bias_field=0.3)
    bright = even["T1"].array > 200
    ratio = uneven["T1"].array[bright] / even["T1"].array[bright]
    assert ratio.min() > exp(-0.3) - 0.01
    assert ratio.max() < exp(0.3) + 0.01
    assert ratio.max() / ratio.min() > 1.1
    seen = (even["ADC"].array > 0) & (uneven["ADC"].array > 0)
    assert np.abs(even["ADC"].array[seen].astype(int) - uneven["ADC"].array[seen].astype(int)).max() <= 1


def test_pet_noise_grows_with_uptake(patient):
    clean, noisy = (patient.acquire("PET", SLAB, noise=share).array for share in (0.0, 0.1))
    off = noisy - clean
    hot, cold = clean > 5, (clean > 0.3) & (clean < 1.5)
    assert off[hot].std() > 1.5 * off[cold].std() > 0


FINGERPRINT = """
import hashlib
from InvertibleFusionLib.phantom import Patient
from InvertibleFusionLib.volumes.grid import Grid
grid = Grid((120, 140, 2), (1.6, 1.6, 3.0), (-95.0, -109.0, 18.0))
volumes = Patient.from_seed(5).acquire_all(["FLAIR", "ADC", "PET"], grid, labels=True)
print(hashlib.sha256(b"".join(volume.array.tobytes() for volume in volumes.values())).hexdigest())
"""


def test_the_same_seed_gives_the_same_voxels_on_any_number_of_cores():
    prints = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        run = subprocess.run([sys.executable, "-c", FINGERPRINT], env=environment, capture_output=True, check=True)
        prints.add(run.stdout)
    assert len(prints) == 1


def test_a_contrast_does_not_depend_on_what_else_is_scanned(patient):
    together = patient.acquire_all(["T1", "DWI", "ADC", "PET", "T2"], SLAB, labels=True)
    for name in ("ADC", "DWI", "T2", "PET"):
        assert np.array_equal(patient.acquire(name, SLAB).array, together[name].array), name
    assert np.array_equal(patient.labels(SLAB).array, together["labels"].array)


def test_other_seeds_give_other_patients():
    first, second = Patient.from_seed(1), Patient.from_seed(2)
    assert first == Patient.from_seed(1)
    assert first.head != second.head
    assert first.lesion_centre != second.lesion_centre
    assert first.scanner != second.scanner
    assert not np.array_equal(first.labels(SLAB).array, second.labels(SLAB).array)


def test_noise_differs_between_contrasts(patient):
    air = patient.labels(SLAB).array == Tissue.AIR
    volumes = patient.acquire_all(["T1", "T2"], SLAB, noise=0.1)
    assert abs(np.corrcoef(volumes["T1"].array[air], volumes["T2"].array[air])[0, 1]) < 0.1
