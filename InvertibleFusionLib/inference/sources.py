"""Making sources ready for a model: checked, on one grid, scaled, cut into slices."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError, UnsuitableVolumeError
from InvertibleFusionLib.inference.record import grid_to_json
from InvertibleFusionLib.inference.threads import in_order, threads_for
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.volumes.grid import require_same_grid, same_grid
from InvertibleFusionLib.volumes.intensity import FittedScale, IntensityScale
from InvertibleFusionLib.volumes.slices import Axis, SliceStack, join_channels, slice_axis, split_channels
from InvertibleFusionLib.volumes.suitability import require_image
from InvertibleFusionLib.volumes.volume import Volume


@dataclass(frozen=True)
class PreparedSources:
    """Sources on one grid, or the target images that take their place on the way back from these alone.

    Attributes:
        originals: as they were given.
        volumes: on the reference's grid.
        scales: fitted, one for each source.
        stack: how the volumes are cut into slices.
        reference: name of the volume whose grid is used.
    """

    originals: list[Volume]
    volumes: list[Volume]
    scales: list[FittedScale]
    stack: SliceStack
    reference: str

    def load(self, index: int, dtype: type[np.floating[Any]] = np.float32) -> NDArray[Any]:
        """Slice ``index`` of all sources as the network takes it, (channels, padded rows, padded columns)."""
        scaled = [
            scale.apply(self.stack.slices(volume.array)[index].astype(np.float64), index)
            for volume, scale in zip(self.volumes, self.scales, strict=True)
        ]
        return self.stack.pad(join_channels(scaled)).astype(dtype)

    def in_own_numbers(self, channels: NDArray[Any], index: int) -> list[NDArray[np.float64]]:
        """Undo ``load``: slice ``index`` of every source, (rows, columns[, components]), in its own numbers."""
        images = split_channels(self.stack.crop(channels), [volume.components for volume in self.volumes])
        return [scale.undo(image, index) for image, scale in zip(images, self.scales, strict=True)]

    def settings(self) -> dict[str, Any]:
        """What was chosen, for the record."""
        return {"reference": self.reference, "slice_axis": self.stack.axis}

    def to_json(self) -> list[dict[str, Any]]:
        """For the record."""
        arrays = [volume.array for volume in self.volumes]
        digests = in_order(voxel_digest, arrays, threads_for(sum(array.nbytes for array in arrays)))
        return [
            {
                "name": original.name,
                "units": original.units,
                "simulated": bool((original.record or {}).get("simulated", False)),
                "synthetic": bool((original.record or {}).get("synthetic", False)),
                "replaced_nonfinite": (original.record or {}).get("replaced_nonfinite"),
                "components": original.components,
                "grid": grid_to_json(original.grid),
                "voxel_type": str(volume.array.dtype),
                "voxels_sha256": digest,
                "intensity": scale.to_json(),
                "resampled": None if original is volume else _resampling(original, volume, self.reference),
            }
            for original, volume, scale, digest in zip(self.originals, self.volumes, self.scales, digests, strict=True)
        ]


def prepare_sources(
    model: Model,
    sources: Sequence[Volume],
    reference: int,
    allow_resampling: bool,
    axis: Axis,
    present: Sequence[bool] | None = None,
) -> PreparedSources:
    """Check sources, bring them onto the grid of source number ``reference``, fit the model's intensity scale.

    ``present`` says of each input of the model whether it is among the sources; None for all of them.

    Raises:
        ConfigurationError: a wrong number of sources, or no such reference.
        UnsuitableVolumeError: a source that is not an image, grey or in colour as the model takes it.
        GridMismatchError: grids that differ when resampling is not allowed, or that do not overlap.
    """
    wanted = list(compress(model.source_channels, present or repeat(True)))
    if len(sources) != len(wanted):
        given = ", ".join(volume.name for volume in sources) or "none"
        raise ConfigurationError(
            f"The model {model.card.name} takes {len(wanted)} sources, {len(sources)} were given. It needs "
            f"{', '.join(model.card.inputs)}, in this order; given: {given}."
        )
    if not 0 <= reference < len(sources):
        raise ConfigurationError(f"There is no source {reference + 1} to resample onto; there are {len(sources)}.")
    for volume, components in zip(sources, wanted, strict=True):
        require_image(volume, components)
    target = sources[reference]
    _require_slices(target)
    volumes = [_on_grid(volume, target, allow_resampling) for volume in sources]
    for volume in volumes:
        require_image(volume, volume.components)  # a source can be constant where the reference sees it
    stack = SliceStack(target.grid, slice_axis(target.grid, axis), model.network.multiple)
    threads = threads_for(sum(volume.array.nbytes for volume in volumes))
    scales = list(in_order(lambda volume: fit_scale(model, volume, stack), volumes, threads))
    return PreparedSources(list(sources), volumes, scales, stack, target.name)


def fit_scale(model: Model, volume: Volume, stack: SliceStack) -> FittedScale:
    """The model's intensity scale fitted to a volume; one for all components, so that colours keep their hue."""
    slices = stack.slices(volume.array)
    return IntensityScale.from_json(model.card.intensity).fit(slices.reshape(*slices.shape[:2], -1))


def as_voxel_type(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values in a source's voxel type: rounded and kept within its range where it has whole numbers."""
    if np.issubdtype(dtype, np.floating):
        return values.astype(dtype)
    if dtype == np.bool_:
        return values >= 0.5
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)


def voxel_digest(array: NDArray[Any]) -> str:
    """SHA-256 of voxels with their type and shape, the same on every machine."""
    little = array.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{array.dtype.name} {array.shape}\n".encode())
    for part in array:
        digest.update(np.ascontiguousarray(part, dtype=little).tobytes())
    return digest.hexdigest()


def _on_grid(volume: Volume, target: Volume, allow_resampling: bool) -> Volume:
    if volume is target or same_grid(target.grid, volume.grid):
        return volume
    if not allow_resampling:
        require_same_grid(target.grid, volume.grid, target.name, volume.name)
    from InvertibleFusionLib.volumes.resampling import resample  # brings SimpleITK with it

    return resample(volume, target.grid)


def _resampling(original: Volume, volume: Volume, reference: str) -> dict[str, Any]:
    from InvertibleFusionLib.volumes.resampling import coverage  # brings SimpleITK with it

    return {"onto": reference, "coverage": round(coverage(original.grid, volume.grid), 4)}


def _require_slices(volume: Volume) -> None:
    size = volume.grid.size
    if sum(n > 1 for n in size) < 2:
        raise UnsuitableVolumeError(
            f"{volume.name} is {'×'.join(map(str, size))} voxels, a line and not an image. Give a slice or a volume."
        )
