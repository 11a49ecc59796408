"""PNG folders in the Harvard layout, written by Pillow."""

from pathlib import Path

import numpy as np
import pytest

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data import DataSource, SliceSelection, for_reporting, load_patients
from InvertibleFusionLib.training.data.png_pairs import case_of, files_of_cases, load_pngs, read_png

Image = pytest.importorskip("PIL.Image", reason="Pillow writes these tests' PNG files")


def write(path: Path, seed: int, shape: tuple[int, ...] = (20, 24)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def harvard(tmp_path: Path) -> Path:
    for number, name in enumerate(("2004", "2005", "16003", "16004", "16005")):
        write(tmp_path / "CT-MRI" / "CT" / f"{name}.png", number)
        write(tmp_path / "CT-MRI" / "MRI" / f"{name}.png", 100 + number)
    return tmp_path / "CT-MRI"


@pytest.mark.parametrize(
    ("name", "case"),
    [("16003", "16"), ("2004", "2"), ("004", "1"), ("patient7_012", "patient7"), ("a-b-3", "a-b"), ("x", "x")],
)
def test_names_tell_the_case(name: str, case: str) -> None:
    assert case_of(name) == case


def test_pairs_are_grouped_by_case_and_divided_by_255(harvard: Path) -> None:
    source = DataSource("AANLIB", "none stated", "Harvard", png=Path("CT-MRI"))
    patients = load_patients([source], ["MRI", "CT"], harvard.parent, for_reporting)
    assert [(patient.patient, len(patient.images)) for patient in patients] == [("CT-MRI/2", 2), ("CT-MRI/16", 3)]
    expected = np.asarray(Image.open(harvard / "MRI" / "16004.png")) / 255
    np.testing.assert_allclose(patients[1].images[1, 0], expected, atol=1e-6)
    chosen = DataSource("AANLIB", "none stated", "Harvard", png=Path("CT-MRI"), cases=["16"])
    [only] = load_patients([chosen], ["CT", "MRI"], harvard.parent, for_reporting)
    assert only.patient == "CT-MRI/16"
    assert sorted(files_of_cases(harvard, ["CT", "MRI"])) == ["16", "2"]


def test_colour_gives_luminance_or_the_asked_channel(tmp_path: Path) -> None:
    folder = tmp_path / "PET-MRI"
    pixels = write(folder / "PET" / "41022.png", 1, (20, 24, 3)) / 255
    write(folder / "MRI" / "41022.png", 2)
    contrasts = ["MRI", "PET-B", "PET", "PET-R", "PET-G"]
    images = load_pngs(folder, contrasts, SliceSelection())["41"].images[0]
    for number, channel in ((3, 0), (4, 1), (1, 2)):
        np.testing.assert_allclose(images[number], pixels[..., channel], atol=1e-6)
    luminance = np.asarray(Image.open(folder / "PET" / "41022.png").convert("L")) / 255  # ITU-R 601, rounded
    np.testing.assert_allclose(images[2], luminance, atol=0.51 / 255)
    with pytest.raises(ConfigurationError, match="is grey"):
        load_pngs(folder, ["MRI-R"], SliceSelection())


def test_sixteen_bits_are_divided_by_their_own_largest_value(tmp_path: Path) -> None:
    pixels = np.array([[0, 65535], [257, 30000]], dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_png(tmp_path / "a.png"), pixels / 65535, atol=1e-6)


def test_everything_wrong_is_reported_by_file_name(harvard: Path) -> None:
    write(harvard / "MRI" / "16004.png", 5, (20, 25))
    (harvard / "CT" / "2005.png").unlink()
    cut = harvard / "CT" / "16005.png"
    cut.write_bytes(cut.read_bytes()[:200])
    for contrast in ("CT", "MRI"):
        write(harvard / contrast / "30001.png", 1)
        write(harvard / contrast / "30002.png", 1, (30, 24))
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(harvard / contrast / "31001.png")
    with pytest.raises(ConfigurationError) as caught:
        load_pngs(harvard, ["CT", "MRI"], SliceSelection())
    said = str(caught.value)
    for words in (
        "CT/16004.png is 24×20, MRI/16004.png is 25×20",
        "2005.png is missing in CT",
        "16005.png cannot be read",
        "case 30: sizes differ: 30001.png is 24×20, 30002.png is 24×30",
        "case 31: no axial slice shows anything",
    ):
        assert words in said


def test_unknown_contrasts_and_cases_are_refused(harvard: Path) -> None:
    with pytest.raises(ConfigurationError, match="SPECT"):
        load_pngs(harvard, ["CT", "SPECT"], SliceSelection())
    with pytest.raises(ConfigurationError, match="there is no case 99"):
        load_pngs(harvard, ["CT", "MRI"], SliceSelection(), ["99", "2"])


def test_a_case_is_kept_out_of_the_other_side(harvard: Path) -> None:
    from InvertibleFusionLib.training.data import require_separate_patients

    def source(*cases: str) -> DataSource:
        return DataSource("AANLIB", "none stated", "Harvard", png=Path("CT-MRI"), cases=list(cases))

    require_separate_patients([source("2")], [source("16")], ["CT", "MRI"], harvard.parent)
    with pytest.raises(ConfigurationError, match="CT-MRI/16 is in"):
        require_separate_patients([source()], [source("16")], ["CT", "MRI"], harvard.parent)
