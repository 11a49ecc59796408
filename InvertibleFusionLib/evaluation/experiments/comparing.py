"""Measuring what an experiment's networks and the trivial rules make of the validation data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from InvertibleFusionLib.evaluation.cases import EvaluationCase, one_case
from InvertibleFusionLib.evaluation.experiments.data_sets import data_sets
from InvertibleFusionLib.evaluation.experiments.definition import Column, Part
from InvertibleFusionLib.evaluation.experiments.learning import Circumstances, selection_of
from InvertibleFusionLib.evaluation.measuring import CaseMeasurement, OnSlice, measure
from InvertibleFusionLib.evaluation.methods import Images, Method, Slice, model_method
from InvertibleFusionLib.evaluation.slice_measures import metrics_named
from InvertibleFusionLib.evaluation.trivial_rules import fusion_rules, synthesis_rules
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.training.data import PatientSlices, for_reporting, load_patients, simulated_target
from InvertibleFusionLib.training.validation import padded

ORACLE = "noise oracle"
ROUND_TRIP, ALONE = "round trip from the full output", "from the real target alone"
FUSION_SYMBOLS = ("Q_MI", "Q_AB/F", "Q_P", "FMI", "NCIE", "EN", "AG", "SF")
SYNTHESIS_SYMBOLS = ("PSNR", "SSIM", "NMSE", "NRMSE")
FITTED_SLICES = 40
"""Of each study, for the rules that are fitted."""


@dataclass(frozen=True)
class Figure:
    """One figure of one method.

    Attributes:
        mean: over all measured slices.
        deviation: standard deviation over them.
        slices: (case, label) to the slice's own value.
    """

    mean: float
    deviation: float
    slices: dict[tuple[str, str], float]


Figures = dict[str, dict[str, Figure]]
"""By method, then by the column's symbol."""


def compared(
    part: Part, models: dict[str, Model], shared: Circumstances, on_slice: OnSlice
) -> tuple[list[CaseMeasurement], Figures]:
    """Measure all methods of a part on its validation data.

    Args:
        part: of an experiment.
        models: the trained networks by their names in the table.
        shared: folders and budget.
        on_slice: called with slices done and slices in all.
    """
    cases = [_spread(case, shared.budget.measured) for case in validation_cases(part, shared)]
    if part.measured == "way back":
        methods = [way for name, model in models.items() for way in _ways_back(name, model, len(part.sources))]
        cases = [for_way_back(case, part) for case in cases]
    else:
        ours = [model_method(model, name, "cpu") for name, model in models.items()]
        methods = [*_rules(part, shared), *_oracles(part, cases, shared), *ours]
    fusion = part.measured == "fusion"
    metrics = metrics_named(FUSION_SYMBOLS if fusion else SYNTHESIS_SYMBOLS, synthesis=not fusion)
    measurements = measure(methods, cases, metrics, on_slice=on_slice)
    return measurements, figures_of(measurements, part.columns)


def validation_cases(part: Part, shared: Circumstances) -> list[EvaluationCase]:
    """The cases that are measured on, all slices that show something."""
    read = list(part.selected_by) or part.channels
    kept = [read.index(name) for name in part.channels]
    studies = _studies(part, part.validation, read, shared)
    return [_case(replace(study, images=study.images[:, kept]), part) for study in studies]


def _studies(part: Part, names: Sequence[str], read: Sequence[str], shared: Circumstances) -> list[PatientSlices]:
    sources, folder = data_sets(names, part.sets), shared.data_folder
    selection = selection_of(shared.budget)
    return load_patients(sources, read, folder, for_reporting, selection, part.grid_of, shared.cache)


def _case(study: PatientSlices, part: Part) -> EvaluationCase:
    if part.measured == "fusion":
        images = np.asarray(study.images[:, : len(part.sources)])
        return one_case(study.patient, part.sources, images, mask=study.mask)
    return one_case(study.patient, part.sources, np.asarray(study.images), part.targets, study.mask)


def _spread(case: EvaluationCase, count: int) -> EvaluationCase:
    """So many slices of a case, evenly."""
    kept = np.unique(np.linspace(0, len(case) - 1, min(count, len(case))).round().astype(int))
    return replace(
        case,
        images=case.images[kept],
        numbers=tuple(case.numbers[number] for number in kept),
        labels=tuple(case.labels[number] for number in kept),
        mask=None if case.mask is None else case.mask[kept],
    )


def _rules(part: Part, shared: Circumstances) -> list[Method]:
    if part.measured == "fusion":
        return fusion_rules()
    studies = _studies(part, part.training, part.channels, shared)
    # Another name: a patient of whom there is nobody else stands on both sides, in slabs that lie apart.
    cases = [
        replace(_spread(_case(study, part), FITTED_SLICES), patient=f"training: {study.patient}") for study in studies
    ]
    return synthesis_rules(part.sources, part.targets, cases)


def _oracles(part: Part, cases: Sequence[EvaluationCase], shared: Circumstances) -> list[Method]:
    """The simulated target's mean over its noise; found again by the noisy one."""
    if not part.oracle:
        return []
    known: dict[tuple[str, int], Images] = {}
    for source in data_sets(part.validation):
        if source.simulated is None:
            continue
        for scanner in source.simulated.scanners:
            made = simulated_target(source.simulated, scanner, part.targets[0], shared.data_folder, for_reporting)
            for case in (case for case in cases if case.name == f"simulated {scanner.name}"):
                for index, number in enumerate(case.numbers):
                    same = (made.received == case.targets_of(index)[0]).all(axis=(1, 2))
                    known[case.name, number] = made.mean[[int(np.flatnonzero(same)[0])]]
    description = "the simulated target's mean over its noise, the best in the mean square that can be reached"
    return [Method(ORACLE, lambda given: known[given.case, given.number], description=description)]


def for_way_back(case: EvaluationCase, part: Part) -> EvaluationCase:
    """What goes in is sources and targets; what shall come out are the sources."""
    count = len(part.sources)
    images = np.concatenate((case.images, case.images[:, :count]), axis=1)
    return replace(case, sources=tuple(part.channels), targets=part.sources, images=images)


def _ways_back(name: str, model: Model, count: int) -> list[Method]:
    network: Any = model.invertible_synthesis_network

    def round_trip(given: Slice) -> Images:
        with torch.inference_mode():
            return _plain(network.inverse(network(padded(given.sources[:count], network))), given)

    def alone(given: Slice) -> Images:
        with torch.inference_mode():
            return _plain(network.sources_from_images(padded(given.sources[count:], network)), given)

    return [
        Method(f"{name}, {ROUND_TRIP}", round_trip, description="no synthesis: the sources travel in what is kept"),
        Method(f"{name}, {ALONE}", alone, description="what the target tells of the sources"),
    ]


def _plain(images: Any, given: Slice) -> Images:
    rows, columns = given.sources.shape[1:]
    return np.asarray(images[0, :, :rows, :columns].numpy(), dtype=np.float32)


def figures_of(measurements: Sequence[CaseMeasurement], columns: Sequence[Column]) -> Figures:
    """The figures of a table; a method without a column's measures on any slice lacks the figure."""
    values: dict[str, dict[str, dict[tuple[str, str], float]]] = {}
    for measured in measurements:
        for row in measured.rows:
            named = {measure.name: value for measure, value in row.values.items()}
            of_method = values.setdefault(row.method, {})
            for column in columns:
                found = [named[name] for name in column.measures if name in named]
                if len(found) == len(column.measures) and np.isfinite(found).all():
                    of_method.setdefault(column.symbol, {})[row.case, row.label] = float(np.mean(found))
    return {method: {symbol: _figure(each) for symbol, each in of.items()} for method, of in values.items()}


def _figure(slices: dict[tuple[str, str], float]) -> Figure:
    numbers = np.array(list(slices.values()))
    return Figure(float(numbers.mean()), float(numbers.std()), slices)
