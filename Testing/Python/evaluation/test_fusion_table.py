import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from skimage.metrics import structural_similarity as scikit_image

from InvertibleFusionLib import Volume
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.evaluation.curves_figure import draw_curves

SLICES = 3


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A patient of blobs with a lesion on one slice; FLAIR has more rows than T1Gd, on the same field of view."""
    generator = np.random.default_rng(0)
    tissue = generator.random((SLICES, 5, 5)).repeat(7, 1).repeat(7, 2)[:, :31, :29].astype(np.float32)
    lesion = np.zeros(tissue.shape, np.uint8)
    lesion[1, 10:18, 10:18] = 1
    for name, array in (("T1Gd", 1000 * tissue), ("FLAIR", 500 * (1 - tissue) ** 2), ("lesion", lesion)):
        Volume(array, name=name).write(tmp_path / "someone" / f"{name}.nii.gz")
    return tmp_path / "someone"


def evaluate(case: Path, model_file: Path, *more: str) -> int:
    arguments = ["evaluate", case.name, "--models", str(model_file), "--data-folder", str(case.parent)]
    return main([*arguments, "--contrasts", "T1Gd", "FLAIR", "--out", str(case.parent / "measured"), *more])


def test_the_plain_mean_is_measured_as_scikit_image_would(
    case: Path, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(case, model_file, "--mask", "lesion") == 0
    printed = capsys.readouterr().out
    assert "Research use only" in printed
    measured = case.parent / "measured"
    assert printed.strip() == (measured / "table.md").read_text().strip()
    (table,) = measured.glob("*.csv")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == SLICES
    scaled = []
    for name in ("T1Gd", "FLAIR"):
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(case / f"{name}.nii.gz"))).astype(np.float64)
        high = np.sort(array, axis=None)[int(np.ceil(0.999 * array.size)) - 1]
        scaled.append(np.clip(array / high, 0, 1))
    for number, row in enumerate(rows):
        mean = (scaled[0][number] + scaled[1][number]) / 2
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
        expected = [scikit_image(mean, each[number], full=True, **options)[1][5:-5, 5:-5].mean() for each in scaled]
        assert float(row["mean of the sources: fusion SSIM, mean of both sources"]) == pytest.approx(
            np.mean(expected), abs=2e-5
        )
        has_lesion = row["decomposition SSIM of FLAIR from the image alone, inside the lesion"] != ""
        assert has_lesion == (number == 1)


def test_pictures_show_something(case: Path, model_file: Path) -> None:
    assert evaluate(case, model_file) == 0
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(case.parent / "measured" / "calibration.png")))
    assert image.shape[1] > image.shape[0] > 300
    assert (image[..., :3] < 100).any(axis=-1).mean() > 0.001


def test_a_case_that_cannot_be_used_leaves_nothing(
    case: Path, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (case / "FLAIR.nii.gz").unlink()
    assert evaluate(case, model_file) == 1
    assert "FLAIR" in capsys.readouterr().err
    assert not (case.parent / "measured").exists()


def test_two_models_of_one_name_are_told_apart_by_their_files(case: Path, model_file: Path) -> None:
    other = case.parent / "other.safetensors"
    other.write_bytes(model_file.read_bytes())
    arguments = ["evaluate", case.name, "--data-folder", str(case.parent), "--contrasts", "T1Gd", "FLAIR"]
    assert main([*arguments, "--models", str(model_file), str(other), "--out", str(case.parent / "measured")]) == 0
    assert {path.stem for path in (case.parent / "measured").glob("*.csv")} == {model_file.stem, "other"}


def test_the_same_file_twice_is_refused(case: Path, model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(case, model_file, "--models", str(model_file), str(model_file)) == 1
    assert model_file.stem in capsys.readouterr().err


def test_a_short_run_has_curves_too(tmp_path: Path) -> None:
    lines = [f"{step},loss/fusion,{1 / step}" for step in (1, 20, 40)]
    (tmp_path / "curves.csv").write_text("step,name,value\n" + "\n".join(lines) + "\n")
    draw_curves(tmp_path / "curves.csv", "a model", tmp_path / "curves.png")
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "curves.png"))).astype(int)
    assert ((image[..., 2] - image[..., 0]) > 60)[:, : image.shape[1] // 2].sum() > 50


def test_curves_are_drawn_from_what_a_run_wrote(tmp_path: Path) -> None:
    lines = [f"{step},loss/fusion,{1 / step}\n{step},loss/total,{2 / step}" for step in range(1, 60)]
    (tmp_path / "curves.csv").write_text("step,name,value\n" + "\n".join(lines) + "\n50,validation/fusion SSIM,0.9\n")
    draw_curves(tmp_path / "curves.csv", "a model", tmp_path / "curves.png")
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "curves.png")))
    blue = (image[..., 2].astype(int) - image[..., 0]) > 60  # matplotlib's first line colour
    assert blue[:, : image.shape[1] // 2].sum() > 100
