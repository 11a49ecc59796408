"""Scans simulated of a discrete model, against signals computed here from the tissues' physics."""

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError, InvertibleFusionError
from InvertibleFusionLib.metrics.reference_quality import peak_signal_to_noise_ratio
from InvertibleFusionLib.training.data import (
    DataSource,
    SimulatedScanner,
    Simulation,
    SliceSelection,
    for_reporting,
    load_patients,
    require_separate_patients,
    simulated_target,
    with_scale,
)
from InvertibleFusionLib.training.data.discrete_model import DiscreteModel, mean_magnitude, simulate
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.intensity import IntensityScale
from InvertibleFusionLib.volumes.volume import Volume

LABELS, TISSUES = Path("model/labels.nii.gz"), Path("model/tissues.csv")
FLUID, GREY = (1.0, 4.5, 2.2), (0.8, 0.95, 0.1)
TIMES = {"T1": [500.0, 15.0], "T2": [4000.0, 90.0]}
QUIET = SimulatedScanner("quiet", TIMES, noise=0)
NOISY = SimulatedScanner("noisy", TIMES, noise=0.02)
SIMULATION = Simulation(LABELS, TISSUES, [[1, 4], [10, 11]], [QUIET, NOISY])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box of grey matter with fluid inside, twelve slices of 2 mm along the file's second axis."""
    folder = tmp_path_factory.mktemp("data")
    labels = np.zeros((24, 12, 20), np.uint8)
    labels[3:21, :, 2:18] = 2
    labels[8:16, :, 6:14] = 1
    # Voxel axes i, j, k run along the patient's left, up and back.
    grid = Grid((20, 12, 24), (1.0, 2.0, 1.0), (0, 0, 0), (1, 0, 0, 0, 0, 1, 0, 1, 0))
    Volume.on_grid(labels, grid, name="labels").write(folder / LABELS)
    rows = [("label", "tissue", "rho", "T1_s", "T2_s"), (0, "air", 0, 0, 0)]
    rows += [(1, "fluid", *FLUID), (2, "grey", *GREY)]
    with (folder / TISSUES).open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder


def by_hand(tissue: tuple[float, float, float], repetition_time: float, echo_time: float) -> float:
    rho, t1, t2 = tissue
    return rho * (1 - math.exp(-repetition_time / 1000 / t1)) * math.exp(-echo_time / 1000 / t2)


def source(**changed: Any) -> DataSource:
    return DataSource("box, simulated", "none", "nobody", simulated=replace(SIMULATION, **changed))


def identity(slices: np.ndarray) -> np.ndarray:
    return slices


identity.description = "as they are"  # type: ignore[attr-defined]


def test_each_tissue_is_as_bright_as_the_spin_echo_equation_says(folder: Path) -> None:
    sharp = replace(SIMULATION, blur=0)
    study = simulate(sharp, QUIET, ["T2", "T1"], folder, identity, SliceSelection(content_level=0))  # type: ignore[arg-type]
    assert study.patient == "simulated quiet"
    assert study.images.shape == (6, 2, 24, 20)
    for channel, (repetition_time, echo_time) in enumerate(([4000, 90], [500, 15])):
        image = study.images[3, channel]
        assert image[12, 10] == pytest.approx(by_hand(FLUID, repetition_time, echo_time), rel=1e-6)
        assert image[5, 4] == pytest.approx(by_hand(GREY, repetition_time, echo_time), rel=1e-6)
        assert image[0, 0] == 0
    # Long echoes show fluid bright and grey matter dark, short repetitions the other way round.
    assert study.images[0, 0, 12, 10] > study.images[0, 0, 5, 4]
    assert study.images[0, 1, 12, 10] < study.images[0, 1, 5, 4]


def test_partial_volume_mixes_half_and_half_at_an_edge_and_keeps_what_is_inside(folder: Path) -> None:
    model = DiscreteModel.read(SIMULATION, folder)
    assert model.spacing == (2.0, 1.0, 1.0)
    image = model.noise_free(TIMES["T2"], blur=1.5)[5]
    fluid, grey = by_hand(FLUID, *TIMES["T2"]), by_hand(GREY, *TIMES["T2"])
    assert image[12, 10] == pytest.approx(fluid, rel=1e-3)
    assert image[12, 3] == pytest.approx(grey, rel=0.05)
    assert (image[12, 5] + image[12, 6]) / 2 == pytest.approx((fluid + grey) / 2, rel=0.02)
    assert grey < image[12, 5] < image[12, 6] < fluid


def test_slabs_of_one_scan_are_on_one_scale_whatever_they_show(folder: Path) -> None:
    """A slab of grey matter alone is not as bright as one with fluid: no source tells that of the target."""
    whole = Volume.read(folder / LABELS)
    labels = whole.array.copy()
    labels[:, 6:][labels[:, 6:] == 1] = 2
    uneven = Path("uneven.nii.gz")
    Volume.on_grid(labels, whole.grid, name="labels").write(folder / uneven)
    fluid, grey = (
        simulate(
            replace(SIMULATION, labels=uneven, slabs=[slab]),
            QUIET,
            ["T2"],
            folder,
            for_reporting,
            SliceSelection(content_level=0),
        ).images[0, 0]
        for slab in ([2, 2], [9, 9])
    )
    assert grey[5, 4] == pytest.approx(fluid[5, 4], rel=1e-4)
    assert grey.max() < 0.8 * fluid.max()


def test_noise_is_rician_and_of_the_size_that_was_asked_for(folder: Path) -> None:
    study = simulate(SIMULATION, NOISY, ["T2"], folder, identity, SliceSelection(content_level=0))  # type: ignore[arg-type]
    sigma = 0.02 * by_hand(FLUID, *TIMES["T2"])
    air, inside = study.images[:, 0, :2], study.images[:, 0, 10:14, 8:12]
    assert float(air.mean()) == pytest.approx(sigma * math.sqrt(math.pi / 2), rel=0.1)
    assert float(inside.std()) == pytest.approx(sigma, rel=0.2)


def test_noise_belongs_to_seed_scanner_and_contrast_alone(folder: Path) -> None:
    def t2(seed: int = 0, contrasts: tuple[str, ...] = ("T2",), name: str = "noisy") -> np.ndarray:
        simulation, scanner = replace(SIMULATION, seed=seed), replace(NOISY, name=name)
        images = simulate(simulation, scanner, contrasts, folder, for_reporting, SliceSelection()).images
        return images[:, contrasts.index("T2")]

    np.testing.assert_array_equal(t2(), t2(contrasts=("T1", "T2")))
    assert not np.array_equal(t2(), t2(seed=1))
    assert not np.array_equal(t2(), t2(name="another"))


def test_the_mean_of_rician_noise_is_that_of_many_draws() -> None:
    signal, sigma = np.array([0.0, 0.01, 0.02, 0.05, 1.0], np.float32), 0.02
    generator = np.random.default_rng(0)
    channels = sigma * generator.standard_normal((2, 400_000, 1))
    drawn = np.hypot(signal + channels[0], channels[1]).mean(axis=0)
    np.testing.assert_allclose(mean_magnitude(signal, sigma), drawn, atol=4 * sigma / math.sqrt(400_000))
    np.testing.assert_array_equal(mean_magnitude(signal, 0.0), signal)


def test_a_target_without_its_noise_lies_on_the_noisy_ones_scale(folder: Path) -> None:
    noisy, mean, free = simulated_target(SIMULATION, NOISY, "T2", folder, for_reporting)
    [_, study] = load_patients([source()], ["T1", "T2"], folder, for_reporting)
    np.testing.assert_array_equal(noisy, study.images[:, 1])
    # Noise of 2 % of the brightest tissue, which lands near 1; in air the magnitude varies less than its channels do.
    assert 20 * math.log10(1 / 0.02) < peak_signal_to_noise_ratio(mean, noisy) < 40
    assert peak_signal_to_noise_ratio(free, noisy) < peak_signal_to_noise_ratio(mean, noisy)
    air = np.s_[:, :2]  # 240 voxels, whose mean is sure to 3.4 %
    assert float(mean[air].mean()) == pytest.approx(float(noisy[air].mean()), rel=0.1)
    assert float(free[:, 0].max()) == 0  # farther from tissue than the blur reaches
    received, *without = simulated_target(SIMULATION, QUIET, "T2", folder, for_reporting)
    assert all(np.array_equal(each, received) for each in without)


def test_scanners_are_studies_of_one_anatomy_and_come_from_the_cache_again(folder: Path, tmp_path: Path) -> None:
    arguments = ([source()], ["T1", "T2"], folder, with_scale(IntensityScale()))
    first = load_patients(*arguments, cache=tmp_path)
    again = load_patients(*arguments, cache=tmp_path)
    assert [study.patient for study in first] == ["simulated quiet", "simulated noisy"]
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.images, two.images)
    assert len(list(tmp_path.glob("*.images.npy"))) == 2
    load_patients([source(blur=2.0)], *arguments[1:], cache=tmp_path)
    assert len(list(tmp_path.glob("*.images.npy"))) == 4


@pytest.mark.parametrize("slab", [[5, 9], [3, 3], [9, 9], [0, 11], [16, 20]], ids=str)
def test_one_anatomy_on_both_sides_needs_slabs_that_lie_apart(slab: list[int], folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the same anatomy.*Leave at least 5 slices"):
        require_separate_patients([source()], [source(slabs=[slab])], ["T1"], folder)


def test_slabs_with_a_gap_and_other_anatomies_may_stand_on_both_sides(folder: Path) -> None:
    require_separate_patients([source()], [source(slabs=[[17, 20]])], ["T1"], folder)
    require_separate_patients([source()], [source(labels=Path("other/labels.nii.gz"))], ["T1"], folder)
    (folder / "linked").symlink_to(folder / "model")
    with pytest.raises(ConfigurationError, match="the same anatomy"):
        require_separate_patients([source()], [source(labels=Path("linked/labels.nii.gz"))], ["T1"], folder)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: source(slabs=[[4, 1]]), "first and its last slice"),
        (lambda: source(slabs=[[0, 4], [4, 6]]), "overlap"),
        (lambda: source(slabs=[]), "at least one slab"),
        (lambda: source(scanners=[QUIET, QUIET]), "one name"),
        (lambda: source(blur=9), "blur"),
        (lambda: source(seed=-1), "seed"),
        (lambda: SimulatedScanner("odd", {"T1": [500.0]}), "repetition and an echo time"),
        (lambda: SimulatedScanner("loud", TIMES, noise=1.0), "share of"),
        (lambda: replace(source(), name="box"), "does not say so"),
        (lambda: replace(source(), phantoms=3), "exactly one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make()


@pytest.mark.parametrize(
    ("changed", "contrasts", "says"),
    [
        ({}, ["T1", "FLAIR"], "makes T1, T2, no FLAIR"),
        ({"slabs": [[4, 12]]}, ["T1"], "slices 0 to 11, no 12"),
        ({"tissues": Path("none.csv")}, ["T1"], "cannot be read"),
        ({"labels": Path("none.nii.gz")}, ["T1"], "none.nii.gz"),
    ],
    ids=str,
)
def test_what_cannot_be_simulated_is_said(
    changed: dict[str, Any], contrasts: list[str], says: str, folder: Path
) -> None:
    with pytest.raises(InvertibleFusionError, match=says):
        load_patients([source(**changed)], contrasts, folder, for_reporting)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("label,rho\n1,1\n", "columns label, rho, T1_s, T2_s"),
        ("label,rho,T1_s,T2_s\n0,0,0,0\n1,1,1,1\n", r"no tissue for the labels \[2\]"),
        ("label,rho,T1_s,T2_s\n0,0,0,0\n1,1,0,1\n2,1,1,1\n", r"sound numbers for the labels \[1\]"),
    ],
)
def test_tables_that_do_not_fit_are_refused(table: str, says: str, folder: Path) -> None:
    (folder / "wrong.csv").write_text(table)
    with pytest.raises(ConfigurationError, match=says):
        DiscreteModel.read(replace(SIMULATION, tissues=Path("wrong.csv")), folder)


def test_the_command_learns_from_a_simulation_and_its_card_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from InvertibleFusionLib.models.card_file import read_card

    scanner = {"name": "one", "times": TIMES}
    simulated = {"labels": LABELS.as_posix(), "tissues": TISSUES.as_posix(), "slabs": [[0, 3]], "scanners": [scanner]}
    terms = {"licence": "none", "attribution": "nobody"}
    described = {
        "name": "tiny",
        "contrasts": ["T1"],
        "targets": ["T2"],
        "intended_use": "For tests. Research use only.",
        "network": {"inputs": [1], "outputs": [1], "blocks": 1, "growth": 2},
        "training": [{"name": "box, simulated", **terms, "simulated": simulated}],
        "validation": [{"name": "box, simulated", **terms, "simulated": {**simulated, "slabs": [[9, 11]]}}],
        "augmentation": {"crop": 12},
        "steps": 1,
        "batch_size": 1,
        "threads": 1,
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(described))
    out = tmp_path / "tiny.safetensors"
    arguments = ["train", str(tmp_path / "tiny.yaml"), "--data_folder", str(folder), "--out", str(out)]
    assert main(arguments) == 0
    assert "simulated one: 3 axial slices" in capsys.readouterr().out
    [learnt] = read_card(out).training["data"]
    assert learnt["simulated"]["scanners"][0]["times"] == TIMES
    assert learnt["simulated"]["labels"] == LABELS.as_posix()
    described["validation"] = described["training"]
    (tmp_path / "leaks.yaml").write_text(yaml.safe_dump(described))
    assert main(["train", str(tmp_path / "leaks.yaml"), "--data_folder", str(folder), "--dry-run"]) == 1
    assert "the same anatomy" in capsys.readouterr().err
