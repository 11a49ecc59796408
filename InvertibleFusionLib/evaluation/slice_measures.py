"""What is measured of one slice of one method, and how each measure is to be read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.methods import Images
from InvertibleFusionLib.metrics.catalogue import FUSION_METRICS, REFERENCE_METRICS, Metric, lpips
from InvertibleFusionLib.metrics.gradient_preservation import gradient_preservation
from InvertibleFusionLib.metrics.lesion import contrast_to_background, lesion_quality, surroundings
from InvertibleFusionLib.metrics.structural_similarity import WINDOW, structural_similarity_map

Mask = NDArray[np.bool_]
Group = Literal["image", "lesion", "sources", "time"]
MOST_DECIBELS = 200.0
"""In place of the infinite PSNR of a perfect image, so that means can be taken."""
SLOW = ("VIF",)
"""Left out unless asked for: more than a second a slice."""
IN_LESIONS = ("Q_AB/F", "Q_P")
"""Fusion metrics that say something of a few hundred pixels."""


@dataclass(frozen=True)
class Measure:
    """A column of the results.

    Attributes:
        name: in tables.
        better: which way it is read; "" where neither is better, or where noise passes for quality.
        group: what it is about: the image that was made, the lesion in it, the sources taken back, or time.
        digits: after the point, in tables.
    """

    name: str
    better: Literal["higher", "lower", ""]
    group: Group
    digits: int = 4


Values = dict[Measure, float]
FUSION_TIME = Measure("time to make the image of one slice, ms", "", "time", 1)
WAY_BACK_TIME = Measure("time for the way back from it, ms", "", "time", 1)


def default_metrics(synthesis: bool) -> list[Metric]:
    """Of the catalogue, those that are measured unless others are asked for."""
    return [metric for metric in (REFERENCE_METRICS if synthesis else FUSION_METRICS) if metric.symbol not in SLOW]


def metrics_named(symbols: Sequence[str], synthesis: bool, lpips_weights: Path | None = None) -> list[Metric]:
    """Metrics of the catalogue by their symbols; "all" for all of them.

    Args:
        symbols: as tables print them, small letters or capitals; none for the default.
        synthesis: whether there are targets.
        lpips_weights: of AlexNet; with them LPIPS is measured, too.

    Raises:
        ConfigurationError: for a symbol that is not known, with those that are; for LPIPS where there is no target.
        ModelFileError: for weights that are none.
    """
    if lpips_weights and not synthesis:
        raise ConfigurationError("LPIPS compares with a target, which fusion does not have. Leave its weights out.")
    more = [lpips(lpips_weights)] if lpips_weights else []
    there = {metric.symbol.casefold(): metric for metric in (REFERENCE_METRICS if synthesis else FUSION_METRICS)}
    if not symbols:
        return [*default_metrics(synthesis), *more]
    if [symbol.casefold() for symbol in symbols] == ["all"]:
        return [*there.values(), *more]
    unknown = [symbol for symbol in symbols if symbol.casefold() not in there]
    if unknown:
        raise ConfigurationError(
            f"There is no metric {', '.join(unknown)} for {'synthesis' if synthesis else 'fusion'}. Known are "
            f"{', '.join(metric.symbol for metric in there.values())}, and all."
        )
    return [*dict.fromkeys(there[symbol.casefold()] for symbol in symbols), *more]


def fusion_values(
    image: NDArray[np.float32], sources: Images, names: Sequence[str], lesion: Mask | None, metrics: Sequence[Metric]
) -> Values:
    """Everything of a fused image: SSIM with the sources, the metrics, and both inside the lesion and per contrast.

    Args:
        image: (rows, columns) in [0, 1].
        sources: (sources, rows, columns) in [0, 1].
        names: of the sources.
        lesion: (rows, columns); None where there is none.
        metrics: of kind fusion and image.
    """
    values = _ssim_values(np.broadcast_to(image, sources.shape), sources, names, lesion)
    for metric in metrics:
        better: Literal["higher", ""] = "" if metric.kind == "image" else "higher"
        digits = 2 if metric.unit.startswith("grey") else 4
        named = f"{metric.symbol}, {metric.unit}" if metric.unit else metric.symbol
        values[Measure(named, better, "image", digits)] = metric.measure(image, list(sources))
    if any(metric.symbol == "Q_AB/F" for metric in metrics):
        for name, source in zip(names, sources, strict=True):
            values[Measure(f"Q_AB/F, edges of {name} alone", "higher", "image")] = gradient_preservation(
                image, [source]
            )
    if lesion is not None:
        values |= _lesion_values(image, sources, lesion, metrics)
    return values


def way_back_values(
    how: str, taken: Images, sources: Images, names: Sequence[str], masks: Mapping[str, Mask | None]
) -> Values:
    """SSIM of every source that was taken back, over the whole slice and inside masks.

    Args:
        how: which way back, in words.
        taken: (sources, rows, columns).
        sources: what they should be.
        names: of the sources.
        masks: (rows, columns) by the words for where they lie.
    """
    similarity = _similarity(taken, sources)
    values: Values = {}
    for where, mask in (("", np.ones(sources.shape[1:], np.bool_)), *masks.items()):
        for name, value in zip(names, _means(similarity, mask), strict=False):
            place = f", inside the {where}" if where else ""
            values[Measure(f"decomposition SSIM of {name} {how}{place}", "higher", "sources")] = value
    return values


def synthesis_values(
    images: Images, targets: Images, names: Sequence[str], lesion: Mask | None, metrics: Sequence[Metric]
) -> Values:
    """Everything of synthetic images: the metrics, and how the lesion came out.

    Args:
        images: (targets, rows, columns) in [0, 1].
        targets: what they should be.
        names: of the targets.
        lesion: (rows, columns); None where there is none.
        metrics: of kind reference.
    """
    values: Values = {}
    for image, target, name in zip(images, targets, names, strict=True):
        of = f" of {name}" if len(names) > 1 else ""
        for metric in metrics:
            unit = f", {metric.unit}" if metric.unit else ""
            measure = Measure(
                f"{metric.symbol}{of}{unit}", "higher" if metric.higher_is_better else "lower", "image", _digits(metric)
            )
            values[measure] = min(metric.measure(image, target), MOST_DECIBELS)
        if lesion is not None:
            values |= _synthetic_lesion_values(image, target, lesion, of)
    return {measure: value for measure, value in values.items() if math.isfinite(value)}


def _digits(metric: Metric) -> int:
    return 2 if metric.unit == "dB" else 4


def _ssim_values(images: Images, sources: Images, names: Sequence[str], lesion: Mask | None) -> Values:
    similarity = _similarity(images, sources)
    values: Values = {}
    for mask, place in ((np.ones(sources.shape[1:], np.bool_), "image"), (lesion, "lesion")):
        each = _means(similarity, mask)
        where = "" if place == "image" else ", inside the lesion"
        group: Group = "image" if place == "image" else "lesion"
        if each:
            values[Measure(f"SSIM with the sources, mean{where}", "higher", group)] = float(np.mean(each))
        for name, value in zip(names, each, strict=False):
            values[Measure(f"SSIM with {name}{where}", "higher", group)] = value
    return values


def _lesion_values(image: NDArray[np.float32], sources: Images, lesion: Mask, metrics: Sequence[Metric]) -> Values:
    values: Values = {}
    inner = _centres(lesion)
    for metric in metrics:
        if metric.symbol in IN_LESIONS and (metric.symbol != "Q_P" or inner.any()):
            measure = Measure(f"{metric.symbol}, inside the lesion", "higher", "lesion")
            values[measure] = metric.measure(image, list(sources), mask=lesion)
    around = surroundings(lesion)
    if around.any():
        best = max(abs(contrast_to_background(source, lesion, around)) for source in sources)
        contrast = abs(contrast_to_background(image, lesion, around)) / best if best > 0 else math.inf
        if math.isfinite(contrast):
            name = "contrast of the lesion to its surroundings, share of that in the source where it is largest"
            values[Measure(name, "higher", "lesion", 3)] = contrast
    return values


def _synthetic_lesion_values(image: NDArray[np.float32], target: NDArray[np.float32], lesion: Mask, of: str) -> Values:
    if not surroundings(lesion).any():
        return {}
    quality = lesion_quality(image, target, lesion)
    values = {
        Measure(f"PSNR{of}, inside the lesion, dB", "higher", "lesion", 2): min(quality.psnr, MOST_DECIBELS),
        Measure(f"NMSE{of}, inside the lesion", "lower", "lesion"): quality.nmse,
        Measure(f"error of the lesion's contrast to its surroundings{of}", "lower", "lesion", 3): abs(
            quality.contrast - quality.target_contrast
        ),
    }
    if quality.ssim is not None:
        values[Measure(f"SSIM{of}, inside the lesion", "higher", "lesion")] = quality.ssim
    return values


def _similarity(images: Images, sources: Images) -> NDArray[np.float64]:
    """SSIM at every window, (sources, rows − 10, columns − 10)."""
    first, second = (torch.from_numpy(np.ascontiguousarray(each, np.float64))[None] for each in (images, sources))
    return np.asarray(structural_similarity_map(first, second)[0].numpy())


def _means(similarity: NDArray[np.float64], mask: Mask | None) -> list[float]:
    """Of each source over the windows whose centre lies in the mask; nothing where there is none."""
    centres = None if mask is None else _centres(mask)
    if centres is None or not centres.any():
        return []
    return [float(each[centres].mean()) for each in similarity]


def _centres(mask: Mask) -> Mask:
    border = WINDOW // 2
    return mask[border:-border, border:-border]
