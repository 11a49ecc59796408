"""Voxels against the signal equations, written out here once more."""

from math import exp, log

import numpy as np
import pytest

from InvertibleFusionLib.phantom import TISSUES, Tissue, signal

SEEN = [
    Tissue.VENTRICLE,
    Tissue.GREY_MATTER,
    Tissue.WHITE_MATTER,
    Tissue.DEEP_GREY_MATTER,
    Tissue.FAT,
    Tissue.OEDEMA,
    Tissue.TUMOUR_RIM,
    Tissue.TUMOUR_CORE,
]


def expected(scan, contrast: str, tissue: Tissue) -> float:
    kind, sequence = TISSUES[tissue], scan.patient.scanner.sequences[contrast]
    t1 = kind.t1_with_gadolinium if contrast == "T1Gd" else kind.t1
    recovered = 1 - exp(-sequence.repetition_time / t1)
    if contrast == "FLAIR":
        recovered = abs(1 - 2 * exp(-sequence.inversion_time / t1) + exp(-sequence.repetition_time / t1))
    value = sequence.gain * kind.proton_density * recovered * exp(-sequence.echo_time / kind.t2)
    if contrast == "DWI":
        value *= 0 if tissue in (Tissue.FAT, Tissue.MARROW) else exp(-1000 * kind.diffusion * 1e-6)
    return value


@pytest.mark.parametrize("contrast", ["T1", "T1Gd", "T2", "PD", "FLAIR", "DWI"])
@pytest.mark.parametrize("tissue", SEEN, ids=lambda tissue: tissue.name)
def test_pure_voxels_hold_what_the_equation_says(scan, contrast, tissue):
    values = scan.values(contrast, tissue).astype(float)
    off = np.abs(values - expected(scan, contrast, tissue))
    assert np.median(off) <= 0.51  # rounding to whole numbers
    assert np.mean(off <= 1) > 0.6  # oedema and fat fade into their neighbours


@pytest.mark.parametrize(
    "tissue", [tissue for tissue in SEEN if tissue is not Tissue.FAT], ids=lambda tissue: tissue.name
)
def test_adc_is_the_diffusion_coefficient_in_its_units(scan, tissue):
    assert scan.volumes["ADC"].units == "1e-6 mm2/s"
    assert scan.median("ADC", tissue) == pytest.approx(TISSUES[tissue].diffusion, abs=1)


def test_air_is_black_without_noise(scan):
    for name, volume in scan.volumes.items():
        assert volume.array[scan.volumes["labels"].array == Tissue.AIR].mean() < 0.02 * volume.array.max(), name


def test_the_nulling_inversion_time_nulls():
    time = signal.nulling_inversion_time(4500, 9000)
    assert 1 - 2 * exp(-time / 4500) + exp(-9000 / 4500) == pytest.approx(0, abs=1e-12)


def test_inversion_recovery_keeps_its_sign_so_that_mixed_voxels_cancel():
    early = signal.inversion_recovery(np.ones(1), np.array([4000.0]), np.array([100.0]), 9000, 50, 500)
    assert early[0] < 0


def test_apparent_diffusion_inverts_the_weighting_and_leaves_dark_voxels_at_zero():
    truth = np.array([0.0, 700.0, 3000.0])
    weighted = signal.diffusion_weighted(np.full(3, 50.0), truth, 800)
    assert signal.apparent_diffusion(np.full(3, 50.0), weighted, 800) == pytest.approx(truth)
    assert signal.apparent_diffusion(np.array([50.0, 0.0]), np.array([0.0, 9.0]), 800).tolist() == [0, 0]
    assert log(2) * 1e3 == pytest.approx(signal.apparent_diffusion(np.array([2.0]), np.array([1.0]), 1000)[0])
