"""On what grounds a feature-disentanglement GAN made its images: LAF's pseudo-target, and the statistics of AdaIN."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from InvertibleFusionLib.inference.slice_engine import Outputs
from InvertibleFusionLib.models.model import SubsetSynthesisNetwork
from InvertibleFusionLib.volumes.slices import SliceStack

STATISTICS_FILE = "adain-statistics.csv"
STATISTICS = ("slice", "layer", "channel", "mean", "standard deviation")


@dataclass(frozen=True, eq=False)
class SynthesisGrounds:
    """What led to the images, slice by slice.

    Attributes:
        pseudo_target: LAF's mixture of the sources, (k, j, i), not kept in [0, 1].
        statistics: of the target's look, (slices, 2, layers, channels): AdaIN's means, then its standard deviations.
    """

    pseudo_target: NDArray[np.float32]
    statistics: NDArray[np.float32]

    def write_statistics(self, path: Path) -> None:
        """As CSV, one row for each slice, layer and channel, all counted from 0."""
        slices, _, layers, channels = self.statistics.shape
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(STATISTICS)
            for place in np.ndindex(slices, layers, channels):
                mean, deviation = self.statistics[place[0], :, place[1], place[2]]
                writer.writerow([*place, f"{mean:.6g}", f"{deviation:.6g}"])


def read_statistics(path: Path) -> NDArray[np.float32]:
    """What ``write_statistics`` has written, (slices, 2, layers, channels)."""
    rows = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    shape = rows[:, :3].max(axis=0).astype(int) + 1
    return rows[:, 3:].reshape(*shape, 2).transpose(0, 3, 1, 2).astype(np.float32)


class GroundsBeingFilled:
    """The same while slices are being computed, in any order."""

    def __init__(self, stack: SliceStack) -> None:
        self._stack = stack
        self._pseudo_target = np.zeros(tuple(reversed(stack.grid.size)), np.float32)
        self._statistics: dict[int, NDArray[np.float32]] = {}

    def store(self, index: int, outputs: list[NDArray[Any]]) -> None:
        """Pseudo-target and statistics of a slice, as ``inspected`` gives them after the image."""
        self._stack.slices(self._pseudo_target)[index] = self._stack.crop(outputs[0])[0]
        self._statistics[index] = np.asarray(outputs[1], np.float32)

    def finished(self) -> SynthesisGrounds:
        """All slices in their order."""
        return SynthesisGrounds(
            self._pseudo_target, np.stack([self._statistics[index] for index in sorted(self._statistics)])
        )


def from_some(network: SubsetSynthesisNetwork, inputs: Tensor, present: tuple[bool, ...], inspect: bool) -> Outputs:
    """The image of slices of which some sources are missing, and where asked for all that led to it.

    Args:
        network: the model's.
        inputs: (batch, sources that are there, rows, columns).
        present: of each source of the network, whether it is there.
        inspect: whether the pseudo-target and the statistics, (batch, 2, layers, channels), are wanted, too.
    """
    there = torch.tensor(present, device=inputs.device)
    sources = inputs.new_zeros(len(inputs), len(present), *inputs.shape[2:])
    sources[:, there] = inputs
    found = network.inspect(sources, there.expand(len(inputs), -1))
    if not inspect:
        return (found.image,)
    return found.image, found.pseudo_target, torch.stack((found.mean, found.standard_deviation), dim=1)
