from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.laplacian_pyramid import collapsed, fuse_by_laplacian_pyramid, laplacian_pyramid
from InvertibleFusionLib.evaluation.methods import Slice
from InvertibleFusionLib.evaluation.trivial_rules import fusion_rules, synthesis_rules

MakeCase = Callable[..., EvaluationCase]


def applied(name: str, sources: NDArray[np.float32]) -> NDArray[np.float32]:
    (rule,) = [rule for rule in fusion_rules() if rule.name == name]
    return rule.make(Slice("case", "someone", 0, "0", sources))


def test_mean_and_maximum() -> None:
    sources = np.array([[[0.0, 0.5]], [[1.0, 0.25]]], np.float32)
    np.testing.assert_array_equal(applied("mean", sources), [[[0.5, 0.375]]])
    np.testing.assert_array_equal(applied("maximum", sources), [[[1.0, 0.5]]])


@pytest.mark.parametrize("shape", [(64, 64), (37, 50), (5, 9), (2, 2)])
def test_a_pyramid_gives_its_image_again(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random(shape)
    np.testing.assert_allclose(collapsed(laplacian_pyramid(image)), image, atol=1e-12)


def test_the_first_band_is_what_burt_and_adelson_say() -> None:
    """Reduce: blur by [1 4 6 4 1] / 16 and drop every second; expand: zeros in between, blur, times four."""
    image = np.random.default_rng(1).random((20, 30))
    kernel = np.array([1, 4, 6, 4, 1]) / 16

    def blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return convolve1d(convolve1d(values, kernel, axis=0, mode="mirror"), kernel, axis=1, mode="mirror")

    reduced = blurred(image)[::2, ::2]
    spread = np.zeros(image.shape)
    spread[::2, ::2] = reduced
    band, lowest = laplacian_pyramid(image, levels=1)
    np.testing.assert_allclose(lowest, reduced, atol=1e-12)
    np.testing.assert_allclose(band, image - 4 * blurred(spread), atol=1e-12)


def test_the_pyramid_keeps_the_details_of_both_sources() -> None:
    """One source has all its detail on the left, the other on the right; the mean halves both."""
    detail = np.random.default_rng(2).random((64, 64)).astype(np.float32)
    left, right = np.full((2, 64, 64), 0.5, np.float32)
    left[:, :32], right[:, 32:] = detail[:, :32], detail[:, 32:]
    fused = fuse_by_laplacian_pyramid(np.stack((left, right)))
    inner = (slice(8, 56), [*range(4, 24), *range(40, 60)])
    assert np.abs(fused - detail)[inner].mean() < 0.5 * np.abs((left + right) / 2 - detail)[inner].mean()


def test_the_pyramid_of_equal_sources_is_the_source() -> None:
    image = np.random.default_rng(3).random((33, 41)).astype(np.float32)
    np.testing.assert_allclose(fuse_by_laplacian_pyramid(np.stack((image, image))), image, atol=1e-6)
    flat = np.full((2, 24, 24), 0.3, np.float32)
    np.testing.assert_allclose(fuse_by_laplacian_pyramid(flat), flat[0], atol=1e-6)


def test_fitted_rules_find_what_relates_source_and_target(blocks: MakeCase) -> None:
    """The target is .2 + .5·source²: numpy's own fit of a line, and the mean in every cell."""
    training, other = blocks("a", 1, 8, ("T2",)), blocks("b", 2, 3, ("T2",))
    rules = {rule.name: rule for rule in synthesis_rules(["T1"], ["T2"], [training])}
    assert list(rules) == ["copy of T1", "linear fit", "lookup table"]
    given = other.slice(0)
    assert given.sources.shape[0] == 1
    slope, offset = np.polyfit(training.images[:, 0].ravel(), training.images[:, 1].ravel(), 1)
    np.testing.assert_array_equal(rules["copy of T1"].make(given), given.sources)
    np.testing.assert_allclose(rules["linear fit"].make(given), slope * given.sources + offset, atol=1e-5)
    seen = {int(value * 256) for value in training.images[:, 0].ravel()}
    known = np.array([int(value * 256) in seen for value in given.sources.ravel()]).reshape(given.sources.shape)
    table = rules["lookup table"].make(given)
    assert 0 < known.sum() < known.size
    np.testing.assert_allclose(table[known], (0.2 + 0.5 * given.sources**2)[known], atol=1 / 256)
    np.testing.assert_allclose(table[~known], (slope * given.sources + offset)[~known], atol=1e-5)
    assert all(rules[name].fitted_on == {"a"} for name in ("linear fit", "lookup table"))


def test_without_patients_to_fit_on_there_are_copies_only() -> None:
    assert [rule.name for rule in synthesis_rules(["T1", "PD"], ["T2"])] == ["copy of T1", "copy of PD"]


def test_rules_are_not_fitted_on_other_contrasts(blocks: MakeCase) -> None:
    with pytest.raises(ConfigurationError, match="T1 → T2"):
        synthesis_rules(["T1"], ["FLAIR"], [blocks("a", 1, 2, ("T2",))])
