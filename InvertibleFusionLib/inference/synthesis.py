"""Synthesizing missing contrasts: sources to synthetic images, the latent of an invertible network, and a record."""

import json
import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.inference.content_left_out import left_out_warning
from InvertibleFusionLib.inference.forward import ForwardResults, far_out, image_and_latent
from InvertibleFusionLib.inference.given_sources import GivenSources, given_sources, missing_warning
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
from InvertibleFusionLib.inference.synthesis_grounds import (
    STATISTICS_FILE,
    GroundsBeingFilled,
    SynthesisGrounds,
    from_some,
)
from InvertibleFusionLib.models.card_in_words import called_otherwise, fits_contrasts
from InvertibleFusionLib.models.model import (
    InvertibleSynthesisNetwork,
    Model,
    SubsetSynthesisNetwork,
    SynthesisNetwork,
)
from InvertibleFusionLib.volumes.reading import RECORD_ENDING
from InvertibleFusionLib.volumes.slices import Axis, SliceStack
from InvertibleFusionLib.volumes.volume import Volume

LOG = logging.getLogger("InvertibleFusion")

CHECKED_BEYOND = 1.1
"""Scaled values beyond which a slice is taken back at once: in an iVAN patches of 1.5 can spoil their surroundings."""
REFUSED_FROM = 1e-3
"""The share of a source's range by which the round trip may miss it: the synthetic image is right all the same."""
SYNTHETIC = "SYNTHETIC"
"""Begins the name of every image that no scanner has made."""

PSEUDO_TARGET = "pseudo-target"
"""Kind, and name of the file, of what a feature-disentanglement GAN mixes of its sources."""
ADAIN = "adain-statistics"
"""Kind of the statistics of its decoder."""

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
        pseudo_target: what a feature-disentanglement GAN mixes of the sources before it takes the target's look from
            it; None unless asked for.
        grounds: that mixture as an array, and the statistics of AdaIN; None unless asked for.
    """

    images: tuple[Volume, ...]
    latent: Volume | None
    record: dict[str, Any]
    pseudo_target: Volume | None = None
    grounds: SynthesisGrounds | None = None

    def named_volumes(self) -> dict[str, Volume]:
        """All volumes by the names of their files: synthetic-T2, and latent where there is one."""
        volumes = {}
        for image, output in zip(self.images, self.record["outputs"], strict=True):
            volumes[f"synthetic-{image.renamed(output['name']).file_name}"] = image
        more = {"latent": self.latent, PSEUDO_TARGET: self.pseudo_target}
        return volumes | {name: volume for name, volume in more.items() if volume is not None}

    def write_statistics(self, folder: Path) -> list[str]:
        """Write the statistics of AdaIN, where there are any, and beside them their record; the files' names."""
        if self.grounds is None:
            return []
        path = folder / STATISTICS_FILE
        self.grounds.write_statistics(path)
        record = self.record_of_statistics()
        beside = path.with_suffix(RECORD_ENDING)
        beside.write_text(json.dumps(record, ensure_ascii=True, separators=(",", ":")), encoding="utf-8")
        return [path.name, beside.name]

    def record_of_statistics(self) -> dict[str, Any]:
        """The record of the statistics of AdaIN, which are no volume that could hold it."""
        made = " + ".join(output["name"] for output in self.record["outputs"])
        return with_result(self.record, ADAIN, f"AdaIN of {SYNTHETIC} {made}")


def synthesize(
    model: Model,
    sources: Sequence[Volume],
    *,
    reference: int = 0,
    resample: bool = False,
    axis: Axis = "axial",
    settings: Settings | None = None,
    on_slice: OnSlice | None = None,
    given: Sequence[str] | None = None,
    inspect: bool = False,
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
        given: of each source the model's input that it is; then they may come in any order, and a
            feature-disentanglement GAN does without the others.
        inspect: whether a feature-disentanglement GAN gives its pseudo-target and the statistics of AdaIN, too.

    Raises:
        InvertibleFusionError: a subclass says what does not fit; see ``synthesize_slices``.
    """
    run = synthesize_slices(
        model,
        sources,
        reference=reference,
        resample=resample,
        axis=axis,
        settings=settings,
        given=given,
        inspect=inspect,
    )
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
    given: Sequence[str] | None = None,
    inspect: bool = False,
) -> Generator[FinishedSlice, None, Synthesis]:
    """``synthesize`` slice by slice: yields each finished slice of the first output, ``first`` before the others.

    The generator's return value is the ``Synthesis``. Closing the generator cancels.

    Raises:
        ConfigurationError: a model that does not synthesize, wrong number of sources, unknown axis, settings under
            which an invertible network would not be exact, names that are none of the model's inputs, inputs that are
            missing or ``inspect`` where the network has nothing of the kind.
        UnsuitableVolumeError: a source that is not an image of finite values that vary.
        GridMismatchError: grids that differ or do not overlap.
        InferenceError: no such device, memory exhausted, values so extreme that they cannot come back exactly.
    """
    network = model.synthesis_network
    there = given_sources(model, sources, reference, given)
    if inspect or not there.complete:
        network = model.subset_synthesis_network
    prepared = prepare_sources(model, there.volumes, there.reference, resample, axis, there.present)
    stack = prepared.stack
    warnings = _warnings(model, there, named=given is not None)
    channels = network.channels if isinstance(network, InvertibleSynthesisNetwork) else None
    results = ForwardResults.empty(prepared, network.outputs, channels, REFUSED_FROM)
    grounds = GroundsBeingFilled(stack) if inspect else None

    def store(index: int, outputs: list[NDArray[Any]]) -> None:
        results.store(index, outputs if grounds is None else outputs[:1])
        if grounds is not None:
            grounds.store(index, outputs[1:])

    compute = _compute if there.complete and not inspect else partial(_compute_some, there.present, inspect)
    job = SliceJob(stack.count, prepared.load, compute, store)
    plan = _plan(settings or Settings(), network, stack)
    plan = yield from finished_slices(job, network, plan, first, stack.slices(results.images[0]))
    found = [
        f"The round trip brings {model.card.inputs[number]} back wrong by up to {error:.3g} (slice {worst}): some "
        "voxels are far brighter than the rest. The synthetic image is not touched by that."
        for number, (error, worst) in results.inexact.items()
    ]
    if model.card.configuration.get("crop_to_content") and (left_out := left_out_warning(prepared)):
        found.append(left_out)
    for warning in found:
        LOG.warning(warning)
    return _finished(model, results, plan, warnings + found, there.present, grounds.finished() if grounds else None)


def _plan(settings: Settings, network: SynthesisNetwork, stack: SliceStack) -> Plan:
    if isinstance(network, InvertibleSynthesisNetwork):
        return exact_plan(settings, double=False)
    return free_plan(settings, stack.padded_shape[0] * stack.padded_shape[1])


def _compute(network: SynthesisNetwork, inputs: Tensor, indices: Sequence[int]) -> Outputs:
    if isinstance(network, InvertibleSynthesisNetwork):
        return image_and_latent(network, network.images, inputs, far_out(inputs, CHECKED_BEYOND))
    return (network.synthesize(inputs),)


def _compute_some(
    present: tuple[bool, ...], inspect: bool, network: SubsetSynthesisNetwork, inputs: Tensor, _: Sequence[int]
) -> Outputs:
    return from_some(network, inputs, present, inspect)


def _warnings(model: Model, there: GivenSources, named: bool) -> list[str]:
    """What to know of the result before believing it; also said in the log."""
    known, names = model.card.inputs, [volume.name for volume in there.volumes]
    taken = [name for name, present in zip(known, there.present, strict=True) if present]
    warnings = [missing] if (missing := missing_warning(model, there.present)) else []
    # Without the sources' own names, which may be a patient's.
    if swapped := [
        as_name for name, as_name in zip(names, taken, strict=True) if called_otherwise(name, as_name, known)
    ]:
        warnings.append(
            f"What was given as {' + '.join(swapped)} is called as another input of the model {model.card.name}. If "
            "they were mistaken for each other, the synthetic image may show what is not there."
        )
    elif not named and not fits_contrasts(model.card, names) and not warnings:
        warnings.append(
            f"The sources are not called {' + '.join(known)}, from which the model {model.card.name} was trained in "
            "this order. From other contrasts the synthetic image may show what is not there."
        )
    for warning in warnings:
        LOG.warning(warning)
    return warnings


def _finished(
    model: Model,
    results: ForwardResults,
    plan: Plan,
    warnings: list[str],
    present: Sequence[bool],
    grounds: SynthesisGrounds | None,
) -> Synthesis:
    prepared, outputs = results.prepared, model.card.outputs
    record = new_record("synthesize", model, {**plan.to_json(), **prepared.settings()}, prepared.to_json())
    record["synthetic"] = True
    record["inputs_given"] = [name for name, there in zip(model.card.inputs, present, strict=True) if there]
    record["outputs"] = [{"name": name, "intensity": INTENSITY} for name in outputs]
    record["intensity_scale"] = model.card.intensity
    record["cropped_to_content"] = model.card.configuration.get("crop_to_content", False)
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
    mixture = None
    if grounds is not None:
        title = f"pseudo-target of {SYNTHETIC} {' + '.join(outputs)}"
        result = with_result(record, PSEUDO_TARGET, title)
        mixture = Volume.on_grid(grounds.pseudo_target, prepared.stack.grid, name=title, record=result)
    return Synthesis(tuple(images), latent, record, mixture, grounds)
