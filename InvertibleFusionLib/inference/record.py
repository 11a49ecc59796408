"""Records: how a result came to be, as JSON that travels with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from InvertibleFusionLib._version import __version__
from InvertibleFusionLib.errors import RecordMismatchError
from InvertibleFusionLib.volumes.grid import Grid
from InvertibleFusionLib.volumes.intensity import FittedScale
from InvertibleFusionLib.volumes.volume import Volume

if TYPE_CHECKING:  # records are read in Slicer before torch is there
    from InvertibleFusionLib.models.model import Model

NOTICE = "Research use only. Not certified for diagnosis."
RECORD_VERSION = 1


@dataclass(frozen=True)
class SourceRecord:
    """What the record of a fused or synthetic image says of one source.

    Attributes:
        name: of the source.
        units: of its values, as its file stated them.
        voxel_type: NumPy name of its type on the image's grid.
        voxels_sha256: digest of its voxels on that grid.
        scale: constants that its values were scaled with.
        resampled_onto: name of the volume whose grid it was resampled onto, or None.
        components: values per voxel.
    """

    name: str
    units: str
    voxel_type: str
    voxels_sha256: str
    scale: FittedScale
    resampled_onto: str | None
    components: int = 1


FORWARD_TASKS = {"fuse": "a fused image", "synthesize": "a synthetic image"}


@dataclass(frozen=True)
class ForwardRecord:
    """The part of the record of a fused or synthetic image that going back needs.

    Attributes:
        model_name: that made it.
        model_sha256: of its file.
        slice_axis: array axis along which the slices were counted.
        latent_sha256: digest of the latent's voxels; empty where none was kept.
        sources: in the order of the model's inputs.
        data: the whole record.
    """

    model_name: str
    model_sha256: str
    slice_axis: int
    latent_sha256: str
    sources: list[SourceRecord]
    data: Mapping[str, Any]


def new_record(task: str, model: "Model", settings: Mapping[str, Any], sources: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of a result made now."""
    return {
        "record_version": RECORD_VERSION,
        "task": task,
        "notice": NOTICE,
        "library": f"invertible-fusion {__version__}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "name": model.card.name,
            "sha256": model.sha256,
            "architecture": model.card.architecture,
            "trained_on": model.card.inputs,
        },
        "settings": dict(settings),
        "sources": sources,
    }


def with_result(record: Mapping[str, Any], kind: str, name: str, units: str = "", **more: Any) -> dict[str, Any]:
    """The record of a run as the record of one of its results."""
    return {**record, "result": {"kind": kind, "name": name, "units": units, **more}}


def grid_to_json(grid: Grid) -> dict[str, Any]:
    """A grid as JSON-ready data."""
    return {
        "size": list(grid.size),
        "spacing_mm": list(grid.spacing),
        "origin_lps_mm": list(grid.origin),
        "direction_lps": list(grid.direction),
    }


def forward_record(volume: Volume) -> ForwardRecord | None:
    """The record that a fused or synthetic image or its latent carries; None for a volume without a record.

    Raises:
        RecordMismatchError: when the volume is another kind of result, or its record is damaged.
    """
    if volume.record is None:
        return None
    data = volume.record
    try:
        if data["task"] not in FORWARD_TASKS:
            raise RecordMismatchError(
                f"{volume.name} is not {' or '.join(FORWARD_TASKS.values())} but the result of {data['task']!r}. Give "
                "the image that was fused or synthesized."
            )
        sources = [
            SourceRecord(
                str(source["name"]),
                str(source["units"]),
                np.dtype(str(source["voxel_type"])).name,
                str(source["voxels_sha256"]),
                FittedScale.from_json(source["intensity"]),
                None if source["resampled"] is None else str(source["resampled"]["onto"]),
                int(source.get("components", 1)),
            )
            for source in data["sources"]
        ]
        axis = int(data["settings"]["slice_axis"])
        if axis not in (0, 1, 2):
            raise ValueError(f"there is no slice axis {axis}")
        name, digest = str(data["model"]["name"]), str(data["model"]["sha256"])
        return ForwardRecord(name, digest, axis, str(data["latent_sha256"]), sources, data)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RecordMismatchError(
            f"The record in {volume.name} is damaged: {error!r}. Make the image again from its sources."
        ) from error
