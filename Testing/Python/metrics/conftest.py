"""The closed-form images that the authors' own MATLAB files were run on, under GNU Octave."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

Image = NDArray[np.float64]


@dataclass(frozen=True)
class GoldenCase:
    """Two sources, a fused image, all 0 to 255, and the values that the authors' files give."""

    sources: tuple[Image, Image]
    fused: Image
    values: dict[str, float]


NAMES = ("Q_MI", "NCIE", "Q_AB/F", "Q_P", "FMI", "AG", "SF", "EN")
ROWS = {
    "mean": (
        *(701457, 1.0242278947, 0.8349054848, 0.5328699885, 0.6560246347),
        *(0.5020330593, 6.1492259028, 9.4765924029, 7.3787483352),
    ),
    "maximum": (
        *(934252, 1.2021584380, 0.8174932495, 0.5024322047, 0.3368207826),
        *(0.5711566670, 3.8099733970, 10.0490858780, 3.8920349933),
    ),
    "first source": (
        *(522286, 1.2712631864, 0.8783096424, 0.6905090576, 0.7840632419),
        *(0.5864351303, 10.7863793824, 15.5884493130, 7.7357480839),
    ),
}
"""The sum of the fused image, then its values in the order of NAMES."""


@pytest.fixture(params=ROWS)
def golden(request: pytest.FixtureRequest) -> GoldenCase:
    return golden_case(request.param)


@pytest.fixture
def golden_mean() -> GoldenCase:
    return golden_case("mean")


def golden_case(rule: str) -> GoldenCase:
    i, j = np.mgrid[:64, :64]
    a = np.round(127.5 * (1 + np.sin(i / 5) * np.cos(j / 7)))
    b = np.round(255 * (0.5 + 0.5 * np.tanh(((i - 32) ** 2 + (j - 24) ** 2 - 200) / 120)))
    assert (a.sum(), b.sum()) == (522286, 882674)
    fused = {"mean": np.floor((a + b) / 2), "maximum": np.maximum(a, b), "first source": a}[rule]
    total, *values = ROWS[rule]
    assert fused.sum() == total
    return GoldenCase((a, b), fused, dict(zip(NAMES, values, strict=True)))


@pytest.fixture
def blobs() -> NDArray[np.float64]:
    """Three smooth random images in [0, 1], odd and not square."""
    coarse = np.random.default_rng(5).random((3, 8, 9))
    return np.kron(coarse, np.ones((1, 6, 5)))[:, :47, :43] * 0.9 + 0.1 * np.random.default_rng(6).random((3, 47, 43))
