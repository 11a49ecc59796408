"""The training loop: one step after the other, readable from top to bottom."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from InvertibleFusionLib.errors import InferenceError
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.objective import Batch, Objective, channels_last
from InvertibleFusionLib.training.state import Position

DIVERGED = 100.0
"""A loss this many times as large as at the start, or as 1, has diverged."""


@dataclass(frozen=True)
class Step:
    """What one optimization step did.

    Attributes:
        number: from 1.
        losses: the terms of the loss by name, of this process's part of the batch; with several turns as "turn/name".
        learning_rate: that it was made with.
        gradient_norm: before clipping; the largest of the turns.
    """

    number: int
    losses: dict[str, float]
    learning_rate: float
    gradient_norm: float


class Training:
    """An objective and its optimizers on their device.

    Args:
        configuration: of the run.
        objective: to train, in place.
        fabric: where.
    """

    def __init__(self, configuration: TrainingConfiguration, objective: Objective, fabric: Fabric) -> None:
        torch.set_num_threads(configuration.threads)
        self.objective = objective
        self._configuration = configuration
        self._fabric = fabric
        channels_last(objective)
        self._module = fabric.setup_module(objective)
        self.optimizers = {
            turn: torch.optim.Adam(objective.parameters_of(turn), lr=configuration.learning_rate, betas=self._betas)
            for turn in objective.turns
        }
        self._prepared: dict[str, Any] = {turn: fabric.setup_optimizers(o) for turn, o in self.optimizers.items()}

    def steps(self, batches: Iterable[Batch], position: Position) -> Iterator[Step]:
        """Train from ``position`` on, one yielded step for each batch; closing the generator stops the training.

        Raises:
            InferenceError: when a loss or the gradient is no longer finite or a loss explodes, with the step and the
                term.
        """
        steps = self._configuration.steps
        for number, batch in zip(range(position.step + 1, steps + 1), batches, strict=False):
            done = number - 1
            rate = self._configuration.learning_rate * position.progression.share
            rate *= self._configuration.schedule.share(done, steps)
            losses: dict[str, float] = {}
            norms = []
            on_device = self._fabric.to_device(batch)
            for turn in self.objective.turns:
                terms, norm = self._turn(turn, on_device, rate, number, position.ceilings)
                several = len(self.objective.turns) > 1
                losses |= {f"{turn}/{name}" if several else name: value for name, value in terms.items()}
                norms.append(norm)
            position.step = number
            yield Step(number, losses, rate, max(norms))

    @property
    def _betas(self) -> tuple[float, float]:
        return self._configuration.betas[0], self._configuration.betas[1]

    def _turn(
        self, turn: str, batch: Batch, rate: float, number: int, ceilings: dict[str, float]
    ) -> tuple[dict[str, float], float]:
        optimizer = self._prepared[turn]
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        losses: dict[str, Tensor] = self._module(batch, turn)
        values = {name: float(value.detach()) for name, value in losses.items()}
        ceiling = ceilings.setdefault(turn, DIVERGED * max(abs(values["total"]), 1.0))
        _require_sound(values, ceiling, number)
        self._fabric.backward(losses["total"])
        norm = self._fabric.clip_gradients(
            self._module, optimizer, max_norm=self._configuration.gradient_norm, error_if_nonfinite=False
        )
        size = float(norm) if norm is not None else 0.0
        if not math.isfinite(size):
            raise stopped(number, f"the gradient of the {turn} is {size}")
        optimizer.step()
        return values, size


def stopped(number: int, why: str) -> InferenceError:
    """The error that ends a training at a step, for a reason."""
    return InferenceError(f"Training stopped at step {number}: {why}. Lower the learning rate or the gradient norm.")


def _require_sound(losses: dict[str, float], ceiling: float, number: int) -> None:
    terms = {name: value for name, value in losses.items() if name != "total"} or losses
    # The terms first: with any of them, the total is no number either.
    for name, value in (terms | losses).items():
        if not math.isfinite(value):
            raise stopped(number, f"the {name} loss is {value}")
    if losses["total"] > ceiling:
        largest = max(terms, key=lambda name: terms[name])
        raise stopped(number, f"the loss has grown to {losses['total']:.3g}, most of it the {largest} loss")
