"""The command from a patient's folder to its files: what a user gets, and what a user is told."""

import base64
import csv
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from skimage.metrics import structural_similarity

from InvertibleFusionLib import Volume
from InvertibleFusionLib.cli import main
from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.evaluation_page import About, write_page
from InvertibleFusionLib.evaluation.measuring import measure
from InvertibleFusionLib.evaluation.methods import Method
from InvertibleFusionLib.evaluation.trivial_rules import fusion_rules

Evaluate = Callable[..., int]
MakeCase = Callable[..., EvaluationCase]


@pytest.fixture
def evaluate(patient: Path, model_file: Path) -> Evaluate:
    """Runs the command on the patient; files come to ``measured`` beside the data."""

    def run(*more: str, model: str = str(model_file)) -> int:
        arguments = ["evaluate", *(["--models", model] if model else []), "--contrasts", "T1Gd", "FLAIR"]
        arguments += ["--data-folder", str(patient.parent), "--out", str(patient.parent.parent / "measured")]
        return main([*arguments, *more])

    return run


def rows_of(patient: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((patient.parent.parent / "measured" / "slices.csv").read_text().splitlines()))


class Page(HTMLParser):
    """Collects what a test wants to know of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_plain_mean_is_measured_as_scikit_image_would(
    patient: Path, evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(patient.name, "--mask", "lesion") == 0
    printed = capsys.readouterr().out
    measured = patient.parent.parent / "measured"
    assert {path.name for path in measured.iterdir()} == {"report.html", "table.md", "slices.csv"}
    assert (measured / "table.md").read_text().strip() in printed
    assert "Research use only" in printed
    rows = rows_of(patient)
    assert {row["method"] for row in rows} == {"mean", "maximum", "Laplacian pyramid", "for-tests"}
    means = [row for row in rows if row["method"] == "mean"]
    assert [row["slice"] for row in means] == ["1", "2", "3"]
    scaled = []
    for name in ("T1Gd", "FLAIR"):
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(patient / f"{name}.nii.gz"))).astype(np.float64)
        high = np.sort(array, axis=None)[int(np.ceil(0.999 * array.size)) - 1]
        scaled.append(np.clip(array / high, 0, 1))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    for row in means:
        number = int(row["slice"])
        image = (scaled[0][number] + scaled[1][number]) / 2
        expected = [
            structural_similarity(image, each[number], full=True, **options)[1][5:-5, 5:-5].mean() for each in scaled
        ]
        assert float(row["SSIM with the sources, mean"]) == pytest.approx(np.mean(expected), abs=2e-5)
        assert (row["SSIM with FLAIR, inside the lesion"] != "") == (number == 2)


def test_the_page_is_well_formed_and_whole(patient: Path, evaluate: Evaluate) -> None:
    assert evaluate(patient.name, "--mask", "lesion") == 0
    text = (patient.parent.parent / "measured" / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    pictures = [source for source in page.sources if source.startswith("data:image/png;base64,")]
    assert page.sources == pictures
    assert all(base64.b64decode(each.split(",")[1]).startswith(b"\x89PNG") for each in pictures)
    words = " ".join(page.text.split())
    for expected in (
        "How to read this",
        "Research use only",
        "The lesion, enlarged",
        "whether air is left black",
        "card of for-tests",
        "torch 2",
    ):
        assert expected in words
    command = re.search(r"invertible-fusion evaluate .*", page.text)
    assert command is not None
    assert "'some one' --models" in command[0]
    assert "--mask lesion" in command[0]
    assert "not calibrated" in words


def test_without_a_lesion_nothing_of_lesions_is_said(patient: Path, evaluate: Evaluate) -> None:
    assert evaluate(patient.name, "--metrics", "Q_MI") == 0
    text = (patient.parent.parent / "measured" / "report.html").read_text(encoding="utf-8")
    assert "lesion" not in Page(text.split("How this was made")[0]).text
    assert not any("lesion" in name for name in rows_of(patient)[0])


def test_images_of_another_method_are_measured_like_all(patient: Path, evaluate: Evaluate, tmp_path: Path) -> None:
    """A folder that holds the FLAIR itself, scaled: SSIM with FLAIR is 1."""
    flair = Volume.read(patient / "FLAIR.nii.gz")
    high = np.sort(flair.array, axis=None)[int(np.ceil(0.999 * flair.array.size)) - 1]
    folder = tmp_path / "their images"
    flair.with_array(np.clip(flair.array / high, 0, 1).astype(np.float32), name="x").write(folder / "some one.nii.gz")
    assert evaluate(patient.name, "--images", f"FLAIR & friends={folder}", "--metrics", "Q_MI", model="") == 0
    values = [float(row["SSIM with FLAIR"]) for row in rows_of(patient) if row["method"] == "FLAIR & friends"]
    assert values == pytest.approx([1] * 3, abs=1e-4)
    assert "FLAIR &amp; friends" in (patient.parent.parent / "measured" / "report.html").read_text()


def test_names_cannot_write_html(blocks: MakeCase, tmp_path: Path) -> None:
    bad = "<script>alert('1')</script>"
    strange = Method(bad, lambda given: given.sources[:1], description=bad)
    measurements = measure([*fusion_rules(), strange], [blocks(bad, 0)])
    write_page(measurements, About(bad, bad, [bad]), tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert "<script" not in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.text.count(bad) >= 6


def test_plain_files_and_a_synthesis_by_rules_alone(patient: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = patient.parent.parent / "measured"
    files = [str(patient / f"{name}.nii.gz") for name in ("T1Gd", "FLAIR")]
    arguments = ["evaluate", "--volumes", *files, "--contrasts", "T1Gd", "--targets", "FLAIR", "--out", str(out)]
    assert main([*arguments, "--mask", str(patient / "lesion.nii.gz")]) == 0
    printed = capsys.readouterr().out
    assert "copy of T1Gd" in printed
    assert "--fit-on" in printed
    assert "PSNR, inside the lesion, dB" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name the cases"),
        (["nobody"], "nobody"),
        (["some one", "--metrics", "beauty"], "no metric beauty"),
        (["some one", "--images", "nonsense"], "NAME=DIR"),
        (["some one", "--images", "theirs=nowhere"], "no folder nowhere"),
        (["some one", "--fit-on", "other"], "--fit-on is for synthesis"),
        (["some one", "--targets", "T2"], "have 0 targets"),
        (["some one", "--lpips", "weights.pth"], "LPIPS compares with a target"),
    ],
)
def test_mistakes_are_said_and_leave_nothing(
    patient: Path, evaluate: Evaluate, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(*arguments) == 1
    assert said in capsys.readouterr().err
    assert not (patient.parent.parent / "measured").exists()


def test_two_models_of_one_name_are_told_apart_by_their_files(
    patient: Path, evaluate: Evaluate, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(model_file.read_bytes())
    assert evaluate(patient.name, "--metrics", "Q_MI", "--models", str(model_file), str(other)) == 0
    assert {row["method"] for row in rows_of(patient)} >= {model_file.stem, "other"}
    assert evaluate(patient.name, "--models", str(other), str(other)) == 1
    assert "other" in capsys.readouterr().err


def test_a_synthesis_model_with_rules_fitted_on_another_patient(
    patient: Path, synthesis_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("T1Gd", "FLAIR"):
        volume = Volume.read(patient / f"{name}.nii.gz")
        volume.with_array(volume.array[:, ::-1] * 0.9).write(patient.parent / "other" / f"{name}.nii.gz")
    out = patient.parent.parent / "measured"
    model = str(synthesis_file("T1Gd", "FLAIR"))
    arguments = ["evaluate", patient.name, "--models", model, "--data-folder", str(patient.parent), "--out", str(out)]
    assert main([*arguments, "--fit-on", "other", "--mask", ""]) == 0
    methods = {row["method"] for row in rows_of(patient)}
    assert methods == {"copy of T1Gd", "linear fit", "lookup table", "tiny-t1gd-flair"}
    best = [float(row["PSNR, dB"]) for row in rows_of(patient) if row["method"] == "lookup table"]
    copied = [float(row["PSNR, dB"]) for row in rows_of(patient) if row["method"] == "copy of T1Gd"]
    assert min(best) > max(copied) + 10
    words = Page((out / "report.html").read_text(encoding="utf-8")).text
    assert "decomposition SSIM of T1Gd from the real target alone" in words
    assert "SYNTHETIC images were made by a method, not by a scanner" in " ".join(words.split())
    capsys.readouterr()
    assert main([*arguments, "--fit-on", patient.name]) == 1
    assert "fitted on some one, who cannot be measured" in capsys.readouterr().err
