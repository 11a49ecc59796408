"""From a configuration to a model file with its card."""

import logging
import math
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from InvertibleFusionLib.errors import ConfigurationError, InferenceError, ModelFileError, OutputError
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.model_file import as_stored, read_model, save_model
from InvertibleFusionLib.training.configuration import TrainingConfiguration, require_same_run
from InvertibleFusionLib.training.curves import Curves, recording
from InvertibleFusionLib.training.data import (
    PatientSlices,
    Samples,
    Stock,
    load_both_sides,
    loader,
    require_separate_patients,
    scaling_in_words,
    with_scale,
)
from InvertibleFusionLib.training.devices import leave_processes, processes, start_fabric
from InvertibleFusionLib.training.loop import Step, Training, stopped
from InvertibleFusionLib.training.objective import Objective
from InvertibleFusionLib.training.recipe import Recipe, recipe_for, slices_to_check
from InvertibleFusionLib.training.run_card import card_of_run, session_of, write_rows
from InvertibleFusionLib.training.state import Position, load_state, read_state, save_state
from InvertibleFusionLib.training.synthesis_references import with_references

LOG = logging.getLogger("InvertibleFusion")
LAST = "last.safetensors"
STEPS_BETWEEN_POINTS = 20
"""Of the curves."""

OnStep = Callable[[int, int, dict[str, float]], None]


def train_model(
    configuration: TrainingConfiguration,
    out: Path,
    on_step: OnStep,
    resume: bool = False,
    slices_to_measure: int | None = None,
) -> ModelCard | None:
    """Train a model, measure it, and write its file.

    Beside the file a folder ``NAME.training`` gets the last and the best training state, the curves as CSV and for
    TensorBoard, and the measures of every slice.

    Args:
        configuration: the whole run.
        out: the model file, NAME.safetensors.
        on_step: called with steps done, steps in all, and the losses.
        resume: go on with the last state of a run that was stopped, as if it had not been. One that was stopped after
            its last step is measured and its model file written.
        slices_to_measure: of each validation patient the middle ones, for the card; all of them where None.

    Returns:
        The model's card; None in processes of a larger run that write nothing.

    Raises:
        ConfigurationError: before anything starts, when a case cannot be used, the file cannot be a model file, or the
            folder holds a run that this one would overwrite or cannot go on with.
        ModelFileError: likewise, when the model to start from is not there.
        InferenceError: when training diverges; the last state is kept.
    """
    return _train(configuration, out, on_step, resume, slices_to_measure)


def dry_run(configuration: TrainingConfiguration, out: Path | None = None, resume: bool = False) -> None:
    """One batch of everything: data, step, validation, states, measures, model file. Nothing is left behind.

    Args:
        configuration: of the run.
        out: the model file that it shall write, if that is known.
        resume: whether it shall go on with a stopped run.

    Raises:
        InvertibleFusionError: what the run itself would stumble over.
    """
    if out is not None:
        _require_no_other_run(_settings(configuration, processes()), _folder_for(out) / LAST, resume)
    short = replace(configuration, steps=1, validate_every=1, checkpoint_every=1, validation_slices=1)
    with tempfile.TemporaryDirectory() as folder:
        _train(short, Path(folder) / "dry.safetensors", lambda done, total, losses: None, slices_to_measure=1)


def _train(
    configuration: TrainingConfiguration,
    out: Path,
    on_step: OnStep,
    resume: bool = False,
    slices_to_measure: int | None = None,
) -> ModelCard | None:
    folder = _folder_for(out)
    last = folder / LAST
    settings = _settings(configuration, processes())
    _require_no_other_run(settings, last, resume)
    recipe = recipe_for(configuration)
    objective = recipe.objective(configuration)
    if configuration.start_from:
        _start_from(configuration.start_from, recipe, configuration, objective)
    fabric = start_fabric(configuration.accelerator, configuration.precision, len(objective.turns))
    samples, unseen = _data(configuration, fabric.world_size)
    if not configuration.start_from and not resume:
        objective.initialize(_first_images(samples, configuration.batch_size * fabric.world_size))
    training = Training(configuration, objective, fabric)
    position = Position(settings=settings)
    if resume:
        position = load_state(last, objective, training.optimizers)
    position.add_session(session_of(configuration, fabric), configuration.steps)
    run = _Run(configuration, recipe, fabric, training, position, folder)
    run.go(samples, unseen, on_step)
    leave_processes(fabric)
    if not fabric.is_global_zero:
        return None
    return _finish(run, samples.stocks, [_middle(patient, slices_to_measure) for patient in unseen], out)


@dataclass
class _Run:
    """A run under way."""

    configuration: TrainingConfiguration
    recipe: Recipe
    fabric: Fabric
    training: Training
    position: Position
    folder: Path
    kept: int = 0

    def go(self, samples: Samples, unseen: list[PatientSlices], on_step: OnStep) -> None:
        """Train to the end, or until validations no longer improve."""
        settings, fabric = self.configuration, self.fabric
        batches = loader(
            samples, self.position.step, settings.batch_size, fabric.global_rank, fabric.world_size, settings.workers
        )
        to_check = slices_to_check(unseen, settings.validation_slices)
        with ExitStack() as stack:
            curves = stack.enter_context(recording(self.folder, self.position.step)) if fabric.is_global_zero else None
            try:
                # Before the hours, not after them: whether the folder can be written.
                self._save("last")
                if self._ends_early():
                    return
                for step in self.training.steps(batches, self.position):
                    on_step(step.number, settings.steps, step.losses)
                    _draw(curves, step, settings.steps)
                    self._after(step.number, to_check, curves)
                    if self._ends_early():
                        return
            except (InferenceError, OutputError) as error:
                kept = f"The state of step {self.kept} is kept: --resume goes on from it." if self.kept else ""
                raise type(error)(f"{error} {kept}".rstrip()) from error

    def _ends_early(self) -> bool:
        return 0 < self.configuration.early_stop <= self.position.progression.waited

    def _after(self, step: int, to_check: list[Any], curves: Curves | None) -> None:
        """Validate and save when it is time."""
        settings = self.configuration
        if step % settings.validate_every == 0 or step == settings.steps:
            self._validate(step, to_check, curves)
        if step % settings.checkpoint_every == 0 or step == settings.steps or self._ends_early():
            self._save("last")

    def _validate(self, step: int, to_check: list[Any], curves: Curves | None) -> None:
        network = self.training.objective.trained
        scores: dict[str, float] = {}
        if curves is not None:
            network.eval()
            scores = self.recipe.check(network, to_check)
            curves.add(step, {f"validation/{name}": value for name, value in scores.items()})
            curves.add_images(step, "validation", self.recipe.pictures(network, to_check[0]))
            network.train()
        score = float(self.fabric.broadcast(scores.get("score", 0.0)))
        if not math.isfinite(score):
            raise stopped(step, f"the score of the validation is {score}")
        if self.position.progression.add(score, step, self.configuration.schedule):
            self._save("best")

    def _save(self, which: str) -> None:
        if which == "last":
            self.kept = self.position.step
        if self.fabric.is_global_zero:
            path = self.folder / f"{which}.safetensors"
            save_state(path, self.training.objective, self.training.optimizers, self.position)


def _folder_for(out: Path) -> Path:
    if out.suffix != ".safetensors":
        raise ConfigurationError(f"A model file ends in .safetensors; {out.name} does not.")
    return out.with_suffix(".training")


def _settings(configuration: TrainingConfiguration, processes: int) -> dict[str, Any]:
    return {**configuration.to_json(), "processes": processes}


def _require_no_other_run(settings: dict[str, Any], last: Path, resume: bool) -> None:
    if resume:
        if not last.exists():
            raise ConfigurationError(f"There is no run to go on with: {last} does not exist. Leave --resume out.")
        require_same_run(settings, read_state(last)[1].settings)
    elif last.exists() and read_state(last)[1].step > 0:
        step = read_state(last)[1].step
        raise ConfigurationError(
            f"{last.parent} holds a run at step {step}. Add --resume to go on with it, or remove the folder."
        )


def _start_from(path: Path, recipe: Recipe, configuration: TrainingConfiguration, objective: Objective) -> None:
    """Also of a run that goes on, whose state replaces these weights: the card at its end names the file."""
    if not path.is_file():
        raise ModelFileError(
            f"start_from: there is no model file {path.name} in {path.absolute().parent}. Train it first, or give its "
            "path: --start_from FILE."
        )
    model = read_model(path)
    theirs, ours = model.card, configuration.network.to_json()
    # A card that was written before a setting existed means its default.
    same_kind = theirs.architecture == recipe.architecture
    if not same_kind or type(configuration.network)(**theirs.configuration).to_json() != ours:
        raise ConfigurationError(
            f"{path} cannot be started from: it is a {theirs.architecture} with {theirs.configuration}, the "
            f"run trains a {recipe.architecture} with {ours}."
        )
    objective.trained.load_state_dict(model.network.state_dict())


def _data(configuration: TrainingConfiguration, processes: int) -> tuple[Samples, list[PatientSlices]]:
    folder, contrasts = configuration.data_folder, configuration.channels
    training, validation = configuration.training, configuration.validation
    require_separate_patients(training, validation, contrasts, folder)
    scale = with_scale(configuration.intensity)
    chosen = (configuration.selection, configuration.grid_of, configuration.cache)
    stocks, unseen = load_both_sides(training, validation, contrasts, folder, scale, *chosen)
    # One batch more than there are steps: it initializes the network.
    total = (configuration.steps + 1) * configuration.batch_size * processes
    return Samples(stocks, configuration.augmentation, configuration.seed, total), unseen


def _first_images(samples: Samples, count: int) -> torch.Tensor:
    return torch.stack([samples[len(samples) - 1 - number]["images"] for number in range(count)])


def _draw(curves: Curves | None, step: Step, steps: int) -> None:
    if curves is not None and (step.number % STEPS_BETWEEN_POINTS == 0 or step.number in (1, steps)):
        more = {"learning rate": step.learning_rate, "gradient norm": step.gradient_norm}
        curves.add(step.number, {**{f"loss/{name}": value for name, value in step.losses.items()}, **more})


def _finish(run: _Run, stocks: list[Stock], unseen: list[PatientSlices], out: Path) -> ModelCard:
    configuration, objective = run.configuration, run.training.objective
    steps = run.position.step
    if configuration.keep == "best":
        steps = load_state(run.folder / "best.safetensors", objective, {}).step
    network: Any = objective.trained.eval().requires_grad_(False).cpu()
    network.load_state_dict({n: as_stored(value, configuration.stored) for n, value in network.state_dict().items()})
    measurement = run.recipe.measure(
        network, unseen, configuration.channels, scaling_in_words(configuration.validation)
    )
    if run.recipe.task == "synthesis":
        measurement = with_references(measurement, configuration, stocks, unseen)
    write_rows(measurement, run.folder / "slices.csv")
    card = card_of_run(configuration, run.recipe, steps, measurement.summaries(), run.position.sessions)
    save_model(network, card, out, configuration.stored)
    return card


def _middle(patient: PatientSlices, count: int | None) -> PatientSlices:
    """The patient's ``count`` middle slices, or all."""
    if count is None or count >= len(patient.images):
        return patient
    first = (len(patient.images) - count) // 2
    kept = slice(first, first + count)
    return replace(patient, images=patient.images[kept], mask=None if patient.mask is None else patient.mask[kept])
