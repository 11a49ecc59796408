"""Measuring fusion networks that run one way only: their images, with the trivial rules beside them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from InvertibleFusionLib.models.model import FusionNetwork
from InvertibleFusionLib.training.data import PatientSlices
from InvertibleFusionLib.training.validation import Images, Measurement, fusion_quality, fusion_similarity, padded


def quick_fusion_check(network: FusionNetwork, images: Sequence[Images]) -> dict[str, float]:
    """Fusion SSIM on a few slices while a model learns; "score" is the same and better higher.

    Args:
        network: in evaluation mode.
        images: slices (contrasts, rows, columns) in [0, 1].
    """
    similarity = float(np.mean([fusion_similarity(fused_slice(network, slices), slices) for slices in images]))
    return {"fusion SSIM": similarity, "score": similarity}


def measure_fusion(
    network: FusionNetwork, patients: Sequence[PatientSlices], contrasts: Sequence[str], scaling: str
) -> Measurement:
    """SSIM and Q_AB/F of fused images, slice by slice, and inside the lesion.

    Args:
        network: in evaluation mode.
        patients: slices in [0, 1], as ``training.data.for_reporting`` gives them.
        contrasts: names of the sources.
        scaling: of the slices, in words.
    """
    rows = []
    for patient in patients:
        for number, each in enumerate(patient.images):
            images = np.asarray(each)
            lesion = None if patient.mask is None else patient.mask[number]
            row = fusion_quality(fused_slice(network, images), images, contrasts, lesion)
            rows.append((patient.patient, number, row))
    names = ", ".join(dict.fromkeys(patient.patient for patient in patients))
    return Measurement(rows, {}, f"{names}: {len(rows)} axial slices, {scaling}")


def fused_slice(network: FusionNetwork, images: Images) -> Tensor:
    """A slice's sources (contrasts, rows, columns) to the fused image, (1, 1, rows, columns), on the CPU."""
    rows, columns = images.shape[1:]
    with torch.inference_mode():
        fused = network.image(network(padded(images, network)))
    return fused[..., :rows, :columns].cpu().clone()
