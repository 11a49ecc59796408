"""Fusing volumes: sources to a fused image, its latent and a record."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.errors import CertificationError, InferenceError
from InvertibleFusionLib.inference.plan import Plan, Settings, exact_plan
from InvertibleFusionLib.inference.record import new_record, with_result
from InvertibleFusionLib.inference.slice_engine import FinishedSlice, Outputs, SliceJob, run_slices
from InvertibleFusionLib.inference.sources import PreparedSources, prepare_sources, voxel_digest
from InvertibleFusionLib.models.model import FusionNetwork, Model
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.slices import Axis
from InvertibleFusionLib.volumes.volume import Volume

Result = TypeVar("Result")
EXACT_SHARE = 1e-5
"""What "exact" promises: the largest error as a share of the source's range."""
CHECKED_BEYOND = 20.0
"""Scaled values are about 0 to 1; slices with values beyond this are taken back at once to see whether it holds."""

OnSlice = Callable[[FinishedSlice], None]


@dataclass(frozen=True)
class Fusion:
    """What fusing gives.

    Attributes:
        image: the fused image, float32 in [0, 1], on the reference's grid.
        latent: two float32 components (y, z) with image = sigmoid(y); sizes padded at the far end where the network
            needs it. With it the sources come back exactly.
        record: how it came to be; also in both volumes.
    """

    image: Volume
    latent: Volume
    record: dict[str, Any]


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
        ConfigurationError: wrong number of sources, unknown axis, settings that cannot be exact.
        UnsuitableVolumeError: a source that is not a grey image of finite values that vary.
        GridMismatchError: grids that differ or do not overlap.
        CertificationError: an integer source does not come back bit for bit.
        InferenceError: no such device, memory exhausted, values so extreme that they cannot come back exactly.
    """
    plan = exact_plan(settings or Settings(), double=certify)
    prepared = prepare_sources(model, sources, reference, resample, axis)
    filling = _Filling.empty(prepared, certify)
    stack = prepared.stack
    dtype = np.float64 if certify else np.float32
    job = SliceJob(stack.count, lambda index: prepared.load(index, dtype), filling.compute, filling.store)
    start = stack.count // 2 if first is None else first
    for done, (index, used) in enumerate(run_slices(job, model.network, plan, start), 1):
        plan = used  # memory may have run out: the record says what was done, not what was meant
        yield FinishedSlice(index, done, stack.count, stack.slices(filling.image)[index])
    return _finished(model, prepared, filling, plan)


def finish(run: Generator[FinishedSlice, None, Result], on_slice: OnSlice | None = None) -> Result:
    """Take all slices of a run and give its result."""
    while True:
        try:
            finished = next(run)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        if on_slice is not None:
            on_slice(finished)


@dataclass
class _Filling:
    """The results while they are being filled.

    Attributes:
        prepared: the sources.
        certify: whether to go back at once and compare.
        image: (k, j, i).
        latent: (k, j, i, components), padded.
        differing: voxels that did not come back the same, for each source.
        largest: the largest difference, in the source's units, for each source.
    """

    prepared: PreparedSources
    certify: bool
    image: NDArray[np.float32]
    latent: NDArray[np.float32]
    differing: list[int] = field(default_factory=list)
    largest: list[float] = field(default_factory=list)

    @classmethod
    def empty(cls, prepared: PreparedSources, certify: bool) -> "_Filling":
        count = len(prepared.volumes)
        shape = tuple(reversed(prepared.stack.grid.size))
        padded = tuple(reversed(prepared.stack.padded_grid.size))
        image, latent = np.zeros(shape, np.float32), np.zeros((*padded, count), np.float32)
        return cls(prepared, certify, image, latent, [0] * count, [0.0] * count)

    def compute(self, network: FusionNetwork, inputs: Tensor, indices: Sequence[int]) -> Outputs:
        # The latent is kept in float32: the image is that of the kept latent, and so is the way back.
        latent: Tensor = network(inputs).float().to(inputs.dtype)
        image = network.image(latent)
        if self.certify or float(inputs.abs().max()) > CHECKED_BEYOND:
            return image, latent, network.inverse(latent)
        return image, latent

    def store(self, index: int, outputs: list[NDArray[Any]]) -> None:
        stack = self.prepared.stack
        stack.slices(self.image)[index] = stack.crop(outputs[0][0])
        stack.slices(self.latent)[index] = np.moveaxis(outputs[1], 0, -1)
        if len(outputs) == 3:
            self._require_exact(index, stack.crop(outputs[2]))
        if self.certify:
            self._compare(index, stack.crop(outputs[2]))

    def _require_exact(self, index: int, recovered: NDArray[Any]) -> None:
        """Refuse values so far out that the arithmetic loses the others on the way back."""
        for number, (volume, scale) in enumerate(zip(self.prepared.volumes, self.prepared.scales, strict=True)):
            original = self.prepared.stack.slices(volume.array)[index].astype(np.float64)
            error = float(np.abs(scale.undo(recovered[number], index) - original).max())
            allowed = EXACT_SHARE * (float(volume.array.max()) - float(volume.array.min()))
            if error > allowed:
                extremes = {v.name: float(np.abs(v.array).max()) for v in self.prepared.volumes}
                raise InferenceError(
                    f"On slice {index + 1} {volume.name} would come back wrong by up to {error:.3g}: values lie so far "
                    f"outside what the model knows that the arithmetic drowns the others. The largest values are "
                    f"{', '.join(f'{value:.4g} in {name}' for name, value in extremes.items())}. Correct the outliers "
                    "in the source first."
                )

    def _compare(self, index: int, recovered: NDArray[Any]) -> None:
        for number, (volume, scale) in enumerate(zip(self.prepared.volumes, self.prepared.scales, strict=True)):
            original = self.prepared.stack.slices(volume.array)[index]
            back = as_voxel_type(scale.undo(recovered[number], index), volume.array.dtype)
            difference = np.abs(back.astype(np.float64) - original.astype(np.float64))
            self.differing[number] += int((back != original).sum())
            self.largest[number] = max(self.largest[number], float(difference.max()))


def as_voxel_type(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values in a source's voxel type: rounded and kept within its range where it has whole numbers."""
    if np.issubdtype(dtype, np.floating):
        return values.astype(dtype)
    if dtype == np.bool_:
        return values >= 0.5
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)


def _finished(model: Model, prepared: PreparedSources, filling: _Filling, plan: Plan) -> Fusion:
    settings = {
        **plan.to_json(),
        "reference": prepared.reference,
        "slice_axis": prepared.stack.axis,
        "certify": filling.certify,
    }
    record = new_record("fuse", model, settings, prepared.to_json())
    if filling.certify:
        record["certificate"] = _certificate(prepared, filling)
    record["latent_sha256"] = voxel_digest(filling.latent)
    names = " + ".join(volume.name for volume in prepared.volumes)
    image = _result(record, filling.image, prepared.stack.grid, "fused", f"fused {names}")
    latent = _result(record, filling.latent, prepared.stack.padded_grid, "latent", f"latent of {names}")
    return Fusion(image, latent, record)


def _result(record: dict[str, Any], array: NDArray[np.float32], grid: Grid, kind: str, name: str) -> Volume:
    return Volume.on_grid(array, grid, name=name, record=with_result(record, kind, name))


def _certificate(prepared: PreparedSources, filling: _Filling) -> list[dict[str, Any]]:
    certificate = []
    for volume, differing, largest in zip(prepared.volumes, filling.differing, filling.largest, strict=True):
        whole = not np.issubdtype(volume.array.dtype, np.floating)
        if whole and differing:
            raise CertificationError(
                f"{volume.name} does not come back bit for bit: {differing} of {volume.array.size} voxels differ, by "
                f"up to {largest:g}. Its values span too wide a range for the latent's float32. Fuse it uncertified."
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
