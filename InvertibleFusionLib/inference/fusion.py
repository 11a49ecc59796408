"""Fusing volumes: sources to a fused image, its latent and a record."""

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.errors import CertificationError
from InvertibleFusionLib.inference.forward import ForwardResults, far_out, image_and_latent
from InvertibleFusionLib.inference.plan import Plan, Settings, exact_plan, free_plan
from InvertibleFusionLib.inference.record import new_record, with_result
from InvertibleFusionLib.inference.slice_engine import (
    FinishedSlice,
    OnSlice,
    Outputs,
    SliceJob,
    finish,
    finished_slices,
)
from InvertibleFusionLib.inference.sources import PreparedSources, as_voxel_type, prepare_sources, voxel_digest
from InvertibleFusionLib.models.model import FusionNetwork, InvertibleFusionNetwork, Model
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.slices import Axis, SliceStack
from InvertibleFusionLib.volumes.volume import Volume

CHECKED_BEYOND = 20.0
"""Scaled values beyond which a slice is taken back at once, to see whether it comes back exactly."""


@dataclass(frozen=True)
class Fusion:
    """What fusing gives.

    Attributes:
        image: the fused image, float32 in [0, 1], on the reference's grid.
        latent: two float32 components (y, z) with image = sigmoid(y); sizes padded at the far end where the network
            needs it. With it the sources come back exactly. None for a network that does not run backwards.
        record: how it came to be; also in both volumes.
    """

    image: Volume
    latent: Volume | None
    record: dict[str, Any]

    def named_volumes(self) -> dict[str, Volume]:
        """All volumes by the names of their files: fused, and latent where there is one."""
        return {"fused": self.image} if self.latent is None else {"fused": self.image, "latent": self.latent}


def fuse(
    model: Model,
    sources: Sequence[Volume],
    *,
    reference: int = 0,
    resample: bool = False,
    axis: Axis = "axial",
    certify: bool = False,
    settings: Settings | None = None,
    on_slice: OnSlice | None = None,
) -> Fusion:
    """Fuse volumes into one image that can be taken apart again.

    Args:
        model: a fusion model.
        sources: one grey volume for each input of the model, in its order.
        reference: number of the source, from 0, whose grid the result has.
        resample: put sources on the reference's grid where theirs differ, instead of refusing.
        axis: along which slices run; models are trained on axial ones.
        certify: compute in float64 and go back at once: integer sources must return bit for bit.
        settings: device and so on.
        on_slice: called after every slice.

    Raises:
        InvertibleFusionError: a subclass says what does not fit; see ``fuse_slices``.
    """
    run = fuse_slices(
        model, sources, reference=reference, resample=resample, axis=axis, certify=certify, settings=settings
    )
    return finish(run, on_slice)


def fuse_slices(
    model: Model,
    sources: Sequence[Volume],
    *,
    reference: int = 0,
    resample: bool = False,
    axis: Axis = "axial",
    certify: bool = False,
    settings: Settings | None = None,
    first: int | None = None,
) -> Generator[FinishedSlice, None, Fusion]:
    """``fuse`` slice by slice: yields each finished slice, ``first`` (the middle one by default) before the others.

    The generator's return value is the ``Fusion``. Closing the generator cancels.

    Raises:
        ConfigurationError: a model that does not fuse, or not so that it could be certified; wrong number of sources,
            unknown axis, settings that cannot be exact.
        UnsuitableVolumeError: a source that is not a grey image of finite values that vary.
        GridMismatchError: grids that differ or do not overlap.
        CertificationError: an integer source does not come back bit for bit.
        InferenceError: no such device, memory exhausted, values so extreme that they cannot come back exactly.
    """
    network = model.invertible_fusion_network if certify else model.fusion_network
    prepared = prepare_sources(model, sources, reference, resample, axis)
    stack = prepared.stack
    plan = _plan(settings or Settings(), network, stack, certify)
    invertible = isinstance(network, InvertibleFusionNetwork)
    results = ForwardResults.empty(prepared, [1], network.sources if invertible else None)
    certifying = _Certifying.of(prepared) if certify else None
    dtype = np.float64 if certify else np.float32

    def compute(network: FusionNetwork, inputs: Tensor, indices: Sequence[int]) -> Outputs:
        if isinstance(network, InvertibleFusionNetwork):
            return image_and_latent(network, network.image, inputs, certify or far_out(inputs, CHECKED_BEYOND))
        return (network.image(network(inputs)),)

    def store(index: int, outputs: list[NDArray[Any]]) -> None:
        results.store(index, outputs)
        if certifying is not None:
            certifying.compare(index, outputs[2])

    job = SliceJob(stack.count, lambda index: prepared.load(index, dtype), compute, store)
    plan = yield from finished_slices(job, network, plan, first, stack.slices(results.images[0]))
    return _finished(model, results, certifying, plan)


def _plan(settings: Settings, network: FusionNetwork, stack: SliceStack, certify: bool) -> Plan:
    if isinstance(network, InvertibleFusionNetwork):
        return exact_plan(settings, double=certify)
    return free_plan(settings, stack.padded_shape[0] * stack.padded_shape[1])


@dataclass
class _Certifying:
    """Counts what does not come back the same.

    Attributes:
        prepared: the sources.
        differing: voxels, for each source.
        largest: the largest difference, in the source's units, for each source.
        counting: held while these two are changed, since slices are stored side by side.
    """

    prepared: PreparedSources
    differing: list[int] = field(default_factory=list)
    largest: list[float] = field(default_factory=list)
    counting: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, prepared: PreparedSources) -> "_Certifying":
        count = len(prepared.volumes)
        return cls(prepared, [0] * count, [0.0] * count)

    def compare(self, index: int, recovered: NDArray[Any]) -> None:
        for number, (volume, values) in enumerate(
            zip(self.prepared.volumes, self.prepared.in_own_numbers(recovered, index), strict=True)
        ):
            original = self.prepared.stack.slices(volume.array)[index]
            back = as_voxel_type(values, volume.array.dtype)
            difference = np.abs(back.astype(np.float64) - original.astype(np.float64))
            differing, largest = int((back != original).sum()), float(difference.max())
            with self.counting:
                self.differing[number] += differing
                self.largest[number] = max(self.largest[number], largest)

    def certificate(self) -> list[dict[str, Any]]:
        """What was found, for the record.

        Raises:
            CertificationError: for a source of whole numbers that differs.
        """
        certificate = []
        for volume, differing, largest in zip(self.prepared.volumes, self.differing, self.largest, strict=True):
            whole = not np.issubdtype(volume.array.dtype, np.floating)
            if whole and differing:
                raise CertificationError(
                    f"{volume.name} does not come back bit for bit: {differing} of {volume.array.size} voxels differ, "
                    f"by up to {largest:g}. Its values span too wide a range for the latent's float32. Fuse it "
                    "uncertified."
                )
            certificate.append(
                {
                    "source": volume.name,
                    "bit_for_bit": differing == 0,
                    "largest_difference": largest,
                    "whole_numbers": whole,
                }
            )
        return certificate


def _finished(model: Model, results: ForwardResults, certifying: _Certifying | None, plan: Plan) -> Fusion:
    prepared = results.prepared
    settings = {**plan.to_json(), **prepared.settings(), "certify": certifying is not None}
    record = new_record("fuse", model, settings, prepared.to_json())
    if certifying is not None:
        record["certificate"] = certifying.certificate()
    record["latent_sha256"] = "" if results.latent is None else voxel_digest(results.latent)
    names = " + ".join(volume.name for volume in prepared.volumes)
    image = _result(record, results.images[0], prepared.stack.grid, "fused", f"fused {names}")
    latent = None
    if results.latent is not None:
        latent = _result(record, results.latent, prepared.stack.padded_grid, "latent", f"latent of {names}")
    return Fusion(image, latent, record)


def _result(record: dict[str, Any], array: NDArray[np.float32], grid: Grid, kind: str, name: str) -> Volume:
    return Volume.on_grid(array, grid, name=name, record=with_result(record, kind, name))
