import numpy as np
import pytest
from skimage.color import rgb2ycbcr

from InvertibleFusionLib import Volume
from InvertibleFusionLib.errors import GridMismatchError, UnsuitableVolumeError
from InvertibleFusionLib.volumes.colour import luminance, with_luminance


def colours(dtype: str = "uint8") -> Volume:
    array = np.random.default_rng(0).integers(0, 255, (2, 9, 8, 3), endpoint=True).astype(dtype)
    return Volume(array, spacing=(1, 2, 3), origin=(4, 5, 6), name="PET")


def ycbcr(volume: Volume) -> np.ndarray:
    """By scikit-image, which has Y from 16 to 235, and Cb and Cr about 128."""
    return np.asarray(rgb2ycbcr(volume.array))


def test_luminance_is_that_of_scikit_image() -> None:
    pet = colours()
    y = luminance(pet)
    np.testing.assert_allclose(16 + 219 * y.array, ycbcr(pet)[..., 0], atol=1e-4)
    assert (y.grid, y.components, y.array.dtype) == (pet.grid, 1, np.float32)


def test_luminance_is_exchanged_and_the_chroma_stays() -> None:
    """Of greyish colours, whose chroma fits every luminance in between; up to the rounding of whole numbers."""
    pet = colours().with_array(100 + colours().array // 8)
    image = luminance(pet).with_array(np.random.default_rng(1).uniform(0.3, 0.7, (2, 9, 8)).astype(np.float32))
    result = with_luminance(pet, image)
    assert result.array.dtype == np.uint8
    assert np.abs(image.array - luminance(pet).array).max() > 0.2
    after = ycbcr(result)
    np.testing.assert_allclose(after[..., 0], 16 + 219 * image.array, atol=0.5)
    np.testing.assert_allclose(after[..., 1:], ycbcr(pet)[..., 1:], atol=0.5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_its_own_luminance_gives_the_colours_back(dtype: str) -> None:
    pet = colours(dtype)
    if dtype == "float32":
        pet = pet.with_array(pet.array / 255)
    np.testing.assert_allclose(with_luminance(pet, luminance(pet)).array, pet.array, atol=1e-5)


def test_what_the_range_does_not_hold_is_cut_not_wrapped_round() -> None:
    red = Volume(np.full((1, 2, 2, 3), (255, 0, 0), np.uint8), name="red")
    white = Volume(np.ones((1, 2, 2), np.float32), name="white")
    assert with_luminance(red, white).array[0, 0, 0].tolist() == [255, 179, 179]  # 255 · (1 − 0.299) = 178.8


def test_what_does_not_fit_is_refused() -> None:
    pet = colours()
    with pytest.raises(UnsuitableVolumeError, match="PET has 3 values"):
        with_luminance(pet, pet)
    with pytest.raises(UnsuitableVolumeError, match="has 1 values"):
        luminance(luminance(pet))
    with pytest.raises(GridMismatchError, match="origin"):
        with_luminance(pet, Volume(luminance(pet).array, spacing=(1, 2, 3), name="elsewhere"))
