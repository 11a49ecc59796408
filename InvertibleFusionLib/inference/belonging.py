"""Whether images, latents, records and a model belong together, so that going back gives what it says."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from InvertibleFusionLib.errors import GridMismatchError, RecordMismatchError, UnsuitableVolumeError
from InvertibleFusionLib.inference.record import ForwardRecord, SourceRecord, forward_record
from InvertibleFusionLib.inference.sources import voxel_digest
from InvertibleFusionLib.inference.threads import in_order, threads_for
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.volumes.grid import describe_difference, same_grid
from InvertibleFusionLib.volumes.intensity import IDENTITY_SCALE
from InvertibleFusionLib.volumes.slices import SliceStack, join_channels, slice_axis
from InvertibleFusionLib.volumes.suitability import require_finite, require_no_label_map
from InvertibleFusionLib.volumes.volume import Volume

OUTSIDE = 1e-3
"""How far beyond [0, 1] rounding may bring an image that was stored and read again."""

IMAGE_TOLERANCE = 1e-6
"""How far the latent's image may be from the image: sigmoids of different processors differ by a few 1e-8."""


def origin_of(model: Model, image: Volume, carriers: Sequence[Volume]) -> ForwardRecord:
    """What is known of how an image was made; without any record, the model's inputs in the network's numbers.

    Args:
        model: that is to take it apart.
        image: the image.
        carriers: volumes whose records may tell, the image among them; the first that has one does.

    Raises:
        RecordMismatchError: made by another model, another kind of result, or a damaged record.
    """
    record = next((found for found in map(forward_record, carriers) if found is not None), None)
    channels = model.source_channels
    if record is None:
        axis = slice_axis(image.grid, "axial")
        unknown = [
            SourceRecord(name, "", "float32", "", IDENTITY_SCALE, None, count)
            for name, count in zip(model.card.inputs, channels, strict=True)
        ]
        return ForwardRecord(model.card.name, model.sha256, axis, "", unknown, {})
    if record.model_sha256 != model.sha256:
        raise RecordMismatchError(
            f"{image.name} was made by the model {record.model_name} (sha256 {record.model_sha256[:12]}…), not by "
            f"{model.card.name} (sha256 {model.sha256[:12]}…). Take it apart with the file of the model that made it."
        )
    if tuple(source.components for source in record.sources) != channels:
        raise RecordMismatchError(
            f"The record in {image.name} speaks of {len(record.sources)} sources, the model {model.card.name} has "
            f"{len(channels)}, or of other components than the model takes."
        )
    return record


def require_result_image(volume: Volume, components: int, what: str) -> None:
    """Refuse what cannot be a fused or synthetic image by its components and values.

    Raises:
        UnsuitableVolumeError: with the numbers.
    """
    if volume.components != components or volume.array.size == 0:
        raise UnsuitableVolumeError(
            f"{volume.name} has {volume.components} values per voxel, {volume.array.size} in all; a {what} image has "
            f"{components} per voxel. Give the {what} image, not the latent."
        )
    require_finite(volume)
    require_no_label_map(volume)


def require_unit_range(image: Volume, what: str) -> None:
    """Refuse values outside [0, 1].

    Raises:
        UnsuitableVolumeError: with the numbers.
    """
    smallest, largest = float(image.array.min()), float(image.array.max())
    if smallest < -OUTSIDE or largest > 1 + OUTSIDE:
        raise UnsuitableVolumeError(
            f"{image.name} has values from {smallest:g} to {largest:g}; a {what} image lies between 0 and 1. Give the "
            f"{what} image itself, or scale it back to that range if it was stored in another."
        )


def require_scales_fit(origin: ForwardRecord, stack: SliceStack, image: Volume) -> None:
    """Refuse constants for another number of slices.

    Raises:
        RecordMismatchError: with both numbers.
    """
    counts = {len(source.scale.gain) for source in origin.sources} - {1, stack.count}
    if counts:
        raise RecordMismatchError(
            f"{image.name} has {stack.count} slices, but its record holds intensity constants for {sorted(counts)}. "
            "It was cropped since it was made; take the whole image apart."
        )


def require_one_run(images: Sequence[Volume], origin: ForwardRecord) -> None:
    """Refuse synthetic images of different runs, or in another order than the model's.

    Args:
        images: one for each of the model's outputs; those without a record of a synthesis pass.
        origin: the record of one of them.

    Raises:
        RecordMismatchError: with the name of the image.
    """
    for number, image in enumerate(images, 1):
        if image.record is None or image.record.get("task") != "synthesize":
            continue
        if image.record.get("latent_sha256") != origin.latent_sha256:
            raise RecordMismatchError(
                f"{image.name} was not synthesized together with {images[0].name}. Give images of one synthesis."
            )
        output = image.record.get("result", {}).get("output")
        if output != number:
            raise RecordMismatchError(
                f"{image.name} is output {output} of its model and was given as number {number}. Give all synthetic "
                "images in the order in which the model makes them."
            )


def require_belongs(
    images: Sequence[Volume],
    latent: Volume,
    stack: SliceStack,
    origin: ForwardRecord,
    components: int,
    shown: Callable[[Tensor], Tensor],
) -> None:
    """Refuse a latent that is not the one of these images, whether changed, exchanged or moved.

    Args:
        images: as the user has them.
        latent: that was kept with them.
        stack: how both are cut into slices.
        origin: their record.
        components: that the model's latent has.
        shown: the network's function from latent (1, components, rows, columns) to images.

    Raises:
        UnsuitableVolumeError: other components, or values that are not finite.
        GridMismatchError: it lies elsewhere.
        RecordMismatchError: it has another digest, or gives other images.
    """
    names = " + ".join(image.name for image in images)
    if latent.components != components:
        raise UnsuitableVolumeError(
            f"{latent.name} has {latent.components} values per voxel; the latent of {origin.model_name} has "
            f"{components}."
        )
    require_finite(latent)
    if not same_grid(stack.padded_grid, latent.grid):
        raise GridMismatchError(
            f"{latent.name} does not lie on the grid of {names}: it has "
            f"{describe_difference(stack.padded_grid, latent.grid)}. Give the latent that was written with it."
        )
    if origin.latent_sha256 and voxel_digest(latent.array) != origin.latent_sha256:
        raise RecordMismatchError(
            f"{latent.name} is not the latent that was kept with {names}, or it was changed since: its digest "
            "differs from the one in the record. Give the unchanged latent, or leave it out to decompose what is shown."
        )
    arrays, kept = [stack.slices(image.array) for image in images], stack.slices(latent.array)

    def difference(index: int) -> float:
        channels = torch.from_numpy(stack.crop(np.moveaxis(kept[index], -1, 0)).copy())
        expected = shown(channels[None])[0].numpy()
        return float(np.abs(expected - join_channels([array[index] for array in arrays])).max())

    worst = max(in_order(difference, range(stack.count), threads_for(latent.array.nbytes)))
    if worst > IMAGE_TOLERANCE:
        raise RecordMismatchError(
            f"{names} is not the image that {latent.name} belongs to, or it was changed since: values differ by "
            f"up to {worst:.2g}. Give the unchanged image, or leave the latent out to decompose what is shown."
        )
