"""What a synthesis model's figures stand beside on its card: fitted rules, and of simulated data what noise allows."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from InvertibleFusionLib.models.synthesis_figures import NOISE_FREE, ORACLE, ruled
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import (
    PatientSlices,
    Samples,
    SimulatedTarget,
    Stock,
    for_reporting,
    simulated_target,
)
from InvertibleFusionLib.training.fitted_rules import Images, Pairs, fit_linear, fit_lookup_table
from InvertibleFusionLib.training.synthesis_validation import quality
from InvertibleFusionLib.training.validation import Measurement, Row

FITTED_CROPS = 2000
FITTED_VOXELS = 8_000_000
"""The most that the rules are fitted on: 2,000 crops of 64×64, fewer larger ones."""
Reference = Callable[[PatientSlices, int], Images]
"""A study and the number of one of its slices to targets, (targets, rows, columns)."""


def with_references(
    measurement: Measurement,
    configuration: TrainingConfiguration,
    stocks: Sequence[Stock],
    patients: Sequence[PatientSlices],
) -> Measurement:
    """A measurement of a synthesis model with those of the references added to every slice.

    A linear fit and a lookup table learn from what the model has learnt from: crops of the same studies, drawn by the
    same weights, but with the grey scale left as it is and none that lacks a contrast. Of simulated studies the noise
    oracle, the target's mean over its noise, says how much can be reached; the noise-free signal stands beside it.

    Args:
        measurement: of the model, on the patients.
        configuration: of the run.
        stocks: what it learnt from.
        patients: what it was measured on, slices as ``for_reporting`` gives them.
    """
    pairs = _pairs(configuration, stocks)
    fitted = _fitted(pairs) if pairs else {}
    rows = [
        _row(study, number, configuration.targets, fitted | oracles)
        for study in patients
        for oracles in [_oracles(study, configuration)]
        for number in range(len(study.images))
    ]
    return measurement.beside(rows)


def _row(study: PatientSlices, number: int, targets: Sequence[str], references: dict[str, Reference]) -> Row:
    wanted = np.asarray(study.images[number])[-len(targets) :]
    lesion = None if study.mask is None else study.mask[number]
    row: Row = {}
    for rule, reference in references.items():
        made = np.clip(reference(study, number), 0, 1)
        for name, image, target in zip(targets, made, wanted, strict=True):
            row |= quality(ruled(name, rule), image, target, lesion)
    return row


def _pairs(configuration: TrainingConfiguration, stocks: Sequence[Stock]) -> Pairs:
    """Sources and targets of crops, those of studies that lack a contrast left out."""
    as_they_are = replace(configuration.augmentation, gamma=1.0, gain=1.0, noise=0.0)
    count = min(FITTED_CROPS, FITTED_VOXELS // as_they_are.crop**2)
    samples = Samples(stocks, as_they_are, configuration.seed, count)
    sources = len(configuration.contrasts)
    crops = (samples[number]["images"].numpy() for number in range(count))
    return [(crop[:sources], crop[sources:]) for crop in crops if not np.isnan(crop).any()]


def _fitted(pairs: Pairs) -> dict[str, Reference]:
    count = len(pairs[0][0])
    linear = fit_linear(pairs)
    table = fit_lookup_table(pairs, linear)
    return {
        "the linear fit": lambda study, number: linear(np.asarray(study.images[number])[:count]),
        "the lookup table": lambda study, number: table(np.asarray(study.images[number])[:count]),
    }


def _oracles(study: PatientSlices, configuration: TrainingConfiguration) -> dict[str, Reference]:
    """Of a simulated study the targets without noise, which know a slice by its noise; else nothing."""
    count = len(configuration.contrasts)
    made = [
        simulated_target(source.simulated, scanner, target, configuration.data_folder, for_reporting)
        for source in configuration.validation
        if source.simulated
        for scanner in source.simulated.scanners
        if study.patient == f"simulated {scanner.name}"
        for target in study.contrasts[count:]
    ]
    if not made:
        return {}
    return {
        ORACLE: lambda of, number: _without_noise(np.asarray(of.images[number])[count:], made)[0],
        NOISE_FREE: lambda of, number: _without_noise(np.asarray(of.images[number])[count:], made)[1],
    }


def _without_noise(targets: Images, made: Sequence[SimulatedTarget]) -> tuple[Images, Images]:
    """Means over their noise and noise-free signals of a slice's targets, which are known by their noise."""
    pairs = [
        next((mean, free) for each in made for noisy, mean, free in zip(*each, strict=True) if (noisy == target).all())
        for target in targets
    ]
    means, signals = zip(*pairs, strict=True)
    return np.stack(means), np.stack(signals)
