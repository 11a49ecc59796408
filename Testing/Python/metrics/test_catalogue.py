import warnings

import numpy as np
import pytest

from InvertibleFusionLib.errors import ModelFileError
from InvertibleFusionLib.metrics.catalogue import FUSION_METRICS, REFERENCE_METRICS, lpips

EVERY = [*FUSION_METRICS, *REFERENCE_METRICS]


def by_symbol(metric):
    return metric.symbol


def of(metric, image, first, second):
    """The metric's second argument: the target, or the sources."""
    return first if metric.kind == "reference" else [first, second]


@pytest.fixture
def images():
    coarse = np.random.default_rng(2).random((3, 6, 6))
    return np.kron(coarse, np.ones((8, 8))) * 0.8 + 0.1 * np.random.default_rng(3).random((3, 48, 48))


def test_the_golden_table_is_met_by_symbol(golden):
    measured = {
        metric.symbol: metric.measure(golden.fused, golden.sources, data_range=255) for metric in FUSION_METRICS
    }
    assert measured == pytest.approx(golden.values, abs=1e-6)


@pytest.mark.parametrize("metric", EVERY, ids=by_symbol)
@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 1.0])
def test_constant_images_and_sources_give_numbers_without_warnings(metric, level, images):
    flat, black, image = np.full((48, 48), level), np.zeros((48, 48)), images[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for fused, first, second in (
            *((flat, flat, flat), (flat, black, flat), (black, flat, image)),
            *((flat, image, image), (image, flat, black), (image, image, flat)),
        ):
            assert not np.isnan(metric.measure(fused, of(metric, fused, first, second)))


@pytest.mark.parametrize("metric", EVERY, ids=by_symbol)
def test_better_images_score_better(metric, images):
    first, second, other = images
    if metric.kind == "image":
        better, worse = first, np.full_like(first, 0.5)
    elif metric.kind == "reference":
        better, worse = first + 0.01 * other, other
    else:
        better, worse = first, other
    scores = [metric.measure(image, of(metric, image, first, second)) for image in (better, worse)]
    assert (scores[0] > scores[1]) == metric.higher_is_better
    assert scores[0] != scores[1]


@pytest.mark.parametrize("metric", EVERY, ids=by_symbol)
def test_the_range_is_passed_on(metric, images):
    fused, first, second = images
    bright = [1000 * image for image in images]
    expected = metric.measure(fused, of(metric, fused, first, second))
    measured = metric.measure(bright[0], of(metric, *bright), data_range=1000)
    assert measured == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("metric", EVERY, ids=by_symbol)
def test_sources_are_interchangeable_and_a_volume_of_one_slice_is_a_slice(metric, images):
    fused, first, second = images
    expected = metric.measure(fused, of(metric, fused, first, second))
    if metric.kind != "reference":
        assert metric.measure(fused, [second, first]) == pytest.approx(expected)
    stacked = images[:, np.newaxis]
    assert metric.measure(stacked[0], of(metric, *stacked)) == pytest.approx(expected)
    assert metric.measure(fused.tolist(), of(metric, fused, first.tolist(), second.tolist())) == expected


@pytest.mark.parametrize("metric", EVERY, ids=by_symbol)
def test_a_mask_is_passed_on_or_refused(metric, images):
    fused, first, second = images
    mask = np.zeros((48, 48))
    mask[12:30, 14:33] = 1
    if metric.takes_mask:
        assert metric.measure(fused, of(metric, fused, first, second), mask=mask) != metric.measure(
            fused, of(metric, fused, first, second)
        )
    else:
        assert metric.symbol == "VIF"
        with pytest.raises(ValueError, match="VIF is measured on whole images"):
            metric.measure(fused, first, mask=mask)


@pytest.mark.parametrize("metric", EVERY, ids=by_symbol)
def test_different_shapes_are_refused_with_both(metric, images):
    fused, first, second = images[0], images[1][:-1], images[2][:-1]
    if metric.kind == "image":
        with pytest.raises(ValueError, match=r"mask has the shape \(47, 48\), the image \(48, 48\)"):
            metric.measure(fused, [], mask=first)
    else:
        with pytest.raises(ValueError, match=r"has the shape \(47, 48\), the image \(48, 48\)"):
            metric.measure(fused, of(metric, fused, first, second))


def test_symbols_and_names_are_each_used_once():
    for attribute in ("symbol", "name"):
        values = [getattr(metric, attribute) for metric in EVERY]
        assert len(set(values)) == len(values)


def test_lpips_asks_for_its_weights():
    with pytest.raises(ModelFileError, match="give its path"):
        lpips(None)
