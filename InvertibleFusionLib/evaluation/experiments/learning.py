"""Training the networks of an experiment, each with its own state: a killed experiment goes on where it was."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from InvertibleFusionLib.evaluation.experiments.budget import BATCH, Budget
from InvertibleFusionLib.evaluation.experiments.data_sets import data_sets
from InvertibleFusionLib.evaluation.experiments.definition import Learner, Part
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.model_file import read_model
from InvertibleFusionLib.training.configuration import TrainingConfiguration, require_same_run
from InvertibleFusionLib.training.data import SliceSelection
from InvertibleFusionLib.training.devices import processes
from InvertibleFusionLib.training.run import LAST, train_model
from InvertibleFusionLib.training.schedule import Schedule
from InvertibleFusionLib.training.state import read_state

INTENDED_USE = "A comparison by invertible-fusion reproduce, not for other use. Research use only."
CARD_SLICES = 2
"""The card of a network that is only compared needs few; the comparison measures it."""
SPELLED = str.maketrans({"+": "plus", "α": "alpha", "λ": "lambda", "×": "x"})
"""Signs of methods' names that files' names shall keep."""
OnStep = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Circumstances:
    """What all networks of an experiment share.

    Attributes:
        data_folder: that the data sets are relative to.
        models: folder of the model files.
        cache: folder of prepared slices.
        budget: of each network.
        seed: of everything random.
        threads: of the CPU.
        accelerator: "cpu", or "auto" for a GPU where there is one.
    """

    data_folder: Path
    models: Path
    cache: Path
    budget: Budget
    seed: int
    threads: int
    accelerator: Literal["auto", "cpu", "cuda", "mps"]


def selection_of(budget: Budget) -> SliceSelection:
    """The slices that are learnt from."""
    return SliceSelection(middle=budget.middle)


def configuration_of(part: Part, learner: Learner, shared: Circumstances) -> TrainingConfiguration:
    """The whole training run of one network."""
    steps = shared.budget.steps
    return TrainingConfiguration(
        name=file_name(learner.name, part),
        contrasts=list(part.sources),
        targets=list(part.targets),
        training=data_sets(part.training, part.sets),
        validation=data_sets(part.validation, part.sets),
        intended_use=INTENDED_USE,
        data_folder=shared.data_folder,
        selection=selection_of(shared.budget),
        grid_of=part.grid_of,
        cache=shared.cache,
        augmentation=part.augmentation,
        network=learner.network,
        loss=learner.loss,
        steps=steps,
        batch_size=BATCH,
        learning_rate=learner.learning_rate,
        betas=list(learner.betas),
        schedule=Schedule(warmup_steps=min(50, steps // 10)),
        validate_every=steps,
        validation_slices=4,
        checkpoint_every=min(200, max(steps // 5, 1)),
        accelerator=shared.accelerator,
        seed=shared.seed,
        threads=shared.threads,
    )


def learnt(part: Part, learner: Learner, shared: Circumstances, on_step: OnStep) -> Model:
    """The trained network: read where it is finished, gone on with where it was stopped, else trained.

    Raises:
        ConfigurationError: when the folder holds the same network of another run.
        InvertibleFusionError: what training raises.
    """
    configuration = configuration_of(part, learner, shared)
    out = shared.models / f"{configuration.name}.safetensors"
    last = out.with_suffix(".training") / LAST
    if out.exists() and last.exists():
        require_same_run({**configuration.to_json(), "processes": processes()}, read_state(last)[1].settings)
    else:
        train_model(configuration, out, on_step, resume=last.exists(), slices_to_measure=CARD_SLICES)
    return read_model(out)


def file_name(name: str, part: Part) -> str:
    """What a network of a part is called: letters, digits, points and hyphens."""
    task = "-".join((*part.sources, *(("to", *part.targets) if part.targets else ("fused",))))
    spelled = f"{name} {task}".translate(SPELLED)
    return re.sub("[^A-Za-z0-9.]+", "-", spelled).strip("-").lower()
