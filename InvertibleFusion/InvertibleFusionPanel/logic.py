"""What the module does, with or without its panel."""

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from InvertibleFusionLib.errors import ConfigurationError, InvertibleFusionError
from InvertibleFusionLib.models.shipped import model_path
from InvertibleFusionLib.mrml.inputs import InputStatus, input_status
from InvertibleFusionLib.mrml.scene import nodes_of_class
from InvertibleFusionLib.mrml.shown_slice import slice_to_show, visible_slice_nodes
from InvertibleFusionLib.mrml.volumes import stack_of_results
from InvertibleFusionPanel import choices
from InvertibleFusionPanel.offered_models import OfferedModel, OfferedModels, whyNone
from InvertibleFusionPanel.parameters import Task, Way


class PanelLogic:
    """Makes runs of the user's choices; keeps loaded models.

    For scripts, in Slicer's Python console::

        logic = slicer.modules.InvertibleFusionWidget.logic
        parameters = logic.getParameterNode()
        parameters.firstSource, parameters.secondSource = adc, flair
        nodes = logic.process(parameters)
    """

    def __init__(self) -> None:
        self.models = OfferedModels()
        self._loaded: dict[tuple[str, float], Any] = {}

    def process(self, parameters: Any) -> dict[str, Any]:
        """Do all of it at once; the result nodes by their outcome's key.

        Raises:
            InvertibleFusionError: what is missing or went wrong, in a sentence.
        """
        from InvertibleFusionLib.inference.slice_engine import finish

        nodes: dict[str, Any] = finish(self.makeRun(parameters))
        self.keepResult(parameters, nodes)
        return nodes

    def makeRun(self, parameters: Any) -> Any:
        """A run that yields slices, the one that is shown first, and returns the result nodes.

        Raises:
            InvertibleFusionError: what is missing, in a sentence.
        """
        missing = self.whatIsMissing(parameters)
        if missing:
            raise ConfigurationError(missing)
        from InvertibleFusionLib.mrml import runs

        offered = self.chosenModel(parameters)
        assert offered is not None  # else it would be missing
        model, first = self.load(offered.key), self.shownSlice(parameters)
        scene = slicer.mrmlScene
        if parameters.task is Task.DECOMPOSE:
            return runs.decompose_node(scene, model, parameters.result, choices.backward(parameters, first))
        sources = choices.sourcesOf(parameters, offered.card)
        nodes, way = sources.nodes, choices.forward(parameters, sources, first)
        if parameters.task is Task.SYNTHESIZE:
            return runs.synthesize_nodes(scene, model, nodes, way)
        if choices.goesBack(parameters):
            return runs.fuse_and_decompose(scene, model, nodes, way, choices.backward(parameters, first))
        return runs.fuse_nodes(scene, model, nodes, way)

    def whatIsMissing(self, parameters: Any) -> str:
        """A sentence that says what keeps a run from beginning; empty where nothing does."""
        offered = self.chosenModel(parameters)
        if offered is None:
            return whyNone(parameters.task, parameters.result)
        if parameters.task is Task.DECOMPOSE:
            return self._whatIsMissingToDecompose(parameters)
        if len(offered.card.inputs) > len(choices.SOURCES):
            return _("{name} takes more sources than this panel has. Use the command line.").format(
                name=offered.card.name
            )
        if choices.goesBack(parameters) and parameters.way is Way.EXACT and not parameters.keepLatent:
            return _("Tick Latent among the outputs: without it nothing can be taken apart exactly.")
        status = self.inputStatus(parameters)
        return "" if status.usable else status.sentence

    def inputStatus(self, parameters: Any) -> InputStatus:
        """Whether the chosen sources can be taken together, in words."""
        offered = self.chosenModel(parameters)
        sources = choices.sourcesOf(parameters, None if offered is None else offered.card)
        return input_status(sources.nodes, sources.reference, parameters.resample)

    def offered(self, parameters: Any) -> list[OfferedModel]:
        """The models that fit the task."""
        names = [node.GetName() for node in (getattr(parameters, name) for name in choices.SOURCES) if node is not None]
        return self.models.forTask(parameters.task, names, parameters.result, parameters.model)

    def chosenModel(self, parameters: Any) -> OfferedModel | None:
        """The chosen model if it fits the task, else the first that does; None where there is none."""
        offered = self.offered(parameters)
        return next((model for model in offered if model.key == parameters.model), offered[0] if offered else None)

    def load(self, key: str) -> Any:
        """A model by its shipped name or path, read again only when its file changed.

        Raises:
            ModelFileError: when it is not sound.
        """
        from InvertibleFusionLib.models.shipped import load_model

        path = model_path(key)
        stamp = (str(path), Path(path).stat().st_mtime if Path(path).is_file() else 0.0)
        if stamp not in self._loaded:
            self._loaded = {stamp: load_model(path)}
        return self._loaded[stamp]

    def shownSlice(self, parameters: Any) -> int | None:
        """The slice that is being looked at, to be computed before the others; None where that cannot be said."""
        views = visible_slice_nodes(slicer.mrmlScene)
        if parameters.task is Task.DECOMPOSE:
            nodes, reference = [parameters.result], 0
        else:
            offered = self.chosenModel(parameters)
            sources = choices.sourcesOf(parameters, None if offered is None else offered.card)
            nodes, reference = sources.nodes, sources.reference
        placed = stack_of_results(nodes, reference, parameters.axis.value)
        if not views or placed is None:
            return None
        stack, parent = placed
        return slice_to_show(views, stack, parent, nodes[reference].GetName()).index

    def chooseSources(self, parameters: Any) -> None:
        """Take the first scans of the scene where nothing is chosen yet."""
        if any(getattr(parameters, name) for name in choices.SOURCES):
            return
        volumes = [node for node in nodes_of_class(slicer.mrmlScene, "vtkMRMLScalarVolumeNode") if _isScan(node)]
        for name, node in zip(choices.SOURCES[:2], volumes, strict=False):
            setattr(parameters, name, node)

    def keepResult(self, parameters: Any, nodes: dict[str, Any]) -> None:
        """Let the fused or synthetic image of a run be the chosen result."""
        made = nodes.get("fused") or nodes.get("synthetic-1")
        if made is not None:
            parameters.result = made

    def _whatIsMissingToDecompose(self, parameters: Any) -> str:
        from InvertibleFusionLib.mrml.views import family_of

        if not choices.wantedKinds(parameters):
            return _("Tick at least one output.")
        try:
            family = family_of(parameters.result)
        except InvertibleFusionError as error:
            return str(error)
        if parameters.way is Way.EXACT and family.latent is None:
            said = (
                _("{name} has no latent in the scene, which the round trip needs. Go back from the target alone.")
                if choices.goesBackFromSynthetic(parameters)
                else _("{name} has no latent in the scene. Take it apart from the image alone.")
            )
            return said.format(name=parameters.result.GetName())
        return ""


def _isScan(node: Any) -> bool:
    """No label map and nothing that was made here."""
    ours = any(name.startswith("InvertibleFusion") for name in node.GetAttributeNames() or ())
    return node.GetClassName() == "vtkMRMLScalarVolumeNode" and not ours and node.GetSaveWithScene()
