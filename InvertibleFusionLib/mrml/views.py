"""Showing sources and results in place, one click each, without moving the view."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from InvertibleFusionLib.errors import SceneError
from InvertibleFusionLib.mrml.provenance import SYNTHETIC, record_of
from InvertibleFusionLib.mrml.results import FUSED, LATENT, SOURCE
from InvertibleFusionLib.mrml.scene import nodes_of_class, require_in_scene


class View(StrEnum):
    """What can be shown."""

    SOURCE = "source"
    FUSED = "fused"
    DECOMPOSED = "decomposed"
    DIFFERENCE = "difference"
    SPREAD = "spread"


HEADS = ("fused", "synthetic")
"""The kinds of results that a family is found by."""
DECOMPOSED_KINDS = ("exact", "mean", "round-trip", "from-target")

LABELS = {
    ("round trip", View.DECOMPOSED): "Round trip",
    ("round trip", View.DIFFERENCE): "Round trip difference",
    ("target alone", View.DECOMPOSED): "From target",
    ("target alone", View.DIFFERENCE): "From target difference",
}
"""By the way back that the record states: what is not to be taken for the source itself, or for an error of it."""

HOW_TO_GET = {
    View.SOURCE: "Load and choose it.",
    View.FUSED: "Fuse the sources, or synthesize from them, first.",
    View.DECOMPOSED: "Take the fused or synthetic image apart first.",
    View.DIFFERENCE: "Take the fused or synthetic image apart with the difference among the outputs.",
    View.SPREAD: "Take a fused image apart from the image alone, with several samples. A synthetic one has no spread.",
}


@dataclass(frozen=True)
class Family:
    """A fused image, or the images of a synthesis, and what belongs to them; numbers count sources from 1.

    Attributes:
        fused: node, or None; the first image of a synthesis.
        latent: node, or None.
        sources: nodes by number.
        decomposed: nodes by number; the latest of exact and mean.
        differences: nodes by number.
        spreads: nodes by number.
        further: the other images of a synthesis, by the output's number.
        pseudo_target: of a feature-disentanglement GAN; node, or None.
    """

    fused: Any = None
    latent: Any = None
    sources: Mapping[int, Any] = field(default_factory=dict)
    decomposed: Mapping[int, Any] = field(default_factory=dict)
    differences: Mapping[int, Any] = field(default_factory=dict)
    spreads: Mapping[int, Any] = field(default_factory=dict)
    further: Mapping[int, Any] = field(default_factory=dict)
    pseudo_target: Any = None

    @property
    def images(self) -> list[Any]:
        """What is taken apart: the fused image, or all images of the synthesis in their order."""
        return [self.fused, *(self.further[number] for number in sorted(self.further))]


@dataclass(frozen=True)
class Layers:
    """What a slice view shows.

    Attributes:
        background: node, or None.
        foreground: node, or None.
        opacity: of the foreground, 0 or 1; Slicer's key t switches between the two.
    """

    background: Any
    foreground: Any = None
    opacity: float = 0.0


def is_head(node: Any) -> bool:
    """Whether a node is a fused or synthetic image, and not a scan, a latent or a recovered source.

    Raises:
        RecordMismatchError: when its record is damaged.
    """
    record = record_of(node)
    return record is not None and record["result"]["kind"] in HEADS


def family_of(fused: Any) -> Family:
    """Everything in the scene that belongs to a fused or synthetic image; found again in a reopened scene.

    Raises:
        SceneError: when it was deleted.
    """
    require_in_scene(fused, "fused or synthetic image")
    count = len((record_of(fused) or {}).get("sources", []))
    sources = {number: fused.GetNodeReference(SOURCE.format(number=number)) for number in range(1, count + 1)}
    found: dict[str, dict[int, Any]] = {kind: {} for kind in ("decomposed", "difference", "spread", "synthetic")}
    pseudo_target = None
    for node in nodes_of_class(fused.GetScene(), "vtkMRMLScalarVolumeNode"):
        if node.GetNodeReference(FUSED) is not fused:
            continue
        result = (record_of(node) or {}).get("result", {})
        kind = "decomposed" if result.get("kind") in DECOMPOSED_KINDS else result.get("kind")
        if kind == "pseudo-target":
            pseudo_target = node
        elif kind in found:
            found[kind][int(result["output" if kind == "synthetic" else "source"])] = node
    return Family(
        fused,
        fused.GetNodeReference(LATENT),
        {number: node for number, node in sources.items() if node is not None},
        found["decomposed"],
        found["difference"],
        found["spread"],
        found["synthetic"],
        pseudo_target,
    )


def layers_of(family: Family, view: View, number: int = 1) -> Layers:
    """What to show for a view: fused and decomposed lie on each other, so that t toggles them.

    Args:
        family: of the fused image.
        view: what to show.
        number: of the source, from 1; the fused image is shown over against what was decomposed as this one.

    Raises:
        SceneError: when it is not there (any more), with how to get it.
    """
    decomposed = _present(family.decomposed.get(number))
    if view is View.FUSED:
        return Layers(_needed(family.fused, view, number), decomposed)
    if view is View.DECOMPOSED:
        shown = _needed(decomposed, view, number)
        fused = _present(family.fused)
        return Layers(shown) if fused is None else Layers(fused, shown, 1.0)
    chosen = {View.SOURCE: family.sources, View.DIFFERENCE: family.differences, View.SPREAD: family.spreads}[view]
    return Layers(_needed(chosen.get(number), view, number), decomposed)


def layers_if_there(family: Family, view: View, number: int = 1) -> Layers | None:
    """``layers_of``, and None for what is not there."""
    try:
        return layers_of(family, view, number)
    except SceneError:
        return None


def label_of(family: Family, view: View, number: int = 1) -> str:
    """What is shown, in a few words: a synthetic image is called SYNTHETIC, what came back from it by its way.

    Args:
        family: of the fused image, or of a synthesis.
        view: what to show; it need not be there.
        number: of the source, from 1.
    """
    if view is View.FUSED:
        return _image_label(family.fused)
    held = {View.DECOMPOSED: family.decomposed, View.DIFFERENCE: family.differences}.get(view, {})
    return f"{LABELS.get((_way_back(held.get(number)), view), view.capitalize())} {number}"


def panes_of(family: Family) -> dict[str, Layers]:
    """Everything there is to see, by its label: sources, images made of them, and what was taken back."""
    wanted = [(View.SOURCE, number) for number in family.sources] + [(View.FUSED, 1)]
    behind: list[tuple[View, int]] = []
    for view, nodes in (
        (View.DECOMPOSED, family.decomposed),
        (View.DIFFERENCE, family.differences),
        (View.SPREAD, family.spreads),
    ):
        behind += [(view, number) for number in sorted(nodes)]
    shown = {label_of(family, view, number): layers_if_there(family, view, number) for view, number in wanted}
    shown |= {_image_label(node): Layers(node) for _, node in sorted(family.further.items())}
    shown |= {label_of(family, view, number): layers_if_there(family, view, number) for view, number in behind}
    return {label: layers for label, layers in shown.items() if layers is not None}


def show(composites: Iterable[Any], layers: Layers) -> None:
    """Show layers in slice views; slice, zoom and every volume's window and level stay as they are.

    Args:
        composites: the views' slice composite nodes.
        layers: what to show.
    """
    for composite in composites:
        before = composite.StartModify()
        composite.SetBackgroundVolumeID(_id(layers.background))
        composite.SetForegroundVolumeID(_id(layers.foreground))
        composite.SetForegroundOpacity(layers.opacity)
        composite.EndModify(before)


def composites_of(scene: Any, view_names: Iterable[str] | None = None) -> list[Any]:
    """The slice composite nodes of views by their layout names ("Red"); all of them where None."""
    names = None if view_names is None else set(view_names)
    nodes = nodes_of_class(scene, "vtkMRMLSliceCompositeNode")
    return [node for node in nodes if names is None or node.GetLayoutName() in names]


def _image_label(node: Any) -> str:
    result = _record(node).get("result", {})
    return f"{SYNTHETIC} {result['of']}" if result.get("kind") == "synthetic" else View.FUSED.capitalize()


def _way_back(node: Any) -> str:
    return str(_record(node).get("settings", {}).get("way", ""))


def _record(node: Any) -> dict[str, Any]:
    return (None if node is None else record_of(node)) or {}


def _needed(node: Any, view: View, number: int) -> Any:
    if _present(node) is None:
        what = "fused or synthetic image" if view is View.FUSED else f"{view} {number}"
        raise SceneError(f"There is no {what} to show, or it was deleted. {HOW_TO_GET[view]}")
    return node


def _present(node: Any) -> Any:
    return node if node is not None and node.GetScene() is not None else None


def _id(node: Any) -> str | None:
    return None if node is None else node.GetID()
