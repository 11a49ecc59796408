"""Measuring a fusion model on patients that it has not seen, with the trivial rules beside it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.metrics.structural_similarity import structural_similarity
from InvertibleFusionLib.models.model import FusionNetwork
from InvertibleFusionLib.training.data import PatientSlices
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.slices import SliceStack

SAMPLES = 8


def measure(network: FusionNetwork, patients: list[PatientSlices], contrasts: list[str]) -> list[dict[str, Any]]:
    """SSIM per slice of fused and decomposed images, and of the plain mean and maximum as fused images.

    Args:
        network: in evaluation mode.
        patients: slices in [0, 1], as ``training.data.for_reporting`` gives them.
        contrasts: names of the sources.

    Returns:
        For the model's card: name, mean and standard deviation over slices, number of slices, data.
    """
    rows = [
        _measure_slice(network, images, contrasts, number)
        for patient in patients
        for number, images in enumerate(patient.images)
    ]
    names = ", ".join(patient.patient for patient in patients)
    data = f"{names}: {len(rows)} axial slices, divided by the volume's 99.9th percentile and clipped to [0, 1]"
    return [_summary(name, np.array([row[name] for row in rows]), data) for name in rows[0]]


def _measure_slice(
    network: FusionNetwork, images: NDArray[np.float32], contrasts: list[str], number: int
) -> dict[str, float]:
    stack = SliceStack(Grid((images.shape[2], images.shape[1], 1), (1, 1, 1), (0, 0, 0)), 0, network.multiple)
    sources = torch.from_numpy(images)[None]
    with torch.inference_mode():
        latent: Tensor = network(torch.from_numpy(stack.pad(images))[None])
        whole = network.image(latent)
        single, _ = network.decompose(whole, samples=1, seeds=[number])
        several, _ = network.decompose(whole, samples=SAMPLES, seeds=[number])
    rows, columns = stack.shape
    fused = whole[..., :rows, :columns]
    result = {"fusion SSIM, mean of both sources": _similarity(fused.expand_as(sources), sources).mean()}
    for name, image in (("one sample", single), (f"mean of {SAMPLES} samples", several)):
        for contrast, value in zip(contrasts, _similarity(image[..., :rows, :columns], sources), strict=True):
            result[f"decomposition SSIM of {contrast} from the image alone, {name}"] = value
    result["trivial rule, plain mean: fusion SSIM"] = _similarity(
        sources.mean(1, keepdim=True).expand_as(sources), sources
    ).mean()
    result["trivial rule, maximum: fusion SSIM"] = _similarity(
        sources.amax(1, keepdim=True).expand_as(sources), sources
    ).mean()
    return {name: float(value) for name, value in result.items()}


def _similarity(images: Tensor, sources: Tensor) -> NDArray[np.float64]:
    return np.asarray(structural_similarity(images.double(), sources.double())[0].numpy())


def _summary(name: str, values: NDArray[np.float64], data: str) -> dict[str, Any]:
    return {
        "name": name,
        "mean": round(float(values.mean()), 4),
        "standard_deviation": round(float(values.std()), 4),
        "fifth_percentile": round(float(np.percentile(values, 5)), 4),
        "data": data,
    }
