"""Measuring a fusion model on patients that it has not seen, with the trivial rules beside it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.metrics.calibration import Calibration, calibration
from InvertibleFusionLib.metrics.gradient_preservation import gradient_preservation
from InvertibleFusionLib.metrics.structural_similarity import WINDOW, structural_similarity_map
from InvertibleFusionLib.models.card_in_words import CALIBRATED_WITHIN, spread_place
from InvertibleFusionLib.models.model import FusionNetwork, InvertibleFusionNetwork, SynthesisNetwork
from InvertibleFusionLib.training.data import PatientSlices
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.slices import SliceStack

SAMPLES = 8
"""Draws of z behind a mean decomposition, as ``decompose`` makes by default."""
HEAD_LEVEL = 0.05
Images = NDArray[np.float32]
Row = dict[str, float]


@dataclass(frozen=True)
class Measurement:
    """What was measured on a set of patients.

    Attributes:
        rows: for each slice its patient, its number among the patient's slices, and the measures by name. A measure
            that a slice does not have (no lesion, say) is missing from its row.
        calibration: of the spread over the draws of each contrast, inside the head, all slices together.
        data: what was measured, in words.
    """

    rows: list[tuple[str, int, Row]]
    calibration: dict[str, Calibration]
    data: str

    def beside(self, rows: Sequence[Row]) -> "Measurement":
        """The same with more measures of every slice, in the order of the rows."""
        joined = [(patient, number, row | more) for (patient, number, row), more in zip(self.rows, rows, strict=True)]
        return replace(self, rows=joined)

    def summaries(self) -> list[dict[str, Any]]:
        """For a model's card: of each measure the distribution over slices, and the spread's calibration."""
        names = list(dict.fromkeys(name for _, _, row in self.rows for name in row))
        summaries = []
        for name in names:
            values = np.array([row[name] for _, _, row in self.rows if name in row])
            summaries.append(_summary(name, values, self.data))
        return summaries + [_calibration_summary(name, each, self.data) for name, each in self.calibration.items()]


def quick_check(network: InvertibleFusionNetwork, images: Sequence[Images]) -> dict[str, float]:
    """Fusion and decomposition SSIM on a few slices while a model learns; "score", the mean of both, is better higher.

    The decomposition is the mean of a mirrored pair of draws, which is near that of many.

    Args:
        network: in evaluation mode.
        images: slices (contrasts, rows, columns) in [0, 1].
    """
    fusion, decomposition = [], []
    for number, slices in enumerate(images):
        sources = torch.from_numpy(slices)[None]
        fused, decomposed, _ = _forth_and_back(network, slices, number, 2)
        fusion.append(fusion_similarity(fused, slices))
        decomposition.append(float(_similarities(decomposed, sources).mean()))
    result = {"fusion SSIM": float(np.mean(fusion)), "decomposition SSIM": float(np.mean(decomposition))}
    return {**result, "score": float(np.mean(list(result.values())))}


def measure(
    network: InvertibleFusionNetwork, patients: Sequence[PatientSlices], contrasts: Sequence[str], scaling: str
) -> Measurement:
    """SSIM and Q_AB/F of fused images and SSIM of decomposed ones, slice by slice.

    Args:
        network: in evaluation mode.
        patients: slices in [0, 1], as ``training.data.for_reporting`` gives them.
        contrasts: names of the sources.
        scaling: of the slices, in words.
    """
    rows, spreads = [], []
    for patient in patients:
        for number, images in enumerate(patient.images):
            lesion = None if patient.mask is None else patient.mask[number]
            row, spread = _measure_slice(network, np.asarray(images), contrasts, number, lesion)
            rows.append((patient.patient, number, row))
            spreads.append(spread)
    names = ", ".join(dict.fromkeys(patient.patient for patient in patients))
    return Measurement(rows, _calibrations(spreads, contrasts), f"{names}: {len(rows)} axial slices, {scaling}")


@dataclass(frozen=True)
class _Spread:
    """Decomposed sources, what they should be, and the predicted spread inside the head; (contrasts, voxels)."""

    decomposed: Images
    sources: Images
    spread: Images


def _measure_slice(
    network: InvertibleFusionNetwork,
    images: Images,
    contrasts: Sequence[str],
    number: int,
    lesion: NDArray[np.bool_] | None,
) -> tuple[Row, _Spread]:
    sources = torch.from_numpy(images)[None]
    head = head_of(images)
    fused, several, spread = _forth_and_back(network, images, number, SAMPLES)
    _, single, _ = _forth_and_back(network, images, number, 1)
    _, rounded, _ = _forth_and_back(network, images, number, SAMPLES, bits=12)
    row = fusion_quality(fused, images, contrasts, lesion)
    for image, how in (
        (single, "one sample"),
        (several, f"mean of {SAMPLES} samples"),
        (rounded, f"mean of {SAMPLES} samples, fused image rounded to 12 bits"),
    ):
        for contrast, value in zip(contrasts, _similarities(image, sources), strict=True):
            row[f"decomposition SSIM of {contrast} from the image alone, {how}"] = float(value)
    for where, mask in (("head", head), ("lesion", lesion)):
        for contrast, value in zip(contrasts, _inside(several, sources, mask), strict=False):
            row[f"decomposition SSIM of {contrast} from the image alone, inside the {where}"] = float(value)
    assert spread is not None
    return row, _Spread(several[0].numpy()[:, head], images[:, head], spread[0].numpy()[:, head])


def fusion_quality(fused: Tensor, images: Images, contrasts: Sequence[str], lesion: NDArray[np.bool_] | None) -> Row:
    """How good a fused slice is, with the trivial rules beside it.

    Args:
        fused: (1, 1, rows, columns) in [0, 1].
        images: the sources, (contrasts, rows, columns).
        contrasts: their names.
        lesion: (rows, columns); None where there is no mask.
    """
    sources = torch.from_numpy(images)[None]
    row: Row = {}
    for rule, image in (
        ("", fused),
        ("mean of the sources: ", sources.mean(1, keepdim=True)),
        ("maximum of the sources: ", sources.amax(1, keepdim=True)),
    ):
        row |= {f"{rule}{name}": value for name, value in _fusion_row(image, sources, contrasts, lesion).items()}
    return row


def fusion_similarity(fused: Tensor, images: Images) -> float:
    """Mean SSIM of a fused slice with its sources, as for ``fusion_quality``."""
    sources = torch.from_numpy(images)[None]
    return float(_similarities(fused.expand_as(sources), sources).mean())


def _fusion_row(fused: Tensor, sources: Tensor, contrasts: Sequence[str], lesion: NDArray[np.bool_] | None) -> Row:
    """How alike a fused image (1, 1, rows, columns) is to both sources, to each, and inside the lesion."""
    twice = fused.expand_as(sources)
    of_each = _similarities(twice, sources)
    row = {"fusion SSIM, mean of both sources": float(of_each.mean())}
    row |= {f"fusion SSIM with {contrast}": float(value) for contrast, value in zip(contrasts, of_each, strict=True)}
    for contrast, value in zip(contrasts, _inside(twice, sources, lesion), strict=False):
        row[f"fusion SSIM with {contrast}, inside the lesion"] = value
    row["fusion Q_AB/F"] = gradient_preservation(fused[0, 0].numpy(), list(sources[0].numpy()))
    return row


def head_of(images: Images) -> NDArray[np.bool_]:
    """Where the head (or the brain, if the skull was stripped) is in a slice (contrasts, rows, columns): filled."""
    bright = (images > HEAD_LEVEL).any(axis=0).astype(np.uint8)
    filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(bright)))
    return np.asarray(filled, dtype=np.bool_)


def _forth_and_back(
    network: InvertibleFusionNetwork, images: Images, seed: int, samples: int, bits: int = 0
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The fused image, the sources from it alone, and their spread; cropped, (1, …, rows, columns)."""
    rows, columns = images.shape[1:]
    with torch.inference_mode():
        fused = network.image(network(padded(images, network)))
        levels = 2**bits - 1
        seen = torch.round(fused * levels) / levels if bits else fused
        decomposed, spread = network.decompose(seen, samples=samples, seeds=[seed])

    def cropped(image: Tensor) -> Tensor:
        return image[..., :rows, :columns].cpu().clone()

    return cropped(fused), cropped(decomposed), None if spread is None else cropped(spread)


def padded(images: Images, network: FusionNetwork | SynthesisNetwork) -> Tensor:
    """A slice (channels, rows, columns) as a batch of one that the network takes, on the network's device.

    Its size is raised to the network's multiple as the slice engine does.
    """
    stack = SliceStack(Grid((images.shape[2], images.shape[1], 1), (1, 1, 1), (0, 0, 0)), 0, network.multiple)
    batch = torch.from_numpy(stack.pad(images))[None]
    weights: Iterable[Tensor] = network.state_dict().values()
    return batch.to(next((weight.device for weight in weights), batch.device))


def _similarities(images: Tensor, sources: Tensor) -> NDArray[np.float64]:
    """SSIM of each contrast of one slice."""
    return np.asarray(structural_similarity_map(images.double(), sources.double())[0].mean(dim=(1, 2)).numpy())


def _inside(images: Tensor, sources: Tensor, mask: NDArray[np.bool_] | None) -> list[float]:
    """SSIM of each contrast over the windows whose centre lies in the mask; nothing where there is none."""
    border = WINDOW // 2
    centres = None if mask is None else mask[border:-border, border:-border]
    if centres is None or not centres.any():
        return []
    similarity = structural_similarity_map(images.double(), sources.double())[0].numpy()
    return [float(each[centres].mean()) for each in similarity]


def _calibrations(spreads: Sequence[_Spread], contrasts: Sequence[str]) -> dict[str, Calibration]:
    results = {}
    for number, contrast in enumerate(contrasts):
        decomposed, sources, spread = (
            np.concatenate([getattr(each, name)[number] for each in spreads])[None]
            for name in ("decomposed", "sources", "spread")
        )
        if decomposed.size:
            results[contrast] = calibration(decomposed, sources, spread)
    return results


def _summary(name: str, values: NDArray[np.float64], data: str) -> dict[str, Any]:
    low, lower, median, upper, high = (_rounded(each) for each in np.percentile(values, (5, 25, 50, 75, 95)))
    return {
        "name": name,
        "mean": _rounded(values.mean()),
        "standard_deviation": _rounded(values.std()),
        "percentiles": {"5": low, "25": lower, "50": median, "75": upper, "95": high},
        "slices": len(values),
        "data": data,
    }


def _rounded(value: np.floating[Any]) -> float:
    """To four digits: decibels as well as an NMSE of a ten-thousandth."""
    return float(f"{value:.4g}")


def calibration_reading(measured: Calibration) -> str:
    """What the spread is worth, in words: whether it is as large as the error and shows where errors are."""
    if 1 / CALIBRATED_WITHIN <= measured.scale <= CALIBRATED_WITHIN:
        size = "The spread is about as large as the error: it is calibrated on these slices."
    else:
        size = f"The spread is not calibrated: errors are {measured.scale:.2g} times as large."
    return f"{size} {spread_place(measured.pearson)}"


def _calibration_summary(contrast: str, measured: Calibration, data: str) -> dict[str, Any]:
    return {
        "name": f"calibration of the spread of {contrast}, inside the head",
        "pearson": round(measured.pearson, 3),
        "spearman": round(measured.spearman, 3),
        "within_one_spread": round(measured.within_one, 3),
        "within_two_spreads": round(measured.within_two, 3),
        # Strict JSON knows no infinity, which is the scale of a spread that is zero everywhere.
        "scale": round(measured.scale, 3) if math.isfinite(measured.scale) else None,
        "reading": calibration_reading(measured),
        "reliability": [[round(b.spread, 5), round(b.error, 5), b.count] for b in measured.bins],
        "data": data,
    }
