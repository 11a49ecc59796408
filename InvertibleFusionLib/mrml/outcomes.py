"""What of a fusion, a synthesis or a decomposition can go into the scene, and how it shall look there."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from InvertibleFusionLib.inference.record import with_result
from InvertibleFusionLib.mrml.provenance import GREY, PET, SHOWN, Look
from InvertibleFusionLib.mrml.scene import require_in_scene
from InvertibleFusionLib.mrml.volumes import SceneSources, volume_in
from InvertibleFusionLib.volumes.grid import same_grid
from InvertibleFusionLib.volumes.resampling import resample
from InvertibleFusionLib.volumes.volume import Volume

if TYPE_CHECKING:  # the views need this module before torch is there
    from InvertibleFusionLib.inference.decomposition import Decomposition
    from InvertibleFusionLib.inference.fusion import Fusion
    from InvertibleFusionLib.inference.synthesis import Synthesis

SHOWN_SHARE = 99.9
"""Per cent of the differences that a difference's window holds; a few extremes would leave the others grey."""

MINUS_SOURCE = {"round trip": "round trip minus source", "target alone": "from the target alone minus source"}
"""How a difference is called by the way back from a synthetic image; of a fused one it is "decomposed minus source".

A round trip's is nearly empty, whether the synthetic image is right or not."""


@dataclass(frozen=True)
class Outcome:
    """One result that can become a node.

    Attributes:
        key: "fused", "latent", "pseudo-target"; "synthetic-1" and so on, by the output's number; "exact-1", "mean-1",
            "round-trip-1", "from-target-1", "spread-1", "difference-1" and so on, by the source's number.
        volume: its voxels; its record is the node's.
        look: of the node.
    """

    key: str
    volume: Volume
    look: Look

    @property
    def record(self) -> dict[str, Any]:
        """How it came to be."""
        return dict(self.volume.record or {})


def fusion_outcomes(fusion: "Fusion", sources: SceneSources) -> list[Outcome]:
    """The fused image, and its latent where there is one.

    Their records also keep how the sources looked, so that a decomposition looks the same when they are gone.
    """
    shown = [Look.of_node(node).to_json() for node in sources.nodes]
    outcomes = []
    for key, volume in fusion.named_volumes().items():
        record = dict(volume.record or {})
        record["sources"] = [{**source, SHOWN: look} for source, look in zip(record["sources"], shown, strict=True)]
        outcomes.append(Outcome(key, replace(volume, record=record), Look()))
    return outcomes


def synthesis_outcomes(synthesis: "Synthesis", sources: SceneSources) -> list[Outcome]:
    """Every synthetic image, the latent of a network that runs backwards, and the pseudo-target where it was wanted.

    A PET image in grey is shown in the colours of PET; one in colour has its colours already.
    """
    shown = [Look.of_node(node).to_json() for node in sources.nodes]
    volumes = {f"synthetic-{number}": volume for number, volume in enumerate(synthesis.images, 1)}
    more = {"latent": synthesis.latent, "pseudo-target": synthesis.pseudo_target}
    volumes |= {key: volume for key, volume in more.items() if volume is not None}
    outcomes = []
    for key, volume in volumes.items():
        record = dict(volume.record or {})
        record["sources"] = [{**source, SHOWN: look} for source, look in zip(record["sources"], shown, strict=True)]
        grey_pet = key not in more and volume.components == 1 and is_positron_emission(volume.name)
        look = Look(1.0, 0.5, PET) if grey_pet else Look()
        outcomes.append(Outcome(key, replace(volume, record=record), look))
    return outcomes


def decomposition_outcomes(decomposition: "Decomposition") -> list[Outcome]:
    """Every source as it was recovered, with its source's look, and the spreads."""
    outcomes = []
    for number, estimate in enumerate(decomposition.sources, 1):
        look = _look_of_source(decomposition, number, estimate.mean)
        outcomes.append(_outcome(number, estimate.mean, look))
        if estimate.spread is not None:
            outcomes.append(_outcome(number, estimate.spread, Look(units=look.units)))
    return outcomes


def difference_outcome(decomposition: "Decomposition", number: int, source: Any, parent: Any) -> Outcome:
    """Recovered minus original, in the source's units, on the fused image's grid; shown with zero in the middle.

    It is named by the way back that was taken.

    Args:
        decomposition: with the source in it.
        number: of the source, from 1.
        source: its node.
        parent: transform node above the results, or None.

    Raises:
        SceneError: when the source was deleted.
        GridMismatchError: when it was moved away.
    """
    require_in_scene(source, f"source {number}")
    mean = decomposition.sources[number - 1].mean
    original = volume_in(source, parent)
    if not same_grid(mean.grid, original.grid):
        original = resample(original, mean.grid)
    difference = (mean.array.astype(np.float64) - original.array).astype(np.float32)
    minus_source = MINUS_SOURCE.get(decomposition.record["settings"]["way"], "decomposed minus source")
    name = f"{source.GetName()}: {minus_source}"
    record = with_result(decomposition.record, "difference", name, mean.units, source=number, of=source.GetName())
    volume = mean.with_array(difference, name=name, record=record)
    largest = float(np.percentile(np.abs(difference), SHOWN_SHARE)) or float(np.abs(difference).max())
    window = 2 * largest if largest else 1.0
    return Outcome(f"difference-{number}", volume, Look(window, 0.0, GREY, units=Look.of_node(source).units))


def is_positron_emission(name: str) -> bool:
    """Whether a contrast's name says that it is a PET image."""
    return re.search(r"(?<![a-z])pet(?![a-z])", name, re.IGNORECASE) is not None


def _outcome(number: int, volume: Volume, look: Look) -> Outcome:
    kind = (volume.record or {})["result"]["kind"]
    if kind == "exact":  # beside its source in the scene it needs a name of its own
        volume = volume.renamed(f"{volume.name}, decomposed exactly")
    return Outcome(f"{kind}-{number}", volume, look)


def _look_of_source(decomposition: "Decomposition", number: int, volume: Volume) -> Look:
    sources = decomposition.record["sources"]
    if sources and SHOWN in sources[number - 1]:
        return Look.from_json(sources[number - 1][SHOWN])
    return Look(colour=PET if is_positron_emission(volume.name) else GREY)
