"""What a synthesis model's figures stand beside on its card: fitted rules, and of simulated data the noise oracle."""

from collections.abc import Callable, Sequence

import numpy as np

from InvertibleFusionLib.models.synthesis_figures import ORACLE, ruled
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import PatientSlices, Stock, for_reporting, noise_oracle
from InvertibleFusionLib.training.fitted_rules import Images, Pairs, fit_linear, fit_lookup_table
from InvertibleFusionLib.training.synthesis_validation import quality
from InvertibleFusionLib.training.validation import Measurement, Row

FITTED_SLICES = 40
"""Of each study, spread evenly, for the rules that are fitted."""
Reference = Callable[[PatientSlices, int], Images]
"""A study and the number of one of its slices to targets, (targets, rows, columns)."""


def with_references(
    measurement: Measurement,
    configuration: TrainingConfiguration,
    stocks: Sequence[Stock],
    patients: Sequence[PatientSlices],
) -> Measurement:
    """A measurement of a synthesis model with those of the references added to every slice.

    A linear fit and a lookup table learn from what the model has learnt from, on the same grey scale, but for studies
    that lack a contrast; of simulated studies the noise oracle says how much can be reached.

    Args:
        measurement: of the model, on the patients.
        configuration: of the run.
        stocks: what it learnt from.
        patients: what it was measured on, slices as ``for_reporting`` gives them.
    """
    pairs = [pair for stock in stocks for pair in _pairs(stock, len(configuration.contrasts))]
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


def _pairs(stock: Stock, sources: int) -> Pairs:
    """Sources and targets of slices of all studies that lack no contrast."""
    pairs = []
    for study in stock.everyone():
        kept = np.linspace(0, len(study.images) - 1, min(len(study.images), FITTED_SLICES)).round().astype(int)
        images = [np.asarray(study.images[number]) for number in np.unique(kept)]
        pairs += [(image[:sources], image[sources:]) for image in images if not np.isnan(image).any()]
    return pairs


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
