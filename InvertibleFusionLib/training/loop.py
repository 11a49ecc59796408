"""The training loop: one step after the other, readable from top to bottom."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from InvertibleFusionLib.errors import InferenceError
from InvertibleFusionLib.models.fusioninn import FusionINN, sample_prior
from InvertibleFusionLib.training.configuration import TrainingConfiguration
from InvertibleFusionLib.training.data import Samples, Stock, loader
from InvertibleFusionLib.training.losses import fusioninn_losses


@dataclass(frozen=True)
class Step:
    """What one optimization step did.

    Attributes:
        number: from 1.
        losses: the terms of the loss by name.
        learning_rate: that it was made with.
    """

    number: int
    losses: dict[str, float]
    learning_rate: float


def train(network: FusionINN, stocks: Sequence[Stock], configuration: TrainingConfiguration) -> Iterator[Step]:
    """Train ``network`` in place, one yielded step at a time; closing the generator stops the training.

    Raises:
        InferenceError: when a loss is no longer finite, with the step and the term.
    """
    torch.set_num_threads(configuration.threads)
    size = configuration.batch_size
    # One batch more than there are steps: the first one initializes the network.
    samples = Samples(stocks, configuration.augmentation, configuration.seed, (configuration.steps + 1) * size)
    data = (batch["images"] for batch in loader(samples, 0, size, workers=configuration.workers))
    generator = torch.Generator().manual_seed(configuration.seed)
    network.flow.initialize(next(data))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=configuration.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: _rate(done, configuration))
    for number, sources in zip(range(1, configuration.steps + 1), data, strict=False):
        shape = (sources.shape[0], 1, *sources.shape[2:])
        z = sample_prior(configuration.network.prior, shape, generator)
        rounding = torch.rand(shape, generator=generator)
        losses = fusioninn_losses(network, sources, z, rounding, configuration.loss)
        _require_finite({name: float(value.detach()) for name, value in losses.items()}, number)
        optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), configuration.gradient_norm)
        rate = schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()
        yield Step(number, {name: float(value.detach()) for name, value in losses.items()}, float(rate))


def _rate(done: int, configuration: TrainingConfiguration) -> float:
    """The share of the peak rate: a linear rise, then half a cosine to zero."""
    if done < configuration.warmup_steps:
        return (done + 1) / configuration.warmup_steps
    left = max(configuration.steps - configuration.warmup_steps, 1)
    return 0.5 * (1 + math.cos(math.pi * min((done - configuration.warmup_steps) / left, 1)))


def _require_finite(losses: dict[str, float], number: int) -> None:
    for name, value in losses.items():
        if not math.isfinite(value):
            raise InferenceError(
                f"Training stopped at step {number}: the {name} loss is {value}. Lower the learning rate or the "
                "gradient norm."
            )
