"""The panel: what is chosen, said and shown."""

import json
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from InvertibleFusionLib.errors import InvertibleFusionError
from InvertibleFusionLib.inference.record_in_words import record_in_words
from InvertibleFusionLib.models.card_in_words import card_in_words, contrast_warning, spread_statement
from InvertibleFusionLib.mrml.provenance import keep_record, record_of
from InvertibleFusionLib.mrml.views import Family, View, family_of, is_head
from InvertibleFusionPanel import choices, visibility
from InvertibleFusionPanel.dependencies import ensure_dependencies, missing_dependencies
from InvertibleFusionPanel.live_preview import LivePreview
from InvertibleFusionPanel.offered_models import whyNone
from InvertibleFusionPanel.parameters import Task
from InvertibleFusionPanel.view_buttons import ViewButtons
from InvertibleFusionPanel.work import Work


class Panel(VTKObservationMixin):
    """Binds the widgets to the choices and lets the library work.

    Args:
        uiWidget: the loaded .ui.
        ui: its children by name.
        logic: of the module.
    """

    def __init__(self, uiWidget: Any, ui: Any, logic: Any) -> None:
        VTKObservationMixin.__init__(self)
        self._uiWidget, self._ui, self._logic = uiWidget, ui, logic
        self._parameters: Any = None
        self._guiTag: Any = None
        self._updating = False
        self._keyOfRun: Any = None
        self._models: list[Any] = []
        self._preview = LivePreview(logic, lambda sentence: visibility.say(ui.previewLabel, sentence))
        self.work = Work(logic, self._preview.addSlice, self._onProgress, self._onDone, self._end)
        self._buttons = ViewButtons(ui, self._family, self._say)
        ui.applyButton.connect("clicked(bool)", self.onApply)
        ui.modelComboBox.connect("activated(int)", self.onModelChosen)
        ui.openModelButton.connect("clicked(bool)", self.onOpenModel)
        ui.copyRecordButton.connect("clicked(bool)", self.onCopyRecord)
        for label in (ui.messageLabel, ui.previewLabel, ui.progressLabel):
            visibility.say(label, "")
        ui.progressBar.visible = False

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self.work.running

    def setParameters(self, parameters: Any) -> None:
        """Bind the widgets to the choices of a scene, or to none."""
        if self._parameters is not None:
            self._parameters.disconnectGui(self._guiTag)
            self.removeObserver(self._parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.update)
        self._parameters = parameters
        if parameters is None:
            self._preview.stop()
            return
        self._guiTag = parameters.connectGui(self._ui)
        self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.update)
        self.update()

    def enter(self) -> None:
        """The module is opened."""
        self._buttons.enter(slicer.util.mainWindow() or self._uiWidget)

    def leave(self) -> None:
        """Another module is opened: a run goes on, the preview does not."""
        self._buttons.leave()
        self.setParameters(None)

    def closeScene(self) -> None:
        """The scene is being closed: let go of its nodes."""
        if self.running:
            self._end(_("The scene was closed; the run was stopped."))
        self.setParameters(None)

    def sceneChanged(self) -> None:
        """A node left the scene."""
        if self._parameters is not None and not slicer.mrmlScene.IsBatchProcessing():
            self.update()

    def cleanup(self) -> None:
        """The widget goes away."""
        self.work.cancel()
        self.setParameters(None)
        self._preview.stop()
        self._buttons.leave()
        self.removeObservers()

    def update(self, _caller: Any = None, _event: Any = None) -> None:
        """Say and enable what follows from the choices."""
        if self._parameters is None or self._updating:
            return
        self._updating = True
        try:
            self._keepRecordOfResult()
            self._updateModels()
            self._updateInputs()
            visibility.arrange(self._ui, self._parameters, self._chosenCard())
            self._updateApply()
            self._buttons.update(self._spreadStatement())
            self._updateAbout()
            self._updatePreview()
        finally:
            self._updating = False

    def onApply(self, _checked: bool = False) -> None:
        """Begin a run, or cancel the one that is under way."""
        if self.running:
            self._end(_("Cancelled. The scene is as it was."))
            return
        self._say("")
        with slicer.util.tryWithErrorDisplay(_("The run could not begin."), waitCursor=True):
            try:
                ensure_dependencies(_("Invertible Fusion"))
                run = self._logic.makeRun(self._parameters)
                self._beginPreviewOfRun()
            except InvertibleFusionError as error:
                self._say(str(error))
                return
            self.work.start(run, self._parameters)
            self.update()

    def onModelChosen(self, index: int) -> None:
        """The user chose a model."""
        if self._parameters is not None and 0 <= index < len(self._models):
            self._parameters.model = self._models[index].key

    def onOpenModel(self, _checked: bool = False) -> None:
        """Let the user pick a model file."""
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Open a model file"), "", _("Model files (*.safetensors)")
        )
        if path:
            self.openModel(path)

    def openModel(self, path: str) -> None:
        """Take a model file, if it does the task."""
        try:
            card = self._logic.models.open(path)
        except InvertibleFusionError as error:
            self._say(str(error))
            return
        self._parameters.model = path
        if self._logic.chosenModel(self._parameters) is None or self._chosenKey() != path:
            self._say(_("{name} is a model for another task: {task}.").format(name=card.name, task=card.task))
        self.update()

    def onCopyRecord(self, _checked: bool = False) -> None:
        """The result's whole record to the clipboard."""
        record = self._record()
        if record is not None:
            slicer.app.clipboard().setText(json.dumps(record, indent=2))

    def _keepRecordOfResult(self) -> None:
        """A fused image of the command line carries its record in its file; scenes keep it on the node."""
        try:
            if self._parameters.result is not None:
                keep_record(self._parameters.result)
        except InvertibleFusionError as error:
            self._say(str(error))

    def _updateModels(self) -> None:
        box = self._ui.modelComboBox
        self._models = self._logic.offered(self._parameters)
        labels = [model.label() for model in self._models]
        if [box.itemText(number) for number in range(box.count)] != labels:
            blocked = box.blockSignals(True)
            box.clear()
            box.addItems(labels)
            box.blockSignals(blocked)
        keys = [model.key for model in self._models]
        chosen = self._chosenKey()
        box.setCurrentIndex(keys.index(chosen) if chosen in keys else -1)
        card = self._chosenCard()
        told = whyNone(self._parameters.task, self._parameters.result) if card is None else card_in_words(card)
        visibility.say(self._ui.modelCardLabel, "\n".join(told.split("\n")[:2]))
        box.toolTip = told

    def _updateInputs(self) -> None:
        card = self._chosenCard()
        warning = ""
        if self._parameters.task is not Task.DECOMPOSE:
            status = self._logic.inputStatus(self._parameters)
            visibility.say(self._ui.inputStatusLabel, status.sentence)
            chosen = choices.sourcesOf(self._parameters, card)
            if card is not None and all(chosen.nodes):
                warning = contrast_warning(card, [node.GetName() for node in chosen.nodes], chosen.given)
        visibility.say(self._ui.modelWarningLabel, warning)

    def _updateApply(self) -> None:
        button = self._ui.applyButton
        if self.running:
            button.text, button.enabled = _("Cancel"), True
            button.toolTip = _("Stop the run. The scene stays as it was.")
            return
        missing = self._logic.whatIsMissing(self._parameters)
        button.text, button.enabled = _("Apply"), not missing
        button.toolTip = missing or _("Compute the results; the slice that is shown comes first.")

    def _updateAbout(self) -> None:
        record = self._record()
        text = _("There is no result yet.") if record is None else record_in_words(record)
        if self._ui.aboutText.toPlainText() != text:
            self._ui.aboutText.setPlainText(text)
        self._ui.copyRecordButton.enabled = record is not None

    def _updatePreview(self) -> None:
        if self.running:
            return
        wanted = self._parameters.livePreview and self._parameters.task is Task.FUSE
        if not wanted:
            self._preview.stop()
        elif missing_dependencies():
            self._preview.stop()
            visibility.say(self._ui.previewLabel, _("The preview begins after the first Apply, which installs torch."))
        else:
            self._preview.start(self._parameters)

    def _beginPreviewOfRun(self) -> None:
        parameters = self._parameters
        self._preview.stop()
        if parameters.task is not Task.DECOMPOSE:
            self._keyOfRun = self._preview.keyOf(parameters)  # now: the user may choose otherwise during the run
            sources = choices.sourcesOf(parameters, self._chosenCard())
            self._preview.beginRun(sources.nodes, sources.reference, parameters.axis.value, _("under way"))

    def _onProgress(self, done: int, total: int, said: str) -> None:
        bar = self._ui.progressBar
        bar.visible = True
        bar.maximum, bar.value = total, done
        visibility.say(self._ui.progressLabel, said)

    def _onDone(self, nodes: dict[str, Any]) -> None:
        parameters = self._parameters or self._logic.getParameterNode()
        self._logic.keepResult(parameters, nodes)
        if "fused" in nodes:
            self._preview.rest(self._keyOfRun, nodes["fused"])
        self._end("")
        decomposed = [key for key in nodes if key not in ("fused", "latent") and not key.startswith("synthetic")]
        shown = View.FUSED if "fused" in nodes or "synthetic-1" in nodes or not decomposed else View.DECOMPOSED
        self._buttons.show(shown)

    def _end(self, sentence: str) -> None:
        """Whatever way a run ends."""
        self.work.cancel()
        self._preview.stop()
        self._ui.progressBar.visible = False
        visibility.say(self._ui.progressLabel, "")
        self._say(sentence)
        self.update()

    def _say(self, sentence: str) -> None:
        visibility.say(self._ui.messageLabel, sentence)

    def _family(self) -> Family:
        """What there is to show: the chosen result's, or the chosen sources before there is one."""
        parameters = self._parameters
        if parameters is None:
            return Family()
        try:
            # Slicer's selector goes to any other volume, a latent or a scan, when the one it shows is deleted.
            if parameters.result is not None and is_head(parameters.result):
                return family_of(parameters.result)
        except InvertibleFusionError as error:
            self._say(str(error))
        nodes = choices.sourcesOf(parameters, self._chosenCard()).nodes
        return Family(sources={number: node for number, node in enumerate(nodes, 1) if node is not None})

    def _record(self) -> dict[str, Any] | None:
        result = None if self._parameters is None else self._parameters.result
        try:
            return None if result is None else record_of(result)
        except InvertibleFusionError:
            return None

    def _chosenKey(self) -> str:
        offered = self._logic.chosenModel(self._parameters)
        return "" if offered is None else offered.key

    def _chosenCard(self) -> Any:
        offered = self._logic.chosenModel(self._parameters)
        return None if offered is None else offered.card

    def _spreadStatement(self) -> str:
        card = self._chosenCard()
        return "" if card is None or card.task != "fusion" else spread_statement(card)
