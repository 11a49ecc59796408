"""Fusing the slice that is being looked at, as soon as inputs, model or slice change."""

import time
from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from InvertibleFusionLib.errors import InvertibleFusionError
from InvertibleFusionLib.inference.recent_slices import RecentSlices
from InvertibleFusionLib.mrml.layout import ordinary_composites
from InvertibleFusionLib.mrml.preview import PreviewNode
from InvertibleFusionLib.mrml.scene import nodes_of_class
from InvertibleFusionLib.mrml.shown_slice import slice_to_show, visible_slice_nodes
from InvertibleFusionLib.mrml.views import Layers, show
from InvertibleFusionLib.mrml.volumes import sources_from_nodes, stack_of_results
from InvertibleFusionPanel import choices

SLOW_SECONDS = 0.15
WAIT_MILLISECONDS = 300
"""A slow slice is computed only when scrolling has paused for so long."""


class LivePreview(VTKObservationMixin):
    """Shows one fused slice before there is a result, and a run's slices as they are finished.

    Args:
        logic: of the module.
        say: takes a sentence about what is shown; an empty one where there is nothing to say.
    """

    def __init__(self, logic: Any, say: Callable[[str], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._logic, self._say = logic, say
        self._parameters: Any = None
        self._key: tuple[Any, ...] | None = None
        self._rest: tuple[Any, ...] | None = None
        self._result: Any = None
        self._preview: Any = None
        self._shown: PreviewNode | None = None
        self._index: int | None = None
        self._added = 0
        self._name = ""
        self._recent = RecentSlices()  # beyond one preview: models and slice axes are compared to and fro
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self.update)

    def start(self, parameters: Any) -> None:
        """Follow the views; what was shown stays until the next slice is there."""
        if self._parameters is None:
            for node in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceNode"):
                self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.ask)
        self._parameters = parameters
        self.ask()

    def stop(self) -> None:
        """Follow no longer, and take what was shown out of the scene."""
        self._timer.stop()
        self.removeObservers()
        self._parameters = self._key = self._preview = None
        self._recent.clear()
        self._remove()
        self._say("")

    def rest(self, key: tuple[Any, ...], result: Any) -> None:
        """There is a full result for a key: show no preview over it until the choices change or it is deleted."""
        self._rest, self._result = key, result

    def ask(self, _caller: Any = None, _event: Any = None) -> None:
        """Show the slice anew once the events at hand are dealt with; many requests make one."""
        if self._parameters is not None:
            self._timer.start()

    def update(self) -> None:
        """Show the slice that is being looked at, now."""
        if self._parameters is None:
            return
        try:
            self._prepare()
            if self._preview is None or self._shown is None:
                return
            views = visible_slice_nodes(slicer.mrmlScene)
            stack, parent = self._preview.stack, self._shown.node.GetParentTransformNode()
            place = slice_to_show(views, stack, parent, self._name) if views else None
            index = stack.count // 2 if place is None else place.index
            self._say("" if place is None else place.note)
            if index != self._index:
                self._show(index)
        except InvertibleFusionError as error:
            self._showNothing(str(error))
        except MemoryError:
            self._showNothing(_("The memory does not suffice for a preview of volumes of this size."))

    def beginRun(self, nodes: list[Any], reference: int, axis: Any, name: str) -> None:
        """Show a run's slices as they are finished."""
        self.stop()
        self._added = 0
        placed = stack_of_results(nodes, reference, axis)
        if placed is not None:
            self._put(placed[0], name, placed[1], nodes[reference])

    def addSlice(self, finished: Any) -> None:
        """One more slice of the run; a preview that the user deleted meanwhile is not made again.

        Grey images only, and none of the decomposition that follows a fusion, which begins to count anew.
        """
        if finished.done != self._added + 1 or finished.image.ndim != 2:
            return
        self._added += 1
        if self._shown is not None and self._shown.node.GetScene() is not None:
            self._shown.add(finished.index, finished.image)

    def keyOf(self, parameters: Any) -> tuple[Any, ...]:
        """What a fused slice follows from: two of the same choices are equal; the sources must be chosen."""
        offered = self._logic.chosenModel(parameters)
        nodes = choices.sourcesOf(parameters, offered.card).nodes
        return offered.key, _state(parameters), *(_stateOf(node) for node in nodes)

    def _prepare(self) -> None:
        """Prepare the sources, if they are not those of the last time."""
        parameters = self._parameters
        missing = self._logic.whatIsMissing(parameters)
        if missing:
            self._showNothing(missing)
            return
        key = self.keyOf(parameters)
        if key == self._rest and self._result.GetScene() is not None:
            self._showNothing(
                _("{name} shows every slice. The preview goes on when inputs or model change.").format(
                    name=self._result.GetName()
                )
            )
            return
        if key == self._key and self._shown is not None and self._shown.node.GetScene() is not None:
            return
        offered = self._logic.chosenModel(parameters)
        chosen = choices.sourcesOf(parameters, offered.card)
        nodes = chosen.nodes
        from InvertibleFusionLib.inference.preview import FusionPreview  # brings torch with it

        self._key, self._preview = None, None
        sources = sources_from_nodes(nodes)
        way = choices.forward(parameters, chosen, None)
        self._preview = FusionPreview(
            self._logic.load(offered.key),
            sources.volumes,
            reference=way.reference,
            resample=way.resample,
            axis=way.axis,
            settings=way.settings,
            recent=self._recent,
        )
        self._key = key
        reference = nodes[way.reference]
        self._name = reference.GetName()
        names = " + ".join(node.GetName() for node in nodes)
        self._put(self._preview.stack, _("fused {names}").format(names=names), sources.parent, reference)

    def _put(self, stack: Any, name: str, parent: Any, reference: Any) -> None:
        """A preview over the reference, so that Slicer's key t toggles the two."""
        self._remove()
        self._shown = PreviewNode(slicer.mrmlScene, stack, name, parent)
        show(ordinary_composites(slicer.mrmlScene), Layers(reference, self._shown.node, 1.0))

    def _show(self, index: int) -> None:
        assert self._shown is not None  # whoever prepares puts it there
        start = time.monotonic()
        self._shown.show(index, self._preview.fused_slice(index))
        self._index = index
        slow = time.monotonic() - start > SLOW_SECONDS
        self._timer.setInterval(WAIT_MILLISECONDS if slow else 0)

    def _showNothing(self, sentence: str) -> None:
        self._key = self._preview = None
        self._remove()
        self._say(sentence)

    def _remove(self) -> None:
        if self._shown is not None:
            self._shown.remove()
        self._shown = self._index = None


def _state(parameters: Any) -> tuple[Any, ...]:
    """What of the choices changes a fused slice."""
    return parameters.resample, parameters.reference, parameters.axis, parameters.device, parameters.precision


def _stateOf(node: Any) -> tuple[Any, ...]:
    """A node, its voxels and its place: no slice of a volume that changed since may be shown."""
    transform = node.GetParentTransformNode()
    moved = None if transform is None else (transform.GetID(), transform.GetTransformToWorldMTime())
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    place = tuple(matrix.GetElement(row, column) for row in range(3) for column in range(4))
    return node.GetID(), node.GetImageData().GetMTime(), moved, place
