"""What a comparison must be to say anything: names that differ, patients apart, images of the right size."""

from collections.abc import Sequence

import numpy as np

from InvertibleFusionLib.errors import ConfigurationError, InferenceError
from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.methods import Images, Method, Slice
from InvertibleFusionLib.metrics.structural_similarity import WINDOW


def checked_images(images: Images, method: Method, given: Slice, count: int) -> Images:
    """What a method made, (count, rows, columns).

    Raises:
        InferenceError: when it has another size or values that are not finite.
    """
    wanted = (count, *given.sources.shape[1:])
    if images.shape != wanted:
        raise InferenceError(
            f"{method.name} made images of {images.shape} of slice {given.label} of {given.case}; {wanted} is needed "
            "(images, rows, columns)."
        )
    damaged = int(np.count_nonzero(~np.isfinite(images)))
    if damaged:
        raise InferenceError(
            f"{method.name} gave {damaged} values that are not finite on slice {given.label} of {given.case}."
        )
    return images


def require_sense(methods: Sequence[Method], cases: Sequence[EvaluationCase]) -> None:
    """Refuse a comparison that would mislead.

    Raises:
        ConfigurationError: when names are shared, a patient is measured that a method was fitted on, or slices are
            smaller than SSIM's window.
    """
    names = [method.name for method in methods]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"Two of the methods are called {twice[0]}; a table could not tell them apart.")
    for case in cases:
        fitted = [method.name for method in methods if case.patient in method.fitted_on]
        if fitted:
            raise ConfigurationError(
                f"{', '.join(fitted)} was fitted on {case.patient}, who cannot be measured then. Fit on other patients."
            )
        if min(case.images.shape[2:]) < WINDOW:
            rows, columns = case.images.shape[2:]
            raise ConfigurationError(
                f"The slices of {case.name} have {rows}×{columns} pixels; SSIM needs at least {WINDOW}×{WINDOW}."
            )
