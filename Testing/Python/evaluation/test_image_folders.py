from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.image_folders import image_folder

MakeCase = Callable[..., EvaluationCase]


def write(folder: Path, name: str, pixels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(pixels), str(folder / f"{name}.png"))


@pytest.fixture
def images(case: EvaluationCase) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (3, 24, 24)).astype(np.uint8)


def test_png_slices_are_found_by_their_number(case: EvaluationCase, images: np.ndarray, tmp_path: Path) -> None:
    """Numbers are those of the volume, whatever zeros stand before them."""
    case = replace(case, numbers=(9, 10, 11), labels=("9", "10", "11"))
    for name, image in zip(("slice-009", "010", "11"), images, strict=True):
        write(tmp_path / "with space", name, image)
    write(tmp_path / "with space", "012", images[0])
    method = image_folder("theirs", tmp_path / "with space", [case])
    for index in range(3):
        np.testing.assert_allclose(method.make(case.slice(index)), images[index][None] / 255, atol=1e-6)


def test_png_cases_are_matched_by_name_only(case: EvaluationCase, images: np.ndarray, tmp_path: Path) -> None:
    pairs = replace(case, grid=None, labels=("16009", "16010", "16011"))
    for name, image in zip(pairs.labels, images, strict=True):
        write(tmp_path, name, image)
    np.testing.assert_allclose(image_folder("t", tmp_path, [pairs]).make(pairs.slice(1))[0], images[1] / 255, atol=1e-6)
    (tmp_path / "16010.png").rename(tmp_path / "1.png")
    with pytest.raises(ConfigurationError, match="no image of slice 16010"):
        image_folder("theirs", tmp_path, [pairs])


def test_a_volume_on_the_cases_grid(case: EvaluationCase, images: np.ndarray, tmp_path: Path) -> None:
    Volume((images / 255).astype(np.float32), name="x").write(tmp_path / "someone.nii.gz")
    method = image_folder("theirs", tmp_path, [replace(case, name="some/where/someone")])
    np.testing.assert_allclose(method.make(replace(case, name="some/where/someone").slice(2))[0], images[2] / 255)
    Volume(images.astype(np.float32), name="x").write(tmp_path / "someone.nii.gz")
    with pytest.raises(ConfigurationError, match=r"lie from \d+ to 255; images to compare lie in \[0, 1\]"):
        image_folder("theirs", tmp_path, [case])
    Volume((images / 255).astype(np.float32), spacing=(1, 1, 2), name="x").write(tmp_path / "someone.nii.gz")
    with pytest.raises(ConfigurationError, match="mm"):
        image_folder("theirs", tmp_path, [case])


def test_what_is_missing_or_of_another_size_is_named(case: EvaluationCase, images: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path, "0", images[0])
    write(tmp_path, "2", images[2][:20])
    with pytest.raises(ConfigurationError) as error:
        image_folder("theirs", tmp_path, [case])
    text = str(error.value)
    assert "2 mistakes" in text
    assert "there is no image of slice 1" in text
    assert "2.png is 24×20, the slice 2 of someone is 24×24" in text
    with pytest.raises(ConfigurationError, match="There is no folder"):
        image_folder("theirs", tmp_path / "nowhere", [case])


def test_numbers_alone_do_not_tell_cases_apart(blocks: MakeCase, images: np.ndarray, tmp_path: Path) -> None:
    cases = [blocks("a", 0), blocks("b", 1)]
    for number, image in enumerate(images):
        write(tmp_path, str(number), image)
        write(tmp_path / "a", str(number), image)
    with pytest.raises(ConfigurationError, match=r"b: there is no b\.nii\.gz or a folder b"):
        image_folder("theirs", tmp_path, cases)
    for number, image in enumerate(images):
        write(tmp_path / "b", str(number), 255 - image)
    method = image_folder("theirs", tmp_path, cases)
    np.testing.assert_allclose(method.make(cases[1].slice(0))[0], 1 - images[0] / 255, atol=1e-6)
