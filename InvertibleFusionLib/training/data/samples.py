"""Random augmented crops: each one a function of the run's seed and its own number, and of nothing else.

A run that goes on at step s needs nothing but s; a process of several takes its own numbers; workers change nothing.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.training.data.augmentation import Augmentation, random_crop
from InvertibleFusionLib.training.data.patients import PatientSlices, Stock

SEEDS = 2**63
"""Seeds of samples lie below this: what an int64 tensor holds."""


class Samples(Dataset[dict[str, Tensor]]):
    """A data set of ``total`` random crops.

    Stocks are drawn by their weights, patients evenly inside a stock, studies and sets of contrasts evenly inside a
    patient, slices evenly inside those.

    Args:
        stocks: patients to draw from, as ``load_stocks`` gives them.
        augmentation: how crops are made and varied.
        seed: of everything random; 0 or more.
        total: how many samples there are.
    """

    def __init__(self, stocks: Sequence[Stock], augmentation: Augmentation, seed: int, total: int) -> None:
        if not stocks:
            raise ConfigurationError("There is no data source to draw samples from.")
        if seed < 0:
            raise ConfigurationError(f"The seed is a whole number from 0 on, not {seed}.")
        self._stocks = list(stocks)
        weights = np.array([stock.weight for stock in stocks], dtype=np.float64)
        self._up_to = np.cumsum(weights) / weights.sum()
        self._augmentation = augmentation
        self._seed = seed
        self._total = total

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Sample ``index``: "images", (contrasts, crop, crop) float32, and "seed", an int64 scalar for the losses."""
        if not 0 <= index < self._total:
            raise IndexError(f"There are {self._total} samples; there is no number {index}.")
        generator = np.random.default_rng([self._seed, index])
        images = self._drawn(index, generator).images
        image = images[generator.integers(len(images))]
        crop = random_crop(image, self._augmentation, generator)
        return {"images": torch.from_numpy(crop), "seed": torch.tensor(generator.integers(SEEDS), dtype=torch.int64)}

    @property
    def stocks(self) -> list[Stock]:
        """What is drawn from."""
        return self._stocks

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self._seed

    def _drawn(self, index: int, generator: np.random.Generator) -> PatientSlices:
        number = int(np.searchsorted(self._up_to, generator.random(), side="right"))
        return self._stocks[min(number, len(self._stocks) - 1)].draw(index, generator)


def loader(
    samples: Samples, start: int, batch_size: int, rank: int = 0, world: int = 1, workers: int = 0
) -> DataLoader[dict[str, Tensor]]:
    """Batches in the order of the samples.

    Step s, counted from 0, consists of the samples from s · batch_size · world on; process ``rank`` gets the
    ``rank``-th part of them, so that two processes with batches of b see together what one with 2b sees. Samples at
    the end that do not fill a step are left out.

    Args:
        samples: to take batches of.
        start: the first step.
        batch_size: samples in a batch of one process.
        rank: of this process, from 0.
        world: number of processes.
        workers: processes that make samples ahead; 0 makes them in this one.

    Returns:
        Batches {"images": (batch_size, contrasts, crop, crop), "seed": (batch_size,)}; its length is what is left.

    Raises:
        ConfigurationError: when the numbers make no sense.
    """
    if batch_size < 1 or workers < 0 or start < 0 or not 0 <= rank < world:
        raise ConfigurationError(
            f"Batches of {batch_size} from step {start} with {workers} workers in process {rank} of {world} make no "
            "sense: a batch has at least 1 sample, processes count from 0."
        )
    batches = _Batches(len(samples), start, batch_size, rank, world)
    # A generator of its own: else each pass over the loader would draw from torch's global one.
    generator = torch.Generator().manual_seed(samples.seed)
    return DataLoader(samples, batch_sampler=batches, num_workers=workers, generator=generator)


class _Batches(Sampler[list[int]]):
    """Numbers of the samples of each batch."""

    def __init__(self, total: int, start: int, batch_size: int, rank: int, world: int) -> None:
        self._steps = range(start, max(total // (batch_size * world), start))
        self._batch_size, self._rank, self._world = batch_size, rank, world

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self._steps:
            first = (step * self._world + self._rank) * self._batch_size
            yield list(range(first, first + self._batch_size))
