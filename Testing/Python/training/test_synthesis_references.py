"""What a synthesis model's card has beside the model's figures, against fits and noise computed here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib.models.ivan import IvanConfiguration
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import (
    Augmentation,
    DataSource,
    LoadedStock,
    PatientSlices,
    SimulatedScanner,
    Simulation,
    for_reporting,
    load_patients,
)
from InvertibleFusionLib.training.synthesis_references import with_references
from InvertibleFusionLib.training.validation import Measurement
from InvertibleFusionLib.volumes.volume import Volume

LABELS, TISSUES = Path("labels.nii.gz"), Path("tissues.csv")
NOISE = 0.02
SIZE = 24
"""Rows and columns of slices, and of the crops."""
TIMES = {"T1": [500.0, 15.0], "T2": [4000.0, 90.0]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tissues in blocks of 8×8, so that T1 tells T2, beside a strip of air; the first and sixth slice are air."""
    folder = tmp_path_factory.mktemp("model")
    labels = np.random.default_rng(0).integers(1, 3, (20, 5, 5)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    labels[[0, 5]] = 0
    labels[:, :, 32:] = 0
    Volume(labels, name="labels").write(folder / LABELS)
    (folder / TISSUES).write_text("label,rho,T1_s,T2_s\n0,0,0,0\n1,1.0,4.5,2.2\n2,0.8,0.95,0.1\n")
    return folder


def source(slab: list[int], *scanners: SimulatedScanner) -> DataSource:
    simulation = Simulation(LABELS, TISSUES, [slab], list(scanners), blur=0)
    return DataSource("blocks, simulated", "none", "nobody", simulated=simulation)


def configuration(folder: Path, validation: DataSource) -> TrainingConfiguration:
    return TrainingConfiguration(
        name="tiny",
        contrasts=["T1"],
        targets=["T2"],
        training=[source([13, 19], SimulatedScanner("ours", TIMES))],
        validation=[validation],
        intended_use="For tests.",
        data_folder=folder,
        augmentation=Augmentation(crop=SIZE, gamma=2.0),
        network=IvanConfiguration((1,), (1,)),
    )


def stock(seed: int) -> LoadedStock:
    """T2 = .9 − .5 · T1² with noise, three slices."""
    return LoadedStock(1.0, [[study(seed)]])


def study(seed: int, mask: bool = False) -> PatientSlices:
    generator = np.random.default_rng(seed)
    source = generator.random((3, 1, SIZE, SIZE)).astype(np.float32)
    target = 0.9 - 0.5 * source**2 + generator.normal(0, 0.01, source.shape).astype(np.float32)
    lesion = np.zeros((3, SIZE, SIZE), bool)
    lesion[1, 8:14, 7:12] = True
    return PatientSlices("someone", np.concatenate((source, target), 1), lesion if mask else None, ("T1", "T2"))


def measured(patients: list[PatientSlices]) -> Measurement:
    rows = [
        (each.patient, number, {"synthetic T2: PSNR": 20.0}) for each in patients for number in range(len(each.images))
    ]
    return Measurement(rows, {}, "somebody")


def test_rules_fitted_on_the_training_data_stand_beside_every_slice(folder: Path) -> None:
    ours, unseen = stock(0), study(1, mask=True)
    beside = with_references(
        measured([unseen]), configuration(folder, source([0, 7], SimulatedScanner("held out", TIMES))), [ours], [unseen]
    )
    learnt = ours.patients[0][0].images
    slope, offset = np.polyfit(learnt[:, 0].ravel(), learnt[:, 1].ravel(), 1)
    for number, (patient, position, row) in enumerate(beside.rows):
        assert (patient, position, row["synthetic T2: PSNR"]) == ("someone", number, 20.0)
        error = np.mean((np.clip(slope * unseen.images[number, 0] + offset, 0, 1) - unseen.images[number, 1]) ** 2)
        assert row["T2 by the linear fit: PSNR"] == pytest.approx(-10 * np.log10(error), abs=0.05)
        # Within a cell the target hardly varies: what remains is noise of .01, 40 dB, and that of a cell's few voxels.
        assert row["T2 by the linear fit: PSNR"] + 5 < row["T2 by the lookup table: PSNR"] < 40
        inside = {name for name in row if name.endswith("inside the lesion")}
        wanted = {
            f"T2 by the {rule}: {m} inside the lesion"
            for rule in ("linear fit", "lookup table")
            for m in ("PSNR", "SSIM", "NMSE")
        }
        assert inside == (wanted if number == 1 else set())
        assert not [name for name in row if "oracle" in name]


def test_scanners_of_one_name_in_two_sources_are_told_apart(folder: Path) -> None:
    halves = [source(slab, SimulatedScanner("held out", TIMES, NOISE)) for slab in ([1, 4], [6, 7])]
    there = replace(configuration(folder, halves[0]), validation=halves)
    patients = load_patients(halves, ["T1", "T2"], folder, for_reporting)
    rows = with_references(measured(patients), there, [stock(0)], patients).rows
    assert len(rows) == 6
    assert all(row["T2 by the noise oracle: PSNR"] > -20 * np.log10(NOISE) - 1 for *_, row in rows)


def test_rules_learn_from_every_source_as_much_as_the_model_does(folder: Path) -> None:
    """Three in four crops come from a single dark slice, one from ten bright ones."""
    dark, bright = (
        LoadedStock(weight, [[PatientSlices(name, np.full((count, 2, SIZE, SIZE), value, np.float32))]])
        for weight, name, count, value in ((3.0, "dark", 1, 0.2), (1.0, "bright", 10, 0.8))
    )
    for each in (dark, bright):
        each.patients[0][0].images[:, 0] = 0.5  # the sources tell nothing
    unseen = PatientSlices("someone", np.full((1, 2, SIZE, SIZE), 0.5, np.float32), None, ("T1", "T2"))
    unseen.images[:, 1] = 0.75 * 0.2 + 0.25 * 0.8
    there = configuration(folder, source([0, 7], SimulatedScanner("held out", TIMES)))
    ((*_, row),) = with_references(measured([unseen]), there, [dark, bright], [unseen]).rows
    for rule in ("linear fit", "lookup table"):
        # Two thousand draws miss the share by .01 or so, of a distance of .6: 44 dB.
        assert row[f"T2 by the {rule}: PSNR"] > 38


def test_the_noise_oracle_of_simulated_studies_is_limited_by_noise_alone(folder: Path) -> None:
    """Two studies, and slices that show nothing left out: each slice must still meet its own mean."""
    scanners = [SimulatedScanner(name, TIMES, noise) for name, noise in (("quiet", NOISE / 4), ("loud", NOISE))]
    validation = source([0, 7], *scanners)
    patients = load_patients([validation], ["T1", "T2"], folder, for_reporting)
    assert [len(each.images) for each in patients] == [6, 6]
    beside = with_references(measured(patients), configuration(folder, validation), [stock(0)], patients)
    peaks = {"simulated quiet": [], "simulated loud": []}  # type: dict[str, list[float]]
    for patient, _, row in beside.rows:
        peaks[patient].append(row["T2 by the noise oracle: PSNR"])
        # A fifth is air, where noise has the power 2σ² about 0 and (2 − π/2)σ² about its mean; elsewhere σ² about both.
        higher = 10 * np.log10((0.8 + 0.2 * 2) / (0.8 + 0.2 * (2 - np.pi / 2)))
        free = row["T2 by the noise-free signal: PSNR"]
        assert peaks[patient][-1] - free == pytest.approx(higher, abs=0.3)
    for (_, values), sigma in zip(peaks.items(), (NOISE / 4, NOISE), strict=True):
        # Both tissues are much brighter than the noise, which is then Gaussian; the brightest are clipped at 1.
        assert np.mean(values) == pytest.approx(-20 * np.log10(sigma), abs=1.0)
