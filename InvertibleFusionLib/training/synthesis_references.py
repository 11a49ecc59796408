"""What a synthesis model's figures stand beside on its card: fitted rules, and of simulated data the noise oracle."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from InvertibleFusionLib.models.synthesis_figures import ORACLE, ruled
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import PatientSlices, Samples, Stock, for_reporting, noise_oracle
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
    oracle says how much can be reached.

    Args:
        measurement: of the model, on the patients.
        configuration: of the run.
        stocks: what it learnt from.
        patients: what it was measured on, slices as ``for_reporting`` gives them.
    """
    pairs = _pairs(configuration, stocks)
    fitted = _fitted(pairs) if pairs else {}
    rows = [
        _row(study, number, configuration.targets, fitted | oracle)
        for study in patients
        for oracle in [_oracle(study, configuration)]
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


def _oracle(study: PatientSlices, configuration: TrainingConfiguration) -> dict[str, Reference]:
    """Of a simulated study the targets' means over their noise, which know a slice by its noise; else nothing."""
    count = len(configuration.contrasts)
    made = [
        noise_oracle(source.simulated, scanner, target, configuration.data_folder, for_reporting)
        for source in configuration.validation
        if source.simulated
        for scanner in source.simulated.scanners
        if study.patient == f"simulated {scanner.name}"
        for target in study.contrasts[count:]
    ]
    if not made:
        return {}
    return {
        ORACLE: lambda of, number: np.stack([_mean_of(each, made) for each in np.asarray(of.images[number])[count:]])
    }


def _mean_of(target: Images, made: Sequence[tuple[Images, Images]]) -> Images:
    return next(
        mean for means, noisy in made for mean, image in zip(means, noisy, strict=True) if np.array_equal(image, target)
    )
