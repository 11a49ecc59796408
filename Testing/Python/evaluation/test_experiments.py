"""The papers' experiments: definitions that make sense, and a tiny one from data to table, stopped and gone on with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from InvertibleFusionLib.cli import main
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.cases import one_case
from InvertibleFusionLib.evaluation.experiments import catalogue, data_sets, ivan_fusion
from InvertibleFusionLib.evaluation.experiments.budget import Budget, budget_for
from InvertibleFusionLib.evaluation.experiments.catalogue import EXPERIMENTS
from InvertibleFusionLib.evaluation.experiments.comparing import (
    FUSION_SYMBOLS,
    SYNTHESIS_SYMBOLS,
    Figure,
    compared,
    figures_of,
    for_way_back,
)
from InvertibleFusionLib.evaluation.experiments.definition import Column, Experiment, Learner, Part
from InvertibleFusionLib.evaluation.experiments.learning import Circumstances, configuration_of, file_name
from InvertibleFusionLib.evaluation.measuring import measure
from InvertibleFusionLib.evaluation.methods import Method, Slice, TakenApart
from InvertibleFusionLib.evaluation.slice_measures import metrics_named
from InvertibleFusionLib.models.baselines.synthesis_baseline import SynthesisBaselineConfiguration
from InvertibleFusionLib.models.ivan import IvanConfiguration
from InvertibleFusionLib.training.data import Augmentation, require_separate_settings
from InvertibleFusionLib.volumes.volume import Volume

PSNR, NMSE = Column("PSNR", ("PSNR, dB",), digits=2), Column("NMSE", ("NMSE",), False)
TINY = Learner("iVAN", IvanConfiguration((1,), (1,), blocks=1, growth=2))
PART = Part(
    "T1 → T2",
    ("T1",),
    (PSNR, NMSE),
    (TINY, Learner("Pix2pix", SynthesisBaselineConfiguration("unet", (1,), (1,), width=2))),
    ("learnt",),
    ("measured",),
    "Made up.",
    targets=("T2",),
    published={"iVAN": {"PSNR": 39.42, "NMSE": 0.0012}, "Pix2pix": {"PSNR": 36.7}, "cycleGAN": {"PSNR": 35.7}},
    augmentation=Augmentation(crop=12, gamma=1.0, gain=1.0, noise=0.0),
)
WAY_BACK = replace(
    PART, title="T2 → T1", columns=(Column("T1", ("PSNR, dB",)),), learners=(TINY,), measured="way back", published={}
)
EXPERIMENT = Experiment("tiny", "made up", (PART, WAY_BACK), quick=2, standard=3)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_configured_and_keeps_patients_apart(name: str) -> None:
    experiment = EXPERIMENTS[name]()
    assert experiment.name == name
    shared = Circumstances(Path(), Path(), Path(), Budget("quick", 5, 2, 2), 0, 1, "cpu")
    files = []
    for part in experiment.parts:
        for learner in part.learners:
            configuration = configuration_of(part, learner, shared)
            require_separate_settings(configuration.training, configuration.validation)
            files.append(configuration.name)
        symbols = {column.symbol for column in part.columns}
        assert symbols
        assert all(set(row) <= symbols for row in part.published.values())
        assert part.data_remark
    assert len(set(files)) == len(files)
    assert experiment.quick < experiment.standard


def test_the_papers_own_method_stands_first_and_names_are_those_of_published_rows() -> None:
    for name, make in EXPERIMENTS.items():
        for part in make().parts:
            if part.measured != "way back" and name != "gan-figure6":
                assert part.learners[0].name in part.published, name


def test_the_grid_of_places_is_compared_on_slices_that_keep_their_places() -> None:
    [part] = EXPERIMENTS["gan-figure6"]().parts
    assert part.augmentation.crop >= 182  # the smaller side of what is measured
    assert part.training == ("open_ms-07",)  # the only one whose files run the way of those that are measured
    assert not part.augmentation.quarter_turns
    assert not part.augmentation.flips


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_column_is_something_that_is_measured(name: str) -> None:
    for part in EXPERIMENTS[name]().parts:
        figures = figures_of_nothing(part)
        assert set(figures) == {column.symbol for column in part.columns}, part.title


def figures_of_nothing(part: Part) -> dict[str, Figure]:
    """Of a method that makes nothing, on a slice of noise with a lesion in it."""
    fusion = part.measured == "fusion"
    count = len(part.sources if fusion else part.channels)
    images = np.random.default_rng(0).random((1, count, 32, 32), dtype=np.float32)
    lesion = np.zeros((1, 32, 32), bool)
    lesion[:, 10:20, 10:20] = True
    case = one_case("case", part.sources, images, () if fusion else part.targets, None if fusion else lesion)
    if part.measured == "way back":
        case = for_way_back(case, part)

    def taken(image: np.ndarray, given: Slice, samples: int) -> TakenApart:
        return TakenApart(given.sources, None)

    nothing = Method("nothing", lambda given: np.zeros((len(case.targets) or 1, 32, 32), np.float32), taken)
    metrics = metrics_named(FUSION_SYMBOLS if fusion else SYNTHESIS_SYMBOLS, synthesis=not fusion)
    measurements = measure([nothing], [case], metrics)
    return figures_of(measurements, part.columns)["nothing"]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two patients whose T2 is a function of their T1, and a list of data sets that names them."""
    generator = np.random.default_rng(0)
    for patient in ("one", "two"):
        tissue = generator.random((6, 4, 4)).repeat(8, 1).repeat(8, 2)[:, :31, :29]
        for contrast, image in (("T1", 1000 * tissue), ("T2", 500 * (1 - tissue) ** 2)):
            Volume(image.astype(np.float32), name=contrast).write(tmp_path / "data" / patient / f"{contrast}.nii.gz")
    terms = {"licence": "none", "attribution": "nobody"}
    listed = {
        "learnt": {"name": "first", **terms, "patients": ["one"]},
        "measured": {"name": "second", **terms, "patients": ["two"]},
    }
    (tmp_path / "list.yaml").write_text(yaml.safe_dump(listed))
    monkeypatch.setattr(data_sets, "LIST", tmp_path / "list.yaml")
    monkeypatch.setitem(catalogue.EXPERIMENTS, "tiny", lambda: EXPERIMENT)
    return tmp_path / "data"


def ran(data: Path, out: Path, budget: str = "quick") -> int:
    return main(["reproduce", "tiny", "--data-folder", str(data), "--out", str(out), "--budget", budget])


def results_in(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in out.iterdir() if file.suffix in (".md", ".csv")}


def test_an_experiment_goes_on_after_a_kill_and_the_same_seed_gives_the_same(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "whole"
    assert ran(data, out) == 0
    said = capsys.readouterr().out
    whole = results_in(out)
    assert set(whole) == {"table.md", "figures.csv", "slices-1.csv", "slices-2.csv"}
    assert (out / "tiny-1.png").stat().st_size > 1000
    table = whole["table.md"].decode()
    assert table in said
    assert "| cycleGAN (published) | – | 35.7 | – | – |" in table
    assert "(tiny-2.png)" in table
    assert "learnt for 2 of the 3 steps of the standard budget" in table
    assert "reproduce tiny --data-folder DATA --out OUT --budget quick" in table
    assert "iVAN, round trip from the full output" in table
    assert str(tmp_path) not in table

    models = out / "models"
    (models / f"{file_name('Pix2pix', PART)}.safetensors").unlink()  # killed before it was written
    kept = models / f"{file_name('iVAN', PART)}.safetensors"
    finished = kept.stat().st_mtime_ns
    (out / "table.md").unlink()
    assert ran(data, out) == 0
    assert results_in(out) == whole
    assert kept.stat().st_mtime_ns == finished
    assert ran(data, out, "3") == 1
    assert "steps was 2, is now 3" in capsys.readouterr().err


def test_the_noise_oracle_of_a_table_knows_how_bright_noise_is_in_air(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half is tissue and half is air: errors of σ² there and (2 − π/2)σ² here, not the 2σ² of the noise-free signal."""
    labels = np.zeros((12, 24, 24), np.uint8)
    labels[:, :, 12:] = 1
    Volume(labels, name="labels").write(tmp_path / "labels.nii.gz")
    (tmp_path / "tissues.csv").write_text("label,rho,T1_s,T2_s\n0,0,0,0\n1,1.0,4.5,2.2\n")
    scanner = {"name": "ours", "times": {"T1": [500.0, 15.0], "T2": [4000.0, 90.0]}, "noise": 0.02}
    model = {"labels": "labels.nii.gz", "tissues": "tissues.csv", "scanners": [scanner], "blur": 0.0}
    terms = {"licence": "none", "attribution": "nobody"}
    listed = {
        name: {"name": f"{name}, simulated", **terms, "simulated": {**model, "slabs": [slab]}}
        for name, slab in (("learnt", [0, 2]), ("measured", [8, 11]))
    }
    (tmp_path / "list.yaml").write_text(yaml.safe_dump(listed))
    monkeypatch.setattr(data_sets, "LIST", tmp_path / "list.yaml")
    shared = Circumstances(tmp_path, tmp_path, tmp_path / "cache", Budget("quick", 1, 20, 3), 0, 1, "cpu")
    _, figures = compared(replace(PART, oracle=True, published={}), {}, shared, lambda done, total: None)
    # The percentile that becomes 1 lies three standard deviations of the noise above the tissue.
    expected = -10 * np.log10((0.5 + 0.5 * (2 - np.pi / 2)) * (0.02 / 1.06) ** 2)
    assert figures["noise oracle"]["PSNR"].mean == pytest.approx(expected, abs=0.3)


def test_missing_data_and_unknown_names_are_said_before_anything_is_made(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(tmp_path / "elsewhere", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "lacks one, two" in said
    assert not (tmp_path / "out").exists()
    assert main(["reproduce", "table-9", "--data-folder", str(data), "--out", str(tmp_path / "out")]) == 1
    assert "fusioninn-table1" in capsys.readouterr().err
    for budget in ("fast", "0", "-3", "1.5"):
        with pytest.raises(ConfigurationError, match="quick, standard or a number"):
            budget_for(EXPERIMENT, budget)
    assert budget_for(EXPERIMENT, "standard").steps == 3
    assert budget_for(EXPERIMENT, "17").steps == 17


def test_fused_labels_are_made_beside_the_data_and_only_once(tmp_path: Path) -> None:
    import SimpleITK as sitk

    generator, pairs = np.random.default_rng(1), tmp_path / "data" / ivan_fusion.PAIRS
    for contrast in ("CT", "MRI"):
        (pairs / contrast).mkdir(parents=True)
        for name in ("1001", "1002"):
            grey = generator.integers(0, 255, (24, 20), dtype=np.uint8)
            sitk.WriteImage(sitk.GetImageFromArray(grey), str(pairs / contrast / f"{name}.png"))
    folder = ivan_fusion.with_labels(tmp_path / "data", tmp_path / "prepared")
    label = folder / ivan_fusion.PAIRS / "fused" / "1001.png"
    made = label.stat().st_mtime_ns
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(label))).shape == (24, 20)
    assert ivan_fusion.with_labels(tmp_path / "data", tmp_path / "prepared") == folder
    assert label.stat().st_mtime_ns == made
    assert sorted(path.name for path in pairs.iterdir()) == ["CT", "MRI"]
