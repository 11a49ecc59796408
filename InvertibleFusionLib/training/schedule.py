"""The learning rate from step to step."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from InvertibleFusionLib.errors import ConfigurationError

Course = Literal["cosine", "constant", "linear", "halving", "plateau"]


@dataclass(frozen=True)
class Schedule:
    """How the learning rate goes.

    Attributes:
        course: after the rise: "cosine", half a cosine to zero; "constant"; "linear", constant for ``hold`` of the
            run, then straight to zero (the disentanglement GAN: 100 + 100 epochs); "halving", halved every
            ``every`` steps (iVAN: 50 epochs); "plateau", times ``factor`` after ``patience`` validations
            without an improvement (FusionINN's code: .95 after 8).
        warmup_steps: of a linear rise at the start.
        hold: share of the run before a linear fall starts, in [0, 1).
        every: steps between two halvings.
        factor: of a plateau, in (0, 1).
        patience: validations in a row without an improvement that a plateau bears.
    """

    course: Course = "cosine"
    warmup_steps: int = 50
    hold: float = 0.5
    every: int = 10000
    factor: float = 0.95
    patience: int = 8

    def __post_init__(self) -> None:
        if self.course not in get_args(Course):
            raise ConfigurationError(f"There is no course {self.course!r}; use {', '.join(get_args(Course))}.")
        if self.warmup_steps < 0 or self.every < 1 or self.patience < 0:
            raise ConfigurationError("Of a schedule, warmup_steps and patience are at least 0, every at least 1.")
        if not (0 <= self.hold < 1 and 0 < self.factor < 1):
            raise ConfigurationError("Of a schedule, hold lies in [0, 1) and factor in (0, 1).")

    def share(self, done: int, steps: int) -> float:
        """The share of the peak rate after ``done`` of ``steps``, without what a plateau has taken."""
        if done < self.warmup_steps:
            return (done + 1) / self.warmup_steps
        at = min((done - self.warmup_steps) / max(steps - self.warmup_steps, 1), 1)
        if self.course == "cosine":
            return 0.5 * (1 + math.cos(math.pi * at))
        if self.course == "linear":
            return min(1.0, (1 - at) / (1 - self.hold))
        if self.course == "halving":
            return float(0.5 ** (done // self.every))
        return 1.0


@dataclass
class Progression:
    """What validations have said so far: the best score, how long ago it was, and what a plateau has taken.

    Attributes:
        best: the highest score, None before the first.
        best_step: when.
        waited: validations since the best one.
        on_plateau: validations since the best one or the last cut of the rate.
        share: of the rate that plateaus have left.
    """

    best: float | None = None
    best_step: int = 0
    waited: int = 0
    on_plateau: int = 0
    share: float = 1.0

    def add(self, score: float, step: int, schedule: Schedule) -> bool:
        """Take in a validation; whether it is the best so far."""
        if self.best is None or score > self.best:
            self.best, self.best_step, self.waited, self.on_plateau = score, step, 0, 0
            return True
        self.waited += 1
        self.on_plateau += 1
        if schedule.course == "plateau" and self.on_plateau > schedule.patience:
            self.share *= schedule.factor
            self.on_plateau = 0
        return False

    def to_json(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return dict(vars(self))
