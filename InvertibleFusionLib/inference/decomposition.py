"""Taking fused images apart: exactly with the latent, or as well as the image alone allows."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.errors import (
    CertificationError,
    ConfigurationError,
    GridMismatchError,
    RecordMismatchError,
    UnsuitableVolumeError,
)
from InvertibleFusionLib.inference.fusion import OnSlice, as_voxel_type, finish
from InvertibleFusionLib.inference.plan import Settings, exact_plan, free_plan
from InvertibleFusionLib.inference.record import FusionRecord, SourceRecord, fusion_record, new_record, with_result
from InvertibleFusionLib.inference.slice_engine import FinishedSlice, Outputs, SliceJob, run_slices
from InvertibleFusionLib.inference.sources import voxel_digest
from InvertibleFusionLib.models.model import FusionNetwork, Model
from InvertibleFusionLib.volumes.grid import describe_difference, same_grid
from InvertibleFusionLib.volumes.intensity import IDENTITY_SCALE
from InvertibleFusionLib.volumes.slices import SliceStack, slice_axis
from InvertibleFusionLib.volumes.suitability import require_finite, require_no_label_map
from InvertibleFusionLib.volumes.volume import Volume

OUTSIDE = 1e-3
"""How far beyond [0, 1] rounding may bring a fused image that was stored and read again."""

IMAGE_TOLERANCE = 1e-6
"""How far sigmoid(y) may be from the image: sigmoids of different processors differ by a few 1e-8."""

HIDDEN_CHANNELS_IN_FLIGHT = 256
"""Upper estimate of float32 maps alive per slice, for sizing batches on an accelerator."""


@dataclass(frozen=True)
class Estimate:
    """One source, as a decomposition gives it.

    Attributes:
        mean: in the source's own numbers and units, on the fused image's grid.
        spread: standard deviation over the samples, same units; None on the exact way and for a single sample.
    """

    mean: Volume
    spread: Volume | None


@dataclass(frozen=True)
class Decomposition:
    """What decomposing gives.

    Attributes:
        sources: in the order in which they were fused.
        record: how it came to be; also in every volume.
    """

    sources: list[Estimate]
    record: dict[str, Any]

    def named_volumes(self) -> dict[str, Volume]:
        """All volumes by the names of their files: exact-1-ADC, or mean-1-ADC and spread-1-ADC, and so on."""
        volumes: dict[str, Volume] = {}
        for number, estimate in enumerate(self.sources, 1):
            for volume in (estimate.mean, estimate.spread):
                if volume is not None and volume.record is not None:
                    result = volume.record["result"]
                    name = volume.renamed(result["of"]).file_name
                    volumes[f"{result['kind']}-{number}-{name}"] = volume
        return volumes


def decompose(
    model: Model,
    image: Volume,
    *,
    latent: Volume | None = None,
    samples: int = 8,
    seed: int = 0,
    certify: bool = False,
    settings: Settings | None = None,
    on_slice: OnSlice | None = None,
) -> Decomposition:
    """Take a fused image apart into its sources.

    With ``latent``: the true inverse, exact. Without: what the fused image alone tells, as mean and spread over
    ``samples`` draws; the latent is neither needed nor used.

    Args:
        model: the model that fused the image.
        image: the fused image.
        latent: the latent volume that was kept with it.
        samples: draws of the lost part, for the decomposition from the image alone.
        seed: of the draws.
        certify: with a latent: compute in float64, and check that every whole-numbered source is, bit for bit, the one
            that was fused (by the digest in the record).
        settings: device and so on.
        on_slice: called after every slice.

    Raises:
        InvertibleFusionError: a subclass says what does not fit; see ``decompose_slices``.
    """
    run = decompose_slices(model, image, latent=latent, samples=samples, seed=seed, certify=certify, settings=settings)
    return finish(run, on_slice)


def decompose_slices(
    model: Model,
    image: Volume,
    *,
    latent: Volume | None = None,
    samples: int = 8,
    seed: int = 0,
    certify: bool = False,
    settings: Settings | None = None,
    first: int | None = None,
) -> Generator[FinishedSlice, None, Decomposition]:
    """``decompose`` slice by slice: yields each finished slice of the first source; returns the ``Decomposition``.

    Raises:
        ConfigurationError: no samples, certification without a latent, settings that cannot be exact.
        UnsuitableVolumeError: an image or latent with other components or values that are not finite.
        RecordMismatchError: image, latent and model that do not belong together, or an image changed since.
        GridMismatchError: a latent on another grid.
        CertificationError: a source that is not the one that was fused.
        InferenceError: no such device, values that are not finite, memory exhausted.
    """
    _require_fused_image(image)
    if seed < 0:
        raise ConfigurationError(f"The seed is a whole number from 0 on, not {seed}.")
    if samples < 1:
        raise ConfigurationError(f"A decomposition from the image alone needs at least one sample, not {samples}.")
    if certify and latent is None:
        raise ConfigurationError("Only the exact way can be certified. Give the latent that was kept with the image.")
    origin = _origin(model, image, latent)
    _require_unit_range(image)
    stack = SliceStack(image.grid, origin.slice_axis, model.network.multiple)
    _require_scales_fit(origin, stack, image)
    filling = _Filling.empty(origin, stack, with_spread=latent is None and samples > 1, double=certify)
    if latent is not None:
        _require_belongs(image, latent, stack, origin, model)
        plan = exact_plan(settings or Settings(), double=certify)
        job = _exact_job(latent, stack, filling)
    else:
        pixels = stack.padded_shape[0] * stack.padded_shape[1]
        plan = free_plan(settings or Settings(), 4 * HIDDEN_CHANNELS_IN_FLIGHT * pixels)
        job = _image_alone_job(image, stack, filling, samples, seed)
    start = stack.count // 2 if first is None else first
    for done, (index, used) in enumerate(run_slices(job, model.network, plan, start), 1):
        plan = used  # memory may have run out: the record says what was done, not what was meant
        yield FinishedSlice(index, done, stack.count, stack.slices(filling.means[0])[index])
    alone = {"way": "image alone", "samples": samples, "seed": seed}
    way = alone if latent is None else {"way": "exact", "certify": certify}
    return _finished(model, origin, filling, {**plan.to_json(), **way})


def _origin(model: Model, image: Volume, latent: Volume | None) -> FusionRecord:
    """What is known of how the image was fused; without any record, the model's inputs in the network's numbers."""
    record = fusion_record(image) or (fusion_record(latent) if latent is not None else None)
    if record is None:
        axis = slice_axis(image.grid, "axial")
        unknown = [SourceRecord(name, "", "float32", "", IDENTITY_SCALE, None) for name in model.card.inputs]
        return FusionRecord(model.card.name, model.sha256, axis, "", unknown, {})
    if record.model_sha256 != model.sha256:
        raise RecordMismatchError(
            f"{image.name} was fused by the model {record.model_name} (sha256 {record.model_sha256[:12]}…), not by "
            f"{model.card.name} (sha256 {model.sha256[:12]}…). Take it apart with the model that fused it."
        )
    if len(record.sources) != model.network.sources:
        raise RecordMismatchError(
            f"The record in {image.name} speaks of {len(record.sources)} sources, the model {model.card.name} has "
            f"{model.network.sources}."
        )
    return record


def _require_fused_image(image: Volume) -> None:
    if image.components != 1 or image.array.size == 0:
        raise UnsuitableVolumeError(
            f"{image.name} has {image.components} values per voxel, {image.array.size} in all; a fused image has one "
            "per voxel. Give the fused image, not the latent."
        )
    require_finite(image)
    require_no_label_map(image)


def _require_unit_range(image: Volume) -> None:
    smallest, largest = float(image.array.min()), float(image.array.max())
    if smallest < -OUTSIDE or largest > 1 + OUTSIDE:
        raise UnsuitableVolumeError(
            f"{image.name} has values from {smallest:g} to {largest:g}; a fused image lies between 0 and 1. Give the "
            "fused image itself, or scale it back to that range if it was stored in another."
        )


def _require_scales_fit(origin: FusionRecord, stack: SliceStack, image: Volume) -> None:
    counts = {len(source.scale.gain) for source in origin.sources} - {1, stack.count}
    if counts or not 0 <= origin.slice_axis <= 2:
        raise RecordMismatchError(
            f"{image.name} has {stack.count} slices, but its record holds intensity constants for {sorted(counts)}. "
            "It was cropped since it was fused; take the whole image apart."
        )


def _require_belongs(image: Volume, latent: Volume, stack: SliceStack, origin: FusionRecord, model: Model) -> None:
    if latent.components != model.network.sources:
        raise UnsuitableVolumeError(
            f"{latent.name} has {latent.components} values per voxel; the latent of {model.card.name} has "
            f"{model.network.sources}."
        )
    require_finite(latent)
    if not same_grid(stack.padded_grid, latent.grid):
        raise GridMismatchError(
            f"{latent.name} does not lie on the grid of {image.name}: it has "
            f"{describe_difference(stack.padded_grid, latent.grid)}. Give the latent that was written with this image."
        )
    if origin.latent_sha256 and voxel_digest(latent.array) != origin.latent_sha256:
        raise RecordMismatchError(
            f"{latent.name} is not the latent that was kept with {image.name}, or it was changed since: its digest "
            "differs from the one in the record. Give the unchanged latent, or leave it out to decompose what is shown."
        )
    worst = 0.0
    for shown, kept in zip(stack.slices(image.array), stack.slices(latent.array), strict=True):
        expected = torch.sigmoid(torch.from_numpy(np.ascontiguousarray(stack.crop(kept[..., 0])))).numpy()
        worst = max(worst, float(np.abs(expected - shown).max()))
    if worst > IMAGE_TOLERANCE:
        raise RecordMismatchError(
            f"{image.name} is not the image that {latent.name} belongs to, or it was changed since: values differ by "
            f"up to {worst:.2g}. Give the unchanged fused image, or leave the latent out to decompose what is shown."
        )


@dataclass
class _Filling:
    """The results while they are being filled, one (k, j, i) array for each source."""

    origin: FusionRecord
    stack: SliceStack
    means: list[NDArray[Any]]
    spreads: list[NDArray[Any]]

    @classmethod
    def empty(cls, origin: FusionRecord, stack: SliceStack, with_spread: bool, double: bool) -> "_Filling":
        shape = tuple(reversed(stack.grid.size))
        kept = [np.dtype(source.voxel_type) for source in origin.sources]
        # float32 holds 24 bits: wider sources come back in float64.
        types = kept if double else [np.promote_types(dtype, np.float32) for dtype in kept]
        spreads = [np.zeros(shape, np.float32) for _ in types] if with_spread else []
        return cls(origin, stack, [np.zeros(shape, dtype) for dtype in types], spreads)

    def store(self, index: int, outputs: list[NDArray[Any]]) -> None:
        for number, source in enumerate(self.origin.sources):
            mean = source.scale.undo(self.stack.crop(outputs[0][number]), index)
            self.stack.slices(self.means[number])[index] = as_voxel_type(mean, self.means[number].dtype)
            if self.spreads:
                spread = source.scale.undo_spread(self.stack.crop(outputs[1][number]), index)
                self.stack.slices(self.spreads[number])[index] = spread


def _exact_job(latent: Volume, stack: SliceStack, filling: _Filling) -> SliceJob:
    slices = stack.slices(latent.array)

    def compute(network: FusionNetwork, inputs: Tensor, indices: Sequence[int]) -> Outputs:
        return (network.inverse(inputs),)

    return SliceJob(stack.count, lambda index: np.moveaxis(slices[index], -1, 0), compute, filling.store)


def _image_alone_job(image: Volume, stack: SliceStack, filling: _Filling, samples: int, seed: int) -> SliceJob:
    slices = stack.slices(image.array)

    def load(index: int) -> NDArray[Any]:
        return stack.pad(slices[index].astype(np.float32))[None]

    def compute(network: FusionNetwork, inputs: Tensor, indices: Sequence[int]) -> Outputs:
        seeds = [int(np.random.SeedSequence([seed, index]).generate_state(1)[0]) for index in indices]
        mean, spread = network.decompose(inputs, samples=samples, seeds=seeds)
        return (mean,) if spread is None else (mean, spread)

    return SliceJob(stack.count, load, compute, filling.store)


def _finished(model: Model, origin: FusionRecord, filling: _Filling, settings: dict[str, Any]) -> Decomposition:
    record = new_record("decompose", model, settings, list(origin.data.get("sources", [])))
    record["fused"] = {key: origin.data.get(key) for key in ("created", "library", "settings")}
    if settings.get("certify"):
        record["certificate"] = _certificate(origin, filling)
    kind = "exact" if settings["way"] == "exact" else "mean"
    estimates = []
    for number, source in enumerate(origin.sources):
        mean = _result(record, filling, filling.means[number], source, kind, number)
        spread = (
            _result(record, filling, filling.spreads[number], source, "spread", number) if filling.spreads else None
        )
        estimates.append(Estimate(mean, spread))
    return Decomposition(estimates, record)


def _result(
    record: dict[str, Any], filling: _Filling, array: NDArray[Any], source: SourceRecord, kind: str, number: int
) -> Volume:
    resampled = f" resampled onto the grid of {source.resampled_onto}" if source.resampled_onto else ""
    way = {"exact": "", "mean": ", mean from the fused image alone", "spread": ", spread from the fused image alone"}
    name = f"{source.name}{resampled}{way[kind]}"
    result = with_result(record, kind, name, source.units, source=number + 1, of=source.name)
    return Volume.on_grid(array, filling.stack.grid, name=name, units=source.units, record=result)


def _certificate(origin: FusionRecord, filling: _Filling) -> list[dict[str, Any]]:
    """Compare digests: the sources themselves need not be there any more."""
    certificate = []
    for source, array in zip(origin.sources, filling.means, strict=True):
        if not source.voxels_sha256:
            raise CertificationError("The image carries no record of its sources; nothing can be certified without it.")
        whole = not np.issubdtype(array.dtype, np.floating)
        identical = voxel_digest(array) == source.voxels_sha256
        if whole and not identical:
            raise CertificationError(
                f"{source.name} did not come back bit for bit. Fuse the sources with certification, which computes in "
                "float64 both ways, and take that image apart."
            )
        certificate.append({"source": source.name, "bit_for_bit": identical, "whole_numbers": whole})
    return certificate
