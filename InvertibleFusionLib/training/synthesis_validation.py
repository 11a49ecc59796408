"""Measuring a synthesis model on patients that it has not seen, with the sources themselves beside it."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.metrics.reference_quality import (
    mean_structural_similarity,
    normalised_mean_squared_error,
    peak_signal_to_noise_ratio,
)
from InvertibleFusionLib.metrics.structural_similarity import WINDOW
from InvertibleFusionLib.models.model import InvertibleSynthesisNetwork, SubsetSynthesisNetwork, SynthesisNetwork
from InvertibleFusionLib.models.synthesis_figures import IN_LESION, PEAK, SIMILARITY, copied, synthetic
from InvertibleFusionLib.training.data import PatientSlices
from InvertibleFusionLib.training.validation import Images, Measurement, Row, padded

Image = NDArray[np.float32]
MOST_DECIBELS = 200.0
"""In place of the infinite PSNR of a perfect image, so that means can be taken."""


def quick_synthesis_check(network: SynthesisNetwork, images: Sequence[Images]) -> dict[str, float]:
    """PSNR of the targets on a few slices while a model learns; "score" is the same and better higher.

    Args:
        network: in evaluation mode.
        images: slices (sources and then targets, rows, columns) in [0, 1].
    """
    values = []
    for slices in images:
        made = _synthesized(network, slices)
        targets = slices[sum(network.inputs) :]
        values += [peak_signal_to_noise_ratio(image, target) for image, target in zip(made, targets, strict=True)]
    finite = float(np.mean(np.minimum(values, 99.0)))
    return {"PSNR": finite, "score": finite}


def measure_synthesis(
    network: SynthesisNetwork, patients: Sequence[PatientSlices], contrasts: Sequence[str], scaling: str
) -> Measurement:
    """PSNR, SSIM and NMSE of every target, whole slice and lesion, slice by slice.

    An invertible network is also measured backwards, by two ways with two names: the round trip from its own full
    output, and the sources from the real target alone.

    Args:
        network: in evaluation mode.
        patients: slices in [0, 1], sources and then targets.
        contrasts: names of the channels, in that order.
        scaling: of the slices, in words.
    """
    rows = []
    for patient in patients:
        for number, images in enumerate(patient.images):
            lesion = None if patient.mask is None else patient.mask[number]
            rows.append((patient.patient, number, _row(network, np.asarray(images), contrasts, lesion)))
    names = ", ".join(dict.fromkeys(patient.patient for patient in patients))
    return Measurement(rows, {}, f"{names}: {len(rows)} axial slices, {scaling}")


def measure_every_choice(
    network: SubsetSynthesisNetwork, patients: Sequence[PatientSlices], contrasts: Sequence[str], scaling: str
) -> Measurement:
    """``measure_synthesis``, and the same of the target made from every smaller choice of the sources.

    Args:
        network: in evaluation mode, of one target.
        patients: slices in [0, 1], sources and then the target.
        contrasts: names of the channels, in that order.
        scaling: of the slices, in words.
    """
    measured = measure_synthesis(network, patients, contrasts, scaling)
    slices = ((patient, number) for patient in patients for number in range(len(patient.images)))
    for (patient, number), (_, _, row) in zip(slices, measured.rows, strict=True):
        lesion = None if patient.mask is None else patient.mask[number]
        for name, image, target in _by_choice(network, np.asarray(patient.images[number]), contrasts):
            row |= quality(name, image, target, lesion)
    return measured


def _by_choice(
    network: SubsetSynthesisNetwork, images: Images, contrasts: Sequence[str]
) -> Iterator[tuple[str, Image, Image]]:
    """For every choice that lacks a source its name, the image made from it, and the target."""
    count, (rows, columns) = len(network.inputs), images.shape[1:]
    for kept in range(count - 1, 0, -1):
        for chosen in combinations(range(count), kept):
            present = torch.tensor([[number in chosen for number in range(count)]])
            with torch.inference_mode():
                made = network.inspect(padded(images[:count], network), present).image
            given = " + ".join(contrasts[number] for number in chosen)
            yield f"{synthetic(contrasts[count])} from {given}", _plain(made)[0, :rows, :columns], images[count]


def _row(network: SynthesisNetwork, images: Images, contrasts: Sequence[str], lesion: NDArray[np.bool_] | None) -> Row:
    count = sum(network.inputs)
    sources, targets = images[:count], images[count:]
    row: Row = {}
    for name, image, target in zip(contrasts[count:], _synthesized(network, images), targets, strict=True):
        row |= quality(synthetic(name), image, target, lesion)
        for source_name, source in zip(contrasts, sources, strict=False):
            row |= quality(copied(source_name, name), source, target, lesion)
    if isinstance(network, InvertibleSynthesisNetwork):
        with torch.inference_mode():
            back = network.inverse(network(padded(sources, network)))
            alone = network.sources_from_images(padded(targets, network))
        for way, result in (("round trip from the full output", back), ("from the real target alone", alone)):
            same_size = _plain(result)[:, : sources.shape[1], : sources.shape[2]]
            for name, image, source in zip(contrasts, same_size, sources, strict=False):
                row[f"{name}, {way}{PEAK}"] = _peak(image, source)
    return row


def quality(name: str, image: Image, target: Image, lesion: NDArray[np.bool_] | None) -> Row:
    """PSNR, SSIM and NMSE of one image, and the same inside the lesion, where a slice has one.

    Args:
        name: begins the names of the measures.
        image: (rows, columns) in [0, 1].
        target: what it should be; the same shape.
        lesion: (rows, columns); None where there is no mask.
    """
    row = {f"{name}{PEAK}": _peak(image, target)}
    if min(target.shape) >= WINDOW:
        row[f"{name}{SIMILARITY}"] = mean_structural_similarity(image, target)
    row[f"{name}: NMSE"] = normalised_mean_squared_error(image, target)
    if lesion is None or not lesion.any():
        return row
    row[f"{name}{PEAK}{IN_LESION}"] = _peak(image, target, lesion)
    border = WINDOW // 2
    if lesion[border:-border, border:-border].any():
        row[f"{name}{SIMILARITY}{IN_LESION}"] = mean_structural_similarity(image, target, mask=lesion)
    row[f"{name}: NMSE{IN_LESION}"] = normalised_mean_squared_error(image, target, mask=lesion)
    return row


def _peak(image: Image, target: Image, mask: NDArray[np.bool_] | None = None) -> float:
    return min(peak_signal_to_noise_ratio(image, target, mask=mask), MOST_DECIBELS)


def _synthesized(network: SynthesisNetwork, images: Images) -> Images:
    """The targets made of a slice's sources, (targets, rows, columns)."""
    sources = images[: sum(network.inputs)]
    rows, columns = sources.shape[1:]
    with torch.inference_mode():
        made = network.synthesize(padded(sources, network))
    return _plain(made)[:, :rows, :columns]


def _plain(images: Tensor) -> Images:
    array: NDArray[Any] = images[0].cpu().numpy()
    return array.astype(np.float32)
