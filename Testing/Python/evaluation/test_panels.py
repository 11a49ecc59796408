import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from InvertibleFusionLib import Volume
from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.montage import axial_slice
from InvertibleFusionLib.evaluation.panels import (
    close_up,
    coloured,
    grey,
    grey_with_outline,
    in_colour,
    names_in_colour,
    upright,
)
from InvertibleFusionLib.volumes.slices import slice_axis


def pixels(uri: str) -> np.ndarray:
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return imread(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_slices_are_shown_as_the_montage_shows_them(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    """Whatever the axes of the file: the montage lets SimpleITK turn the volume."""
    direction = np.zeros((3, 3))
    for column, (axis, sign) in enumerate(zip(order, signs, strict=True)):
        direction[axis, column] = sign
    array = np.random.default_rng(0).random((11, 12, 13)).astype(np.float32)
    volume = Volume(array, spacing=(1.0, 2.0, 3.0), direction=tuple(direction.ravel()))
    axis = slice_axis(volume.grid, "axial")
    slices = np.moveaxis(array, axis, 0)
    numbers = tuple(range(len(slices)))
    case = EvaluationCase("c", ("A",), (), slices[:, None], numbers, tuple(map(str, numbers)), None, volume.grid, axis)
    turn = upright(case, 4)
    index = [0.0, 0.0, 0.0]
    index[2 - axis] = 4
    place = tuple(volume.grid.position(np.array(index)))
    np.testing.assert_array_equal(turn.turned(slices[4]), axial_slice(volume, place))
    spacing = dict(zip(order, volume.spacing, strict=True))
    assert turn.aspect == pytest.approx(spacing[1] / spacing[0])


def test_pictures_show_the_values(case: EvaluationCase) -> None:
    image = case.images[0, 0]
    np.testing.assert_allclose(pixels(grey(image, 0.8)), np.clip(image / 0.8, 0, 1), atol=1 / 255)
    colours = pixels(coloured(image, 1.0))[..., :3].sum(axis=-1)
    order = np.argsort(image.ravel())
    assert np.all(np.diff(colours.ravel()[order]) >= -0.02)  # brighter is more
    lesion = case.lesion_of(2)
    assert lesion is not None
    marked = pixels(grey_with_outline(case.images[2, 0], 1.0, lesion))[..., :3]
    coloured_pixels = marked[..., 0] - marked[..., 2] > 0.3
    assert coloured_pixels.sum() == 4 * 8 - 4  # the rim of 8×8
    assert not coloured_pixels[10:14, 10:14].any()


def test_a_close_up_is_of_the_largest_part(case: EvaluationCase) -> None:
    case = replace(case, images=case.images.repeat(4, 2).repeat(4, 3))
    lesion = np.zeros((96, 96), np.bool_)
    lesion[2:4, 2:4] = lesion[70:80, 60:66] = True
    shown = close_up(upright(case, 0), lesion)(lesion)
    assert shown.sum() == 60
    assert shown.shape == (26, 24)


def test_three_channels_of_one_name_are_a_colour_image() -> None:
    names = ["T1", "PET-R", "PET-G", "PET-B", "FDG-R", "a-B"]
    images = np.random.default_rng(0).random((6, 9, 8)).astype(np.float32)
    pictures = in_colour(names, images)
    assert list(pictures) == names_in_colour(names) == ["T1", "PET", "FDG-R", "a-B"]
    np.testing.assert_array_equal(pictures["PET"][4, 3], images[1:4, 4, 3])
    np.testing.assert_array_equal(pictures["FDG-R"], images[4])
    shown = pixels(grey(pictures["PET"], 0.5))
    np.testing.assert_allclose(shown[..., :3], np.clip(pictures["PET"] / 0.5, 0, 1), atol=1 / 255)
