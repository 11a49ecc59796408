"""What a slow run asks of a process of its own, and what becomes of its files."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import slicer

from InvertibleFusionLib.models.shipped import model_path
from InvertibleFusionLib.mrml.scene import require_in_scene
from InvertibleFusionLib.mrml.views import family_of
from InvertibleFusionLib.mrml.volumes import images_from_nodes, sources_from_nodes
from InvertibleFusionLib.volumes.volume import Volume
from InvertibleFusionPanel import choices
from InvertibleFusionPanel.parameters import Task
from InvertibleFusionPanel.separate_process import Order

SLOW_SECONDS = 0.15
"""Of a slice: longer than this the window visibly stops."""
WORTH_SECONDS = 10.0
"""What is left to do must take longer than starting Python and torch once more."""
SLICES_TO_JUDGE = 3


@dataclass(frozen=True)
class SlowRun:
    """A run that a process of its own does.

    Attributes:
        order: for the process.
        finish: takes the folder of its results and puts them into the scene; gives the nodes by key.
        then: makes the run that follows, of the nodes; None where nothing does.
    """

    order: Order
    finish: Callable[[Path], dict[str, Any]]
    then: Callable[[Any], "SlowRun"] | None = None


def isWorthAProcess(finished: Any, sinceFirst: float) -> bool:
    """Whether to go on in a process, judged by the first slices."""
    if finished.done < SLICES_TO_JUDGE:
        return False
    pace = sinceFirst / (finished.done - 1)
    return pace > SLOW_SECONDS and pace * (finished.total - finished.done) > WORTH_SECONDS


def slowRun(logic: Any, parameters: Any) -> SlowRun:
    """The chosen run as one for a process; what the user chooses afterwards changes nothing of it.

    Raises:
        InvertibleFusionError: as the runs of ``mrml.runs`` at their beginning.
    """
    offered, task = logic.chosenModel(parameters), parameters.task
    model, back = model_path(offered.key), choices.backward(parameters, None)
    if task is Task.DECOMPOSE:
        return _backward(model, back, parameters.result)
    chosen = choices.sourcesOf(parameters, offered.card)
    nodes, way = chosen.nodes, choices.forward(parameters, chosen, None)
    sources = sources_from_nodes(nodes)
    options: dict[str, Any] = {"reference": way.reference, "resample": way.resample, "axis": way.axis}
    if task is Task.FUSE:
        options["certify"] = way.certify
    else:
        options |= {"given": way.given, "inspect": way.inspect}

    def finish(folder: Path) -> dict[str, Any]:
        for node in nodes:
            require_in_scene(node, "source of this run")
        return _putForward(folder, sources, way, task)

    then = (lambda fused: _backward(model, back, fused)) if choices.goesBack(parameters) else None
    order = Order(task.value, model, sources.volumes, options, asdict(way.settings))
    return SlowRun(order, finish, then)


def _backward(model: Path, way: Any, fused: Any) -> SlowRun:
    family = family_of(fused)
    images, latent = images_from_nodes(family.images, family.latent if way.exact else None)
    options = {"samples": way.samples, "seed": way.seed, "certify": way.certify}

    def finish(folder: Path) -> dict[str, Any]:
        from InvertibleFusionLib.mrml.runs import put_decomposition

        require_in_scene(fused, "image of this run")
        return put_decomposition(slicer.mrmlScene, _decomposition(folder), fused, way)

    return SlowRun(Order("decompose", model, images, options, asdict(way.settings), latent), finish)


def _putForward(folder: Path, sources: Any, way: Any, task: Task) -> dict[str, Any]:
    from InvertibleFusionLib.inference.fusion import Fusion
    from InvertibleFusionLib.inference.synthesis import Synthesis
    from InvertibleFusionLib.inference.synthesis_grounds import STATISTICS_FILE, SynthesisGrounds, read_statistics
    from InvertibleFusionLib.mrml import runs

    kept = _read(folder / "latent.nrrd") if (folder / "latent.nrrd").is_file() else None
    if task is Task.FUSE:
        image = _read(folder / "fused.nrrd")
        return runs.put_fusion(slicer.mrmlScene, Fusion(image, kept, _record(image)), sources, way)
    images = sorted((_read(path) for path in folder.glob("synthetic-*.nrrd")), key=lambda each: _number(each, "output"))
    mixture, grounds = None, None
    if way.inspect:
        mixture = _read(folder / "pseudo-target.nrrd")
        grounds = SynthesisGrounds(mixture.array, read_statistics(folder / STATISTICS_FILE))
    synthesis = Synthesis(tuple(images), kept, _record(images[0]), mixture, grounds)
    return runs.put_synthesis(slicer.mrmlScene, synthesis, sources, way)


def _decomposition(folder: Path) -> Any:
    from InvertibleFusionLib.inference.decomposition import Decomposition, Estimate

    means: dict[int, Volume] = {}
    spreads: dict[int, Volume] = {}
    for volume in map(_read, folder.glob("*.nrrd")):
        kind = (volume.record or {})["result"]["kind"]
        (spreads if kind == "spread" else means)[_number(volume, "source")] = volume
    estimates = [Estimate(means[number], spreads.get(number)) for number in sorted(means)]
    return Decomposition(estimates, _record(estimates[0].mean))


def _read(path: Path) -> Volume:
    """A result under the name that its record gives it."""
    volume = Volume.read(path)
    return volume.renamed(str((volume.record or {})["result"]["name"]))


def _number(volume: Volume, key: str) -> int:
    return int((volume.record or {})["result"][key])


def _record(volume: Volume) -> dict[str, Any]:
    """The record of the run that a result came from."""
    return {key: value for key, value in (volume.record or {}).items() if key != "result"}
