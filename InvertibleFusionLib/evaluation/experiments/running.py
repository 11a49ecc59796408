"""A whole experiment: data looked at, networks trained, methods measured, results written."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from InvertibleFusionLib.evaluation.experiments.budget import Budget
from InvertibleFusionLib.evaluation.experiments.comparing import compared
from InvertibleFusionLib.evaluation.experiments.data_sets import data_sets, require_there
from InvertibleFusionLib.evaluation.experiments.definition import Experiment
from InvertibleFusionLib.evaluation.experiments.learning import Circumstances, learnt
from InvertibleFusionLib.evaluation.experiments.results import PartResult, write_results
from InvertibleFusionLib.evaluation.machine import machine_in_words

OnProgress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is."""


def reproduce(
    experiment: Experiment,
    data_folder: Path,
    out: Path,
    budget: Budget,
    command: str,
    on_progress: OnProgress,
    seed: int = 0,
    threads: int = 1,
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "cpu",
) -> str:
    """Reproduce a published table or figure.

    Beside the results the folder keeps ``models``, ``cache`` and what was ``prepared``. One that was stopped goes on:
    finished networks are read, the one under way continues. On a CPU the same seed and threads give the same results.

    Args:
        experiment: which.
        data_folder: with the files that ``data.yaml`` lists.
        out: folder of the results.
        budget: of every network.
        command: what to type to get the same again.
        on_progress: called often.
        seed: of everything random.
        threads: of the CPU.
        accelerator: where to train.

    Returns:
        The text of table.md.

    Raises:
        ConfigurationError: when data are missing, or the folder holds the experiment with other settings.
        InvertibleFusionError: what training and measuring raise.
    """
    for part in experiment.parts:
        require_there(data_sets((*part.training, *part.validation)), data_folder)
    results = []
    for number, part in enumerate(experiment.parts, 1):
        where = data_folder if part.prepare is None else part.prepare(data_folder, out / "prepared")
        shared = Circumstances(where, out / "models", out / "cache", budget, seed, threads, accelerator)
        models = {}
        for learner in part.learners:
            what = f"part {number} of {len(experiment.parts)}, {learner.name}"
            models[learner.name] = learnt(
                part,
                learner,
                shared,
                lambda done, total, _, what=what: on_progress(what, done, total),  # type: ignore[misc]
            )
        measuring = f"part {number} of {len(experiment.parts)}, measuring"
        measurements, figures = compared(
            part,
            models,
            shared,
            lambda done, total, what=measuring: on_progress(what, done, total),  # type: ignore[misc]
        )
        results.append(PartResult(part, models, measurements, figures))
    return write_results(experiment, results, budget, command, machine_in_words(accelerator, threads), out)
