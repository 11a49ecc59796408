"""Synthesizing missing contrasts: sources to synthetic images, the latent of an invertible network, and a record."""

import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from InvertibleFusionLib.inference.forward import ForwardResults, image_and_latent
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
from InvertibleFusionLib.inference.sources import prepare_sources, voxel_digest
from InvertibleFusionLib.models.model import InvertibleSynthesisNetwork, Model, SynthesisNetwork
from InvertibleFusionLib.volumes.slices import Axis, SliceStack
from InvertibleFusionLib.volumes.volume import Volume

LOG = logging.getLogger("InvertibleFusion")

SYNTHETIC = "SYNTHETIC"
"""Begins the name of every image that no scanner has made."""

INTENSITY = "0 to 1 on the scale of the images that the model was trained on; not a physical quantity"


@dataclass(frozen=True)
class Synthesis:
    """What synthesizing gives.

    Attributes:
        images: one for each of the model's outputs, float32 in [0, 1], on the reference's grid; of three components
            where the output is in colour.
        latent: the network's full output, with which the sources come back exactly; None for a network that does not
            run backwards. Sizes are padded at the far end where the network needs it.
        record: how it came to be; also in every volume.
    """

    images: tuple[Volume, ...]
    latent: Volume | None
    record: dict[str, Any]

    def named_volumes(self) -> dict[str, Volume]:
        """All volumes by the names of their files: synthetic-T2, and latent where there is one."""
        volumes = {}
        for image, output in zip(self.images, self.record["outputs"], strict=True):
            volumes[f"synthetic-{image.renamed(output['name']).file_name}"] = image
        return volumes if self.latent is None else {**volumes, "latent": self.latent}


def synthesize(
    model: Model,
    sources: Sequence[Volume],
    *,
    reference: int = 0,
    resample: bool = False,
    axis: Axis = "axial",
    settings: Settings | None = None,
    on_slice: OnSlice | None = None,
) -> Synthesis:
    """Synthesize the contrasts that a model makes from others.

    Args:
        model: a synthesis model.
        sources: one volume for each input of the model, in its order; grey, or RGB where the model takes colour.
        reference: number of the source, from 0, whose grid the results have.
        resample: put sources on the reference's grid where theirs differ, instead of refusing.
        axis: along which slices run; models are trained on axial ones.
        settings: device and so on.
        on_slice: called after every slice.

    Raises:
        InvertibleFusionError: a subclass says what does not fit; see ``synthesize_slices``.
    """
    run = synthesize_slices(model, sources, reference=reference, resample=resample, axis=axis, settings=settings)
    return finish(run, on_slice)


def synthesize_slices(
    model: Model,
    sources: Sequence[Volume],
    *,
    reference: int = 0,
    resample: bool = False,
    axis: Axis = "axial",
    settings: Settings | None = None,
    first: int | None = None,
) -> Generator[FinishedSlice, None, Synthesis]:
    """``synthesize`` slice by slice: yields each finished slice of the first output, ``first`` before the others.

    The generator's return value is the ``Synthesis``. Closing the generator cancels.

    Raises:
        ConfigurationError: a model that does not synthesize, wrong number of sources, unknown axis, settings under
            which an invertible network would not be exact.
        UnsuitableVolumeError: a source that is not an image of finite values that vary.
        GridMismatchError: grids that differ or do not overlap.
        InferenceError: no such device, memory exhausted, values so extreme that they cannot come back exactly.
    """
    network = model.synthesis_network
    prepared = prepare_sources(model, sources, reference, resample, axis)
    stack = prepared.stack
    warnings = _warnings(model, sources)
    channels = network.channels if isinstance(network, InvertibleSynthesisNetwork) else None
    results = ForwardResults.empty(prepared, network.outputs, channels)
    job = SliceJob(stack.count, prepared.load, _compute, results.store)
    plan = _plan(settings or Settings(), network, stack)
    plan = yield from finished_slices(job, network, plan, first, stack.slices(results.images[0]))
    return _finished(model, results, plan, warnings)


def _plan(settings: Settings, network: SynthesisNetwork, stack: SliceStack) -> Plan:
    if isinstance(network, InvertibleSynthesisNetwork):
        return exact_plan(settings, double=False)
    return free_plan(settings, stack.padded_shape[0] * stack.padded_shape[1])


def _compute(network: SynthesisNetwork, inputs: Tensor, indices: Sequence[int]) -> Outputs:
    if isinstance(network, InvertibleSynthesisNetwork):
        return image_and_latent(network, network.images, inputs)
    return (network.synthesize(inputs),)


def _warnings(model: Model, sources: Sequence[Volume]) -> list[str]:
    """What to know of the result before believing it; also said in the log."""
    given, known = [volume.name for volume in sources], model.card.inputs
    if [name.casefold() for name in given] == [name.casefold() for name in known]:
        return []
    # Without the sources' own names, which may be a patient's.
    warning = (
        f"The sources are not called {' + '.join(known)}, from which the model {model.card.name} was trained in this "
        "order. From other contrasts the synthetic image may show what is not there."
    )
    LOG.warning(warning)
    return [warning]


def _finished(model: Model, results: ForwardResults, plan: Plan, warnings: list[str]) -> Synthesis:
    prepared, outputs = results.prepared, model.card.outputs
    record = new_record("synthesize", model, {**plan.to_json(), **prepared.settings()}, prepared.to_json())
    record["synthetic"] = True
    record["outputs"] = [{"name": name, "intensity": INTENSITY} for name in outputs]
    record["intensity_scale"] = model.card.intensity
    record["warnings"] = warnings
    record["latent_sha256"] = "" if results.latent is None else voxel_digest(results.latent)
    images = []
    for number, (name, array) in enumerate(zip(outputs, results.images, strict=True), 1):
        title = f"{SYNTHETIC} {name}"
        result = with_result(record, "synthetic", title, output=number, of=name)
        images.append(Volume.on_grid(array, prepared.stack.grid, name=title, record=result))
    latent = None
    if results.latent is not None:
        title = f"latent of {SYNTHETIC} {' + '.join(outputs)}"
        result = with_result(record, "latent", title)
        latent = Volume.on_grid(results.latent, prepared.stack.padded_grid, name=title, record=result)
    return Synthesis(tuple(images), latent, record)
