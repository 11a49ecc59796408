"""Runs from nodes to nodes, slice by slice: take the slices as they come, close the run to cancel it.

Nothing enters the scene before the last slice is done, and then complete results do, or none.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from InvertibleFusionLib.errors import SceneError
from InvertibleFusionLib.inference.decomposition import Decomposition, decompose_slices
from InvertibleFusionLib.inference.fusion import Fusion, fuse_slices
from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.inference.slice_engine import FinishedSlice
from InvertibleFusionLib.inference.synthesis import ADAIN, PSEUDO_TARGET, Synthesis, synthesize_slices
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.mrml.outcomes import (
    Outcome,
    decomposition_outcomes,
    difference_outcome,
    fusion_outcomes,
    synthesis_outcomes,
)
from InvertibleFusionLib.mrml.provenance import is_synthetic, record_of
from InvertibleFusionLib.mrml.results import Place, put_results
from InvertibleFusionLib.mrml.scene import require_in_scene
from InvertibleFusionLib.mrml.statistics_table import put_statistics, statistics_of
from InvertibleFusionLib.mrml.views import family_of
from InvertibleFusionLib.mrml.volumes import SceneSources, images_from_nodes, sources_from_nodes
from InvertibleFusionLib.volumes.slices import Axis

Run = Generator[FinishedSlice, None, dict[str, Any]]
"""Yields every finished slice and returns the result nodes by their outcome's key."""


@dataclass(frozen=True)
class Forward:
    """How sources are fused or synthesized from.

    Attributes:
        reference: number from 0 of the source whose grid the results get.
        resample: put sources onto that grid where theirs differ.
        axis: along which slices run.
        certify: compute in float64 and go back at once; of a fusion only.
        settings: device and so on.
        first: slice that is wanted before the others; None for the middle one.
        latent: whether the latent is kept, too.
        given: of each source the model's input that it is, where a synthesis does without the others.
        inspect: whether a synthesis shows its pseudo-target and the statistics of AdaIN, too.
        into: by the outcome's key, the node to fill instead of making one.
    """

    reference: int = 0
    resample: bool = False
    axis: Axis = "axial"
    certify: bool = False
    settings: Settings = field(default_factory=Settings)
    first: int | None = None
    latent: bool = True
    given: tuple[str, ...] | None = None
    inspect: bool = False
    into: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Backward:
    """How a fused or synthetic image is taken apart.

    Attributes:
        exact: with the latent, which of a synthetic image is the round trip; else from the image alone.
        samples: draws, from a fused image alone; the ways back of a synthetic one draw nothing.
        seed: of the draws.
        certify: compute in float64 and compare bit for bit; on the exact way of a fused image only.
        settings: device and so on.
        first: slice that is wanted before the others; None for the middle one.
        kinds: of the results that go into the scene: "decomposed", "spread", "difference".
        into: by the outcome's key, the node to fill instead of making one.
    """

    exact: bool = True
    samples: int = 8
    seed: int = 0
    certify: bool = False
    settings: Settings = field(default_factory=Settings)
    first: int | None = None
    kinds: tuple[str, ...] = ("decomposed",)
    into: Mapping[str, Any] = field(default_factory=dict)


def fuse_nodes(scene: Any, model: Model, nodes: Sequence[Any], way: Forward) -> Run:
    """Fuse volume nodes into a node for the fused image and one for its latent.

    Raises:
        InvertibleFusionError: as ``fuse_slices``, ``sources_from_nodes`` and ``put_results``; SceneError when a source
            is deleted or the scene closed meanwhile.
    """
    sources = sources_from_nodes(nodes)
    run = fuse_slices(
        model,
        sources.volumes,
        reference=way.reference,
        resample=way.resample,
        axis=way.axis,
        certify=way.certify,
        settings=way.settings,
        first=way.first,
    )
    fusion = yield from _watched(run, scene, nodes)
    return put_fusion(scene, fusion, sources, way)


def put_fusion(scene: Any, fusion: Fusion, sources: SceneSources, way: Forward) -> dict[str, Any]:
    """A fusion's nodes, wherever it was computed."""
    return _put_forward(scene, fusion_outcomes(fusion, sources), sources, way)


def synthesize_nodes(scene: Any, model: Model, nodes: Sequence[Any], way: Forward) -> Run:
    """Synthesize from volume nodes: a node for every synthetic image, and one for the latent where there is one.

    Where the grounds are wanted, too, the pseudo-target is one more volume and the statistics of AdaIN are a table.

    Raises:
        InvertibleFusionError: as ``synthesize_slices``, ``sources_from_nodes`` and ``put_results``; SceneError when a
            source is deleted or the scene closed meanwhile.
    """
    sources = sources_from_nodes(nodes)
    run = synthesize_slices(
        model,
        sources.volumes,
        reference=way.reference,
        resample=way.resample,
        axis=way.axis,
        settings=way.settings,
        first=way.first,
        given=way.given,
        inspect=way.inspect,
    )
    synthesis = yield from _watched(run, scene, nodes)
    return put_synthesis(scene, synthesis, sources, way)


def put_synthesis(scene: Any, synthesis: Synthesis, sources: SceneSources, way: Forward) -> dict[str, Any]:
    """A synthesis' nodes, wherever it was computed.

    What an earlier run has shown for inspection, and this one does not, is called so, since it looks like this one's.
    """
    nodes = _put_forward(scene, synthesis_outcomes(synthesis, sources), sources, way)
    if synthesis.grounds is not None:
        statistics, record = synthesis.grounds.statistics, synthesis.record_of_statistics()
        nodes[ADAIN] = put_statistics(scene, statistics, record, nodes["synthetic-1"], way.into.get(ADAIN))
    for key in {PSEUDO_TARGET, ADAIN} & way.into.keys() - nodes.keys():
        way.into[key].SetName(f"{way.into[key].GetName()}, of an earlier run")
    return nodes


def decompose_node(scene: Any, model: Model, fused: Any, way: Backward) -> Run:
    """Take the image of a node apart into nodes, also in a reopened scene and without its sources.

    Of a synthesis with several images it takes all of them, as its network needs.

    Raises:
        InvertibleFusionError: as ``decompose_slices`` and ``put_results``; SceneError when the image, or the latent for
            the exact way, is not there (any more).
    """
    family = family_of(fused)
    if way.exact and family.latent is None:
        raise SceneError(f"There is no latent of {fused.GetName()} in the scene. {_without_latent(fused)}")
    latent = family.latent if way.exact else None
    images, kept = images_from_nodes(family.images, latent)
    run = decompose_slices(
        model,
        images,
        latent=kept,
        samples=way.samples,
        seed=way.seed,
        certify=way.certify,
        settings=way.settings,
        first=way.first,
    )
    decomposition = yield from _watched(run, scene, family.images)
    return put_decomposition(scene, decomposition, fused, way)


def fuse_and_decompose(scene: Any, model: Model, nodes: Sequence[Any], way: Forward, back: Backward) -> Run:
    """Fuse, and take the fused image apart at once. What was fused stays when the second half is cancelled.

    Raises:
        InvertibleFusionError: as ``fuse_nodes`` and ``decompose_node``.
    """
    made = yield from fuse_nodes(scene, model, nodes, way)
    return made | (yield from decompose_node(scene, model, made["fused"], back))


def put_decomposition(scene: Any, decomposition: Decomposition, fused: Any, way: Backward) -> dict[str, Any]:
    """A decomposition's nodes, wherever it was computed; differences for the sources that are in the scene."""
    sources, parent = family_of(fused).sources, fused.GetParentTransformNode()
    outcomes = decomposition_outcomes(decomposition)
    if "difference" in way.kinds:
        outcomes += [difference_outcome(decomposition, number, node, parent) for number, node in sources.items()]
    wanted = [outcome for outcome in outcomes if kind_of(outcome.key) in way.kinds]
    # Without all sources the numbers of the others would move up: then none is said, the fused image knows them.
    complete = list(sources) == list(range(1, len(decomposition.sources) + 1))
    place = Place(list(sources.values()) if complete else [], fused, parent)
    return put_results(scene, wanted, place, _chosen(way.into, wanted))


def kind_of(key: str) -> str:
    """One of "decomposed", "spread" and "difference", for the key of a decomposition's outcome."""
    kind = key.rpartition("-")[0]
    return kind if kind in ("spread", "difference") else "decomposed"


def nodes_to_update(fused: Any) -> dict[str, Any]:
    """The nodes of an earlier result by the keys under which a new run of the same kind fills them."""
    family = family_of(fused)
    nodes = {"fused": fused, "synthetic-1": fused, "latent": family.latent, PSEUDO_TARGET: family.pseudo_target}
    nodes[ADAIN] = statistics_of(fused)
    nodes |= {f"synthetic-{number}": node for number, node in family.further.items()}
    for number, node in family.decomposed.items():
        nodes |= {f"{kind}-{number}": node for kind in ("exact", "mean", "round-trip", "from-target")}
    nodes |= {f"difference-{number}": node for number, node in family.differences.items()}
    nodes |= {f"spread-{number}": node for number, node in family.spreads.items()}
    return {key: node for key, node in nodes.items() if node is not None}


def _put_forward(scene: Any, outcomes: Sequence[Outcome], sources: SceneSources, way: Forward) -> dict[str, Any]:
    wanted = [outcome for outcome in outcomes if way.latent or outcome.key != "latent"]
    place = Place(sources.nodes, None, sources.parent)
    return put_results(scene, wanted, place, _chosen(way.into, wanted))


def _chosen(into: Mapping[str, Any], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    keys = {outcome.key for outcome in outcomes}
    return {key: node for key, node in into.items() if key in keys}


def _without_latent(image: Any) -> str:
    record = record_of(image)
    if record is not None and is_synthetic(record):
        return "Synthesize again and keep the latent for the round trip, or go back from the target image alone."
    return "Fuse again and keep the latent, or take the image apart from what it alone tells."


def _watched(run: Generator[FinishedSlice, None, Any], scene: Any, nodes: Sequence[Any]) -> Generator[Any, None, Any]:
    """The run's slices for as long as its nodes are in the scene."""
    names = [node.GetName() for node in nodes]
    try:
        while True:
            for number, node in enumerate(nodes):
                require_in_scene(node, f"volume {names[number]} of this run")
            try:
                finished = next(run)
            except StopIteration as stop:
                return stop.value
            yield finished
    finally:
        run.close()
