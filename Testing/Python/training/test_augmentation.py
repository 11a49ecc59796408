import numpy as np
import pytest
from scipy.ndimage import affine_transform

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data import Augmentation, random_crop

STILL = {"gamma": 1.0, "gain": 1.0, "noise": 0.0}
"""Geometry alone."""


def coordinates(rows: int, columns: int, contrasts: int = 1) -> np.ndarray:
    """Every pixel says where it comes from: row + column / 1000, the same in all contrasts."""
    one = np.arange(rows)[:, None] + np.arange(columns)[None, :] / 1000
    return np.repeat(one[None], contrasts, axis=0).astype(np.float32)


def crops(image: np.ndarray, augmentation: Augmentation, count: int) -> list[np.ndarray]:
    return [random_crop(image, augmentation, np.random.default_rng([0, number])) for number in range(count)]


@pytest.mark.parametrize("rotation", [0.0, 20.0])
def test_geometry_is_the_same_for_all_contrasts(rotation: float) -> None:
    image = coordinates(40, 50, contrasts=3)
    found = crops(image, Augmentation(crop=16, rotation_degrees=rotation, **STILL), 30)
    for crop in found:
        assert crop.shape == (3, 16, 16)
        assert crop.dtype == np.float32
        np.testing.assert_array_equal(crop[0], crop[1])
        np.testing.assert_array_equal(crop[0], crop[2])
    assert len({crop[0, 0, 0] for crop in found}) > 15


def test_crops_are_parts_of_the_image_in_all_eight_positions_of_a_square() -> None:
    image = coordinates(16, 16)
    seen = set()
    positions = [np.rot90(side, turns) for side in (image[0], image[0][:, ::-1]) for turns in range(4)]
    for crop in crops(image, Augmentation(crop=16, **STILL), 100):
        [number] = [number for number, position in enumerate(positions) if np.array_equal(position, crop[0])]
        seen.add(number)
    assert seen == set(range(8))
    plain = Augmentation(crop=16, quarter_turns=False, flips=False, **STILL)
    assert all(np.array_equal(crop, image) for crop in crops(image, plain, 10))


def test_every_place_of_the_crop_is_reached() -> None:
    plain = Augmentation(crop=12, quarter_turns=False, flips=False, **STILL)
    corners = {float(crop[0, 0, 0]) for crop in crops(coordinates(14, 15), plain, 200)}
    assert len(corners) == 3 * 4


def test_small_images_are_filled_up_with_zeros() -> None:
    plain = Augmentation(crop=20, quarter_turns=False, flips=False, **STILL)
    [crop] = crops(1 + coordinates(13, 7), plain, 1)
    np.testing.assert_array_equal(crop[:, :13, :7], 1 + coordinates(13, 7))
    assert not crop[:, 13:].any()
    assert not crop[:, :, 7:].any()


def test_the_fixed_contrasts_at_the_end_keep_their_grey_scale() -> None:
    plain = {"crop": 16, "quarter_turns": False, "flips": False, "gamma": 2.0, "gain": 1.5, "noise": 0.1}
    image = 1 + coordinates(16, 16, contrasts=3)
    for crop in crops(image, Augmentation(**plain, fixed=1), 5):  # type: ignore[arg-type]
        np.testing.assert_array_equal(crop[2], image[2])
        assert not np.isclose(crop[:2], image[:2]).any(axis=0).all()
    for varied, same in zip(
        crops(image, Augmentation(**plain), 5), crops(image, Augmentation(**plain, fixed=1), 5), strict=True
    ):  # type: ignore[arg-type]
        np.testing.assert_array_equal(varied[:2], same[:2])


def test_small_turns_are_turns_about_the_crops_middle() -> None:
    """Against SciPy's linear interpolation: one of the angles allowed must give the crop, and not the plain one."""
    y, x = np.mgrid[:32, :32]
    image = np.sin(0.4 * x + 0.2 * y).astype(np.float32)[None]
    setting = Augmentation(crop=32, quarter_turns=False, flips=False, rotation_degrees=15, **STILL)
    angles = []
    for crop in crops(image, setting, 8):
        errors = {}
        for degrees in np.linspace(-15, 15, 121):
            c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
            turn = np.array([[c, -s], [s, c]])
            turned = affine_transform(image[0], turn, 15.5 - turn @ [15.5, 15.5], order=1, mode="nearest")
            errors[float(degrees)] = float(np.abs(turned - crop[0]).mean())
        best = min(errors, key=lambda angle: errors[angle])
        assert errors[best] < 0.02
        angles.append(best)
    assert max(angles) - min(angles) > 8
    assert max(map(abs, angles)) <= 15


def test_grey_scales_vary_for_each_contrast_alone_within_their_limits() -> None:
    image = np.full((2, 16, 16), 0.5, np.float32)
    image[:, :, 0] = -0.25
    setting = Augmentation(crop=16, quarter_turns=False, flips=False, gamma=2.0, gain=1.5, noise=0.0)
    gammas, gains, pairs = [], [], []
    for crop in crops(image, setting, 300):
        values, dark = crop[:, 5, 5].astype(float), -crop[:, 5, 0].astype(float)
        gamma = np.log(values / dark) / np.log(2)  # gain · 0.5^γ over gain · 0.25^γ
        gammas.extend(gamma)
        gains.extend(values / 0.5**gamma)
        pairs.append(gamma)
    assert 0.5 <= min(gammas) < 0.55
    assert 1.8 < max(gammas) <= 2.001
    assert 1 / 1.501 <= min(gains) < 0.7
    assert 1.4 < max(gains) <= 1.501
    assert abs(np.corrcoef(np.array(pairs).T)[0, 1]) < 0.2


def test_noise_has_the_asked_strength() -> None:
    setting = Augmentation(crop=100, gamma=1.0, gain=1.0, noise=0.03)
    [crop] = crops(np.zeros((2, 100, 100), np.float32), setting, 1)
    assert crop.std() == pytest.approx(0.03, rel=0.03)
    assert abs(np.corrcoef(crop.reshape(2, -1))[0, 1]) < 0.05


@pytest.mark.parametrize(
    "wrong",
    [
        {"crop": 15},
        {"crop": 10},
        {"rotation_degrees": -1.0},
        {"rotation_degrees": 90.0},
        {"gamma": 0.9},
        {"gain": float("nan")},
        {"noise": -0.1},
    ],
    ids=str,
)
def test_senseless_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        Augmentation(**wrong)  # type: ignore[arg-type]
