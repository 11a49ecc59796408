"""The demonstration on small grids: everything that it promises is there, twice the same, and true."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from InvertibleFusionLib import Volume
from InvertibleFusionLib.evaluation.demo import run_demo
from InvertibleFusionLib.evaluation.montage import MontageRow, axial_slice, fused_panel, source_panels
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.phantom import Patient, Tissue
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.resampling import resample

VOLUMES = ["ADC", "FLAIR", "exact-1-ADC", "exact-2-FLAIR", "fused", "latent"]
VOLUMES += ["mean-1-ADC", "mean-2-FLAIR", "spread-1-ADC", "spread-2-FLAIR"]


def small_grids(patient: Patient) -> tuple[Grid, Grid]:
    z = patient.lesion_centre[2]
    adc = Grid((61, 71, 7), (3.0, 3.0, 4.0), (-90.0, -105.0, z - 12))
    flair = Grid((80, 90, 6), (2.5, 2.5, 6.0), (-101.0, -112.0, z - 16))
    return adc, flair


def demo(model: Model, folder: Path) -> list[str]:
    stages: list[str] = []
    run_demo(model, folder, 7, stages.append, small_grids(Patient.from_seed(7)))
    return stages


@pytest.fixture(scope="module")
def made(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert len(demo(model, folder)) == 5
    return folder


def test_everything_is_there_and_nothing_else(made: Path) -> None:
    assert sorted(p.name for p in made.iterdir()) == sorted(
        [*(f"{v}.nrrd" for v in VOLUMES), "montage.png", "report.html"]
    )


def test_the_same_seed_gives_the_same_voxels(made: Path, model: Model, tmp_path: Path) -> None:
    demo(model, tmp_path)
    for name in VOLUMES:
        first, second = (Volume.read(folder / f"{name}.nrrd") for folder in (made, tmp_path))
        assert np.array_equal(first.array, second.array), name


def test_the_decomposed_adc_is_the_scanned_one(made: Path) -> None:
    adc, back = Volume.read(made / "ADC.nrrd"), Volume.read(made / "exact-1-ADC.nrrd")
    assert np.abs(adc.array - back.array).max() <= 1e-5 * np.ptp(adc.array.astype(float))
    assert back.units == adc.units == "1e-6 mm2/s"
    assert Volume.read(made / "exact-2-FLAIR.nrrd").name == "FLAIR resampled onto the grid of ADC"


@pytest.fixture(scope="module")
def rows(made: Path) -> list[MontageRow]:
    """The rows of the picture, from the files."""
    read = {name: Volume.read(made / f"{name}.nrrd") for name in VOLUMES}
    flair = resample(read["FLAIR"], read["ADC"].grid)
    return [
        MontageRow(source, read[f"exact-{n}"], read[f"mean-{n}"], read[f"spread-{n}"])
        for n, source in (("1-ADC", read["ADC"]), ("2-FLAIR", flair))
    ]


def test_every_panel_shows_what_its_caption_says_on_the_tumours_slice(made: Path, rows: list[MontageRow]) -> None:
    place = Patient.from_seed(7).lesion_centre
    fused = Volume.read(made / "fused.nrrd")
    k = round(float((place[2] - fused.origin[2]) / fused.spacing[2]))

    def is_part_of(image: np.ndarray, whole: np.ndarray) -> bool:
        """The panel is the slice, cropped: it lies somewhere in it, upright."""
        windows = np.lib.stride_tricks.sliding_window_view(whole, image.shape)
        return bool((windows == image).all(axis=(2, 3)).any())

    panel = fused_panel(rows, fused, place)
    assert is_part_of(panel.image, fused.array[k])
    assert panel.white == 1
    for row in rows:
        source, exact, mean, error, spread = source_panels(row, rows, place)
        assert is_part_of(source.image, row.source.array[k])
        assert is_part_of(exact.image, row.exact.array[k])
        assert is_part_of(mean.image, row.mean.array[k])
        np.testing.assert_allclose(error.image, np.abs(mean.image - source.image), rtol=1e-5)
        assert is_part_of(spread.image, row.spread.array[k])
        assert source.white == exact.white == mean.white
        assert error.white == spread.white
        assert error.colours == spread.colours != source.colours
        assert "exact" in exact.caption
        assert "alone" in mean.caption
        assert "error" in error.caption
        assert "spread" in spread.caption


def test_the_montage_is_drawn_bright_on_dark(made: Path) -> None:
    """The air round the head is black in every panel, the tissue is not."""
    pixels = imread(made / "montage.png")
    assert pixels.shape[1] > 1500
    black = (pixels[..., :3].max(axis=-1) < 0.02).mean()
    assert 0.1 < black < 0.6


class Page(HTMLParser):
    """Collects what a test wants to know of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_well_formed_page_that_opens_offline(made: Path) -> None:
    page = Page()
    page.feed((made / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    (picture,) = page.sources
    head, data = picture.split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == (made / "montage.png").read_bytes()
    assert "esearch use only" in page.text
    assert "simulated" in page.text


def test_the_reports_numbers_are_those_of_the_volumes(made: Path, rows: list[MontageRow]) -> None:
    text = (made / "report.html").read_text(encoding="utf-8")
    labels = Patient.from_seed(7).labels(rows[0].source.grid).array
    head, tumour = labels != Tissue.AIR, labels >= Tissue.OEDEMA
    assert 0 < tumour.sum() < head.sum()
    for row, printed in zip(rows, text.split("<tbody>")[1].split("</tr>")[:2], strict=True):
        cells = re.findall(r"<td>([^<]*)", printed)
        source = row.source.array.astype(np.float64)
        error = np.abs(row.mean.array - source)
        assert cells[0].strip().startswith(row.source.name)
        assert float(cells[1]) == pytest.approx(source[head].mean(), abs=0.51)
        assert float(cells[2]) == pytest.approx(np.abs(row.exact.array - source).max(), rel=0.06)
        assert float(cells[3]) == pytest.approx(error[head].mean(), abs=0.06)
        assert float(cells[4]) == pytest.approx(error[tumour].mean(), abs=0.06)
        assert float(cells[5]) == pytest.approx(row.spread.array[head].mean(), abs=0.06)


def test_the_fused_image_says_that_its_sources_are_simulated(made: Path) -> None:
    record = Volume.read(made / "fused.nrrd").record
    assert record is not None
    assert [source["simulated"] for source in record["sources"]] == [True, True]


@pytest.mark.parametrize("flip", [(1, 1), (-1, 1), (-1, -1)])
def test_pictures_show_the_patients_right_on_the_left(flip: tuple[int, int]) -> None:
    """A bright voxel on the patient's right and front lies upper left, whatever the direction of the array."""
    array = np.zeros((3, 11, 9), np.float32)
    direction = (flip[0], 0, 0, 0, flip[1], 0, 0, 0, 1)
    volume = Volume(array, direction=direction)
    right_front = (np.array([-3.0, -4.0, 0.0]) + volume.grid.position((4, 5, 1))) - volume.grid.position((0, 0, 0))
    i, j = (round(float(right_front[a] * flip[a])) for a in (0, 1))
    array = array.copy()
    array[1, j, i] = 1
    shown = axial_slice(Volume(array, direction=direction), tuple(volume.grid.position((4, 5, 1))))
    row, column = np.argwhere(shown == 1)[0]
    assert row < 5
    assert column < 4
