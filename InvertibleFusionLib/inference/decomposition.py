"""Going back: fused and synthetic images to their sources, exactly with the latent, or as the image alone allows."""

import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from InvertibleFusionLib.errors import CertificationError, ConfigurationError
from InvertibleFusionLib.inference import ways_back
from InvertibleFusionLib.inference.belonging import require_result_image
from InvertibleFusionLib.inference.plan import Plan, Settings
from InvertibleFusionLib.inference.record import ForwardRecord, SourceRecord, new_record, with_result
from InvertibleFusionLib.inference.slice_engine import FinishedSlice, OnSlice, SliceJob, finish, finished_slices
from InvertibleFusionLib.inference.sources import as_voxel_type, voxel_digest
from InvertibleFusionLib.inference.ways_back import WayBack
from InvertibleFusionLib.models.model import Model, SynthesisNetwork
from InvertibleFusionLib.volumes.slices import split_channels
from InvertibleFusionLib.volumes.volume import Volume

LOG = logging.getLogger("InvertibleFusion")


@dataclass(frozen=True)
class Estimate:
    """One source, as a decomposition gives it.

    Attributes:
        mean: in the source's own numbers and units, on the image's grid; its name and record say which way it came.
        spread: standard deviation over the samples, same units; None on the exact way, for a single sample, and for
            synthesis models, which draw nothing.
    """

    mean: Volume
    spread: Volume | None


@dataclass(frozen=True)
class Decomposition:
    """What decomposing gives.

    Attributes:
        sources: in the order in which they were fused or synthesized from.
        record: how it came to be; also in every volume.
    """

    sources: list[Estimate]
    record: dict[str, Any]

    def named_volumes(self) -> dict[str, Volume]:
        """All volumes by the names of their files.

        Of fused images exact-1-ADC, or mean-1-ADC and spread-1-ADC; of synthetic ones round-trip-1-T1, or
        from-target-1-T1; and so on.
        """
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
    image: Volume | Sequence[Volume],
    *,
    latent: Volume | None = None,
    samples: int = 8,
    seed: int = 0,
    certify: bool = False,
    settings: Settings | None = None,
    on_slice: OnSlice | None = None,
) -> Decomposition:
    """Take a fused image apart into its sources, or go back from synthetic images.

    A fused image with ``latent``: the true inverse, exact. Without: what the fused image alone tells, as mean and
    spread over ``samples`` draws; the latent is neither needed nor used.

    A synthetic image with ``latent``: the *round trip*, the network's own full output inverted, exact. It shows that
    the arithmetic lost nothing, not that the synthetic image is right. Without: what the target image alone tells,
    which may also be a scan of the target contrast; one estimate, no draws.

    Args:
        model: the model that made the image.
        image: the fused image, or all images of a synthesis in their order.
        latent: the latent volume that was kept with it.
        samples: draws of the lost part, for the decomposition of a fused image from the image alone.
        seed: of the draws.
        certify: with the latent of a fusion: compute in float64, and check that every whole-numbered source is, bit for
            bit, the one that was fused (by the digest in the record).
        settings: device and so on.
        on_slice: called after every slice.

    Raises:
        InvertibleFusionError: a subclass says what does not fit; see ``decompose_slices``.
    """
    run = decompose_slices(model, image, latent=latent, samples=samples, seed=seed, certify=certify, settings=settings)
    return finish(run, on_slice)


def decompose_slices(
    model: Model,
    image: Volume | Sequence[Volume],
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
        ConfigurationError: no samples, certification without a latent or of a synthesis, a wrong number of images, a
            network that cannot be run backwards, settings that cannot be exact.
        UnsuitableVolumeError: an image or latent with other components or values that are not finite.
        RecordMismatchError: images, latent and model that do not belong together, or an image changed since.
        GridMismatchError: images or a latent on another grid.
        CertificationError: a source that is not the one that was fused.
        InferenceError: no such device, values that are not finite, memory exhausted.
    """
    images = [image] if isinstance(image, Volume) else list(image)
    _require_number(model, images)
    chosen = settings or Settings()
    if isinstance(model.network, SynthesisNetwork):
        way = _way_of_synthesis(model, images, latent, certify, chosen)
    else:
        way = _way_of_fusion(model, images[0], latent, samples, seed, certify, chosen)
    for warning in way.warnings:
        LOG.warning(warning)
    filling = _Filling.empty(way, double=certify)
    job = SliceJob(way.stack.count, way.load, way.compute, filling.store)
    shown = way.stack.slices(filling.means[0])
    plan = yield from finished_slices(job, model.network, way.plan, first, shown)
    return _finished(model, way, filling, plan)


def _require_number(model: Model, images: Sequence[Volume]) -> None:
    outputs = model.card.outputs if isinstance(model.network, SynthesisNetwork) else ["the fused image"]
    if len(images) != len(outputs):
        raise ConfigurationError(
            f"To go back the model {model.card.name} needs {' and '.join(outputs)}, in this order; {len(images)} "
            "images were given."
        )


def _way_of_fusion(
    model: Model, image: Volume, latent: Volume | None, samples: int, seed: int, certify: bool, settings: Settings
) -> WayBack:
    require_result_image(image, 1, "fused")
    if seed < 0:
        raise ConfigurationError(f"The seed is a whole number from 0 on, not {seed}.")
    if samples < 1:
        raise ConfigurationError(f"A decomposition from the image alone needs at least one sample, not {samples}.")
    if certify and latent is None:
        raise ConfigurationError("Only the exact way can be certified. Give the latent that was kept with the image.")
    network = model.invertible_fusion_network
    if latent is None:
        return ways_back.image_alone(model, network, image, samples, seed, settings)
    return ways_back.exact(model, network, image, latent, certify, settings)


def _way_of_synthesis(
    model: Model, images: Sequence[Volume], latent: Volume | None, certify: bool, settings: Settings
) -> WayBack:
    if certify:
        raise ConfigurationError("Only the decomposition of a fused image can be certified, not that of a synthesis.")
    network = model.invertible_synthesis_network
    if latent is None:
        return ways_back.target_alone(model, network, images, settings)
    return ways_back.round_trip(model, network, images, latent, settings)


@dataclass
class _Filling:
    """The results while they are being filled, one (k, j, i) or (k, j, i, 3) array for each source."""

    way: WayBack
    means: list[NDArray[Any]]
    spreads: list[NDArray[Any]]

    @classmethod
    def empty(cls, way: WayBack, double: bool) -> "_Filling":
        sources = way.origin.sources
        size = tuple(reversed(way.stack.grid.size))
        shapes = [size if source.components == 1 else (*size, source.components) for source in sources]
        kept = [np.dtype(source.voxel_type) for source in sources]
        # float32 holds 24 bits: wider sources come back in float64.
        types = kept if double else [np.promote_types(dtype, np.float32) for dtype in kept]
        means = [np.zeros(shape, dtype) for shape, dtype in zip(shapes, types, strict=True)]
        spreads = [] if way.spread_title is None else [np.zeros(shape, np.float32) for shape in shapes]
        return cls(way, means, spreads)

    def store(self, index: int, outputs: list[NDArray[Any]]) -> None:
        sources, stack = self.way.origin.sources, self.way.stack
        components = [source.components for source in sources]
        estimates = split_channels(stack.crop(outputs[0]), components)
        for source, array, values in zip(sources, self.means, estimates, strict=True):
            stack.slices(array)[index] = as_voxel_type(source.scale.undo(values, index), array.dtype)
        if self.spreads:
            spreads = split_channels(stack.crop(outputs[1]), components)
            for source, array, values in zip(sources, self.spreads, spreads, strict=True):
                stack.slices(array)[index] = source.scale.undo_spread(values, index)


def _finished(model: Model, way: WayBack, filling: _Filling, plan: Plan) -> Decomposition:
    origin = way.origin
    settings = {**plan.to_json(), "slice_axis": way.stack.axis, **way.settings}
    record = new_record("decompose", model, settings, list(origin.data.get("sources", [])))
    record["synthetic"] = way.synthetic
    record["warnings"] = list(way.warnings)
    if origin.data:
        made = "synthesized" if isinstance(model.network, SynthesisNetwork) else "fused"
        record[made] = {key: origin.data.get(key) for key in ("created", "library", "settings")}
    if settings.get("certify"):
        record["certificate"] = _certificate(origin, filling)
    estimates = []
    for number, source in enumerate(origin.sources):
        mean = _result(record, way, filling.means[number], source, number, way.kind, way.title(_placed(source)))
        spread = None
        if way.spread_title is not None:
            title = way.spread_title(_placed(source))
            spread = _result(record, way, filling.spreads[number], source, number, "spread", title)
        estimates.append(Estimate(mean, spread))
    return Decomposition(estimates, record)


def _placed(source: SourceRecord) -> str:
    resampled = f" resampled onto the grid of {source.resampled_onto}" if source.resampled_onto else ""
    return f"{source.name}{resampled}"


def _result(
    record: dict[str, Any],
    way: WayBack,
    array: NDArray[Any],
    source: SourceRecord,
    number: int,
    kind: str,
    name: str,
) -> Volume:
    result = with_result(record, kind, name, source.units, source=number + 1, of=source.name)
    return Volume.on_grid(array, way.stack.grid, name=name, units=source.units, record=result)


def _certificate(origin: ForwardRecord, filling: _Filling) -> list[dict[str, Any]]:
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
