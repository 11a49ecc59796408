"""Measuring named methods on cases, slice by slice: the same slices, the same code and the same numbers for all."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from InvertibleFusionLib.evaluation.case_measures import calibrations_of, shown_slice, whole_values
from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.methods import Images, Method, Slice, TakenApart
from InvertibleFusionLib.evaluation.slice_measures import (
    FUSION_TIME,
    WAY_BACK_TIME,
    Mask,
    Values,
    default_metrics,
    fusion_values,
    synthesis_values,
    way_back_values,
)
from InvertibleFusionLib.evaluation.soundness import checked_images, require_sense
from InvertibleFusionLib.inference.threads import in_order
from InvertibleFusionLib.metrics.calibration import Calibration
from InvertibleFusionLib.metrics.catalogue import Metric
from InvertibleFusionLib.training.validation import SAMPLES, head_of

BITS = 12
"""The fused image is also taken apart after rounding to so many, as DICOM keeps."""
OnSlice = Callable[[int, int], None]


@dataclass(frozen=True)
class Row:
    """What was measured of one method on one slice.

    Attributes:
        case: its name.
        number: of the slice in its volume, from 0.
        label: of the slice.
        method: its name.
        values: by measure; one that the slice does not have (no lesion, say) is missing.
    """

    case: str
    number: int
    label: str
    method: str
    values: Values


@dataclass(frozen=True, eq=False)
class Shown:
    """What the methods made of the slice that is shown.

    Attributes:
        index: of the slice among those of the case.
        made: images by method, (images, rows, columns).
        taken: the way back by method, from the image alone, where there is one.
    """

    index: int
    made: dict[str, Images]
    taken: dict[str, TakenApart]


@dataclass(frozen=True, eq=False)
class CaseMeasurement:
    """All methods on one case.

    Attributes:
        case: that was measured.
        methods: in the order that they were given.
        rows: one for each slice and method.
        whole: what is measured of all slices together, by method.
        calibrations: of the spread, by method and source, inside the head.
        shown: the slice to look at: with the largest lesion, else the middle one.
    """

    case: EvaluationCase
    methods: tuple[Method, ...]
    rows: list[Row]
    whole: dict[str, Values]
    calibrations: dict[str, dict[str, Calibration]]
    shown: Shown


def measure(
    methods: Sequence[Method],
    cases: Sequence[EvaluationCase],
    metrics: Sequence[Metric] | None = None,
    samples: int = SAMPLES,
    on_slice: OnSlice | None = None,
) -> list[CaseMeasurement]:
    """Measure methods on cases.

    Images are made one after the other, on all of torch's threads, and timed; measures then use as many threads.

    Args:
        methods: with different names.
        cases: all for fusion, or all for synthesis.
        metrics: of the catalogue; ``default_metrics`` where None.
        samples: draws for the way back from the image alone.
        on_slice: called with slices done and slices in all.

    Raises:
        ConfigurationError: when names are shared, a patient is measured that a method was fitted on, or slices are
            smaller than SSIM's window.
        InferenceError: when a method gives images of another size or values that are not finite.
    """
    require_sense(methods, cases)
    total, done = sum(len(case) for case in cases), 0
    results = []
    for case in cases:
        chosen = default_metrics(synthesis=bool(case.targets)) if metrics is None else list(metrics)
        running = _Running(case, tuple(methods), chosen, samples)
        running.warm_up()
        for index in range(len(case)):
            running.add(index)
            done += 1
            if on_slice is not None:
                on_slice(done, total)
        results.append(running.finished())
    return results


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What one method made of one slice, and how long it took, in seconds."""

    method: Method
    images: Images
    taken: TakenApart | None
    seconds: float
    seconds_back: float


class _Running:
    """Slices of one case, one after the other."""

    def __init__(
        self, case: EvaluationCase, methods: tuple[Method, ...], metrics: Sequence[Metric], samples: int
    ) -> None:
        self._case, self._methods, self._metrics, self._samples = case, methods, metrics, samples
        self._rows: list[Row] = []
        self._made: dict[str, list[Images]] = {method.name: [] for method in methods}
        self._spreads: dict[str, list[NDArray[np.float32]]] = {}
        self._shown = Shown(shown_slice(case), {}, {})

    def warm_up(self) -> None:
        """Whatever is compiled or loaded on first use shall not be timed."""
        for method in self._methods:
            self._apply(method, self._case.slice(0))

    def add(self, index: int) -> None:
        case = self._case
        given = case.slice(index)
        outcomes = [self._apply(method, given) for method in self._methods]
        values = in_order(lambda outcome: self._values(outcome, index), outcomes, torch.get_num_threads())
        for outcome, measured in zip(outcomes, values, strict=True):
            name = outcome.method.name
            self._rows.append(Row(case.name, given.number, given.label, name, measured))
            self._made[name].append(outcome.images)
            self._keep_spread(outcome, given)
            if index == self._shown.index:
                self._shown.made[name] = outcome.images
                if outcome.taken is not None:
                    self._shown.taken[name] = outcome.taken

    def finished(self) -> CaseMeasurement:
        whole = {name: whole_values(self._case, np.stack(made)) for name, made in self._made.items()}
        calibrations = {name: calibrations_of(parts, self._case.sources) for name, parts in self._spreads.items()}
        return CaseMeasurement(self._case, self._methods, self._rows, whole, calibrations, self._shown)

    def _apply(self, method: Method, given: Slice) -> _Outcome:
        start = time.perf_counter()
        made = method.make(given)
        seconds = time.perf_counter() - start
        images = np.clip(checked_images(made, method, given, max(len(self._case.targets), 1)), 0, 1).astype(np.float32)
        if method.take_apart is None:
            return _Outcome(method, images, None, seconds, 0.0)
        start = time.perf_counter()
        taken = method.take_apart(images, given, self._samples)
        return _Outcome(method, images, taken, seconds, time.perf_counter() - start)

    def _values(self, outcome: _Outcome, index: int) -> Values:
        case, lesion = self._case, self._case.lesion_of(index)
        sources = case.sources_of(index)
        if case.targets:
            values = synthesis_values(outcome.images, case.targets_of(index), case.targets, lesion, self._metrics)
        else:
            values = fusion_values(outcome.images[0], sources, case.sources, lesion, self._metrics)
        values |= self._way_back_values(outcome, index, sources, lesion)
        values[FUSION_TIME] = 1e3 * outcome.seconds
        if outcome.taken is not None:
            values[WAY_BACK_TIME] = 1e3 * outcome.seconds_back
        return values

    def _way_back_values(self, outcome: _Outcome, index: int, sources: Images, lesion: Mask | None) -> Values:
        take_apart, names, given = outcome.method.take_apart, self._case.sources, self._case.slice(index)
        if take_apart is None or outcome.taken is None:
            return {}
        if self._case.targets:
            real = take_apart(self._case.targets_of(index), given, self._samples)
            values = way_back_values("from the synthetic image alone", outcome.taken.sources, sources, names, {})
            return values | way_back_values("from the real target alone", real.sources, sources, names, {})
        levels = 2**BITS - 1
        rounded = (np.round(outcome.images * levels) / levels).astype(np.float32)
        alone, several = "from the image alone", f"mean of {self._samples} samples"
        where = {"head": head_of(sources), "lesion": lesion}
        values = way_back_values(f"{alone}, {several}", outcome.taken.sources, sources, names, where)
        for how, images, samples in (
            ("one sample", outcome.images, 1),
            (f"{several}, image rounded to {BITS} bits", rounded, self._samples),
        ):
            taken = take_apart(images, given, samples)
            values |= way_back_values(f"{alone}, {how}", taken.sources, sources, names, {})
        return values

    def _keep_spread(self, outcome: _Outcome, given: Slice) -> None:
        if outcome.taken is not None and outcome.taken.spread is not None:
            head = head_of(given.sources)
            parts = [each[:, head] for each in (outcome.taken.sources, given.sources, outcome.taken.spread)]
            self._spreads.setdefault(outcome.method.name, []).append(np.stack(parts))
