"""Timing our fuse and decompose against the published way, in turn on one machine."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.freia_graph import freia_graph
from InvertibleFusionLib.inference.decomposition import decompose
from InvertibleFusionLib.inference.fusion import fuse
from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.inference.sources import prepare_sources
from InvertibleFusionLib.models.fusioninn import FusionINN
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.volumes.volume import Volume

OnRound = Callable[[int, int], None]


@dataclass
class Comparison:
    """Seconds of whole volumes, fused and decomposed, one entry a round.

    Attributes:
        size: slices, rows, columns.
        ours: array to array: checking, scaling, network, scaling back, records.
        published: the network alone, FrEIA slice by slice, Jacobians computed and thrown away as in the official code.
        disagreement: largest difference between the two fused images, in [0, 1].
        error: largest difference between a source and our decomposition, as a share of the source's range.
    """

    size: tuple[int, int, int]
    ours: list[float] = field(default_factory=list)
    published: list[float] = field(default_factory=list)
    disagreement: float = 0.0
    error: float = 0.0

    @property
    def ratio(self) -> float:
        """Median over the rounds of published / ours: above 1 we are faster."""
        return statistics.median(theirs / ours for ours, theirs in zip(self.ours, self.published, strict=True))

    def describe(self) -> str:
        """A short table."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.published)
        slices = self.size[0]
        return "\n".join(
            [
                f"Two random volumes of {'×'.join(map(str, self.size))}, fused and decomposed exactly, CPU, "
                f"{torch.get_num_threads()} threads, {len(self.ours)} rounds in turn; medians:",
                f"  published way (FrEIA graph, slice by slice, network alone)   {theirs:7.2f} s"
                f"  {1e3 * theirs / slices:6.1f} ms a slice",
                f"  this library (array to array, scaling and records included)  {ours:7.2f} s"
                f"  {1e3 * ours / slices:6.1f} ms a slice",
                f"  ratio published / ours                                       {self.ratio:7.2f}",
                f"  largest difference between the two fused images              {self.disagreement:.1e}",
                f"  largest error of our decomposition, share of the range       {self.error:.1e}",
            ]
        )


def compare_with_freia(
    model: Model, size: tuple[int, int, int], rounds: int, seed: int, on_round: OnRound
) -> Comparison:
    """Time both ways in turn on the CPU, and check that they agree.

    Args:
        model: a FusionINN with three blocks.
        size: slices, rows, columns; even rows and columns, since the published way silently crops odd ones.
        rounds: at least 1.
        seed: of the random sources.
        on_round: called with rounds done and rounds in all.

    Raises:
        ConfigurationError: for sizes or models that the published way cannot run.
    """
    network = model.network
    if not isinstance(network, FusionINN) or network.configuration.blocks != 3:
        raise ConfigurationError("The published way runs FusionINN with three blocks only.")
    if min(size) < 1 or rounds < 1:
        raise ConfigurationError(f"Sizes and rounds are at least 1, not {size} and {rounds}.")
    if size[1] % 2 or size[2] % 2:
        raise ConfigurationError(f"The published way needs even rows and columns, not {size[1]}×{size[2]}.")
    generator = np.random.default_rng(seed)
    sources = [Volume(_smooth_noise(generator, size), name=name) for name in model.card.inputs]
    graph = freia_graph(network, size[1], size[2])
    comparison = Comparison(size)
    prepared = _as_ours_sees_them(model, sources)
    for done in range(rounds):
        comparison.published.append(_seconds(lambda: _published(graph, prepared)))
        comparison.ours.append(_seconds(lambda: _ours(model, sources)))
        on_round(done + 1, rounds)
    _check_agreement(model, sources, graph, comparison)
    return comparison


def _smooth_noise(generator: np.random.Generator, size: tuple[int, int, int]) -> NDArray[np.float32]:
    """Random blobs with the range of an MR image; all-zero or white input would not show what real input does."""
    coarse = generator.random((size[0], size[1] // 8 + 1, size[2] // 8 + 1), dtype=np.float32)
    image = coarse.repeat(8, axis=1).repeat(8, axis=2)[:, : size[1], : size[2]]
    return np.asarray(1000 * image + 20 * generator.standard_normal(size, dtype=np.float32), dtype=np.float32)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _ours(model: Model, sources: list[Volume]) -> tuple[Any, Any]:
    settings = Settings(device="cpu")
    fusion = fuse(model, sources, settings=settings)
    return fusion, decompose(model, fusion.image, latent=fusion.latent, settings=settings)


def _published(graph: Any, slices: NDArray[np.float32]) -> NDArray[np.float32]:
    """As inn_test.py: one slice at a time through the graph and back."""
    fused = np.empty((len(slices), *slices.shape[2:]), np.float32)
    with torch.no_grad():
        for index in range(len(slices)):
            (y, z), _ = graph(torch.from_numpy(slices[index : index + 1]))
            fused[index] = torch.sigmoid(y)[0, 0].numpy()
            graph([y, z], rev=True)
    return fused


def _as_ours_sees_them(model: Model, sources: list[Volume]) -> NDArray[np.float32]:
    prepared = prepare_sources(model, sources, 0, False, "axial")
    return np.stack([prepared.load(index) for index in range(prepared.stack.count)])


def _check_agreement(model: Model, sources: list[Volume], graph: Any, comparison: Comparison) -> None:
    fusion, decomposition = _ours(model, sources)
    theirs = _published(graph, _as_ours_sees_them(model, sources))
    comparison.disagreement = float(np.abs(fusion.image.array - theirs).max())
    comparison.error = max(
        float(np.abs(estimate.mean.array - source.array).max() / np.ptp(source.array))
        for estimate, source in zip(decomposition.sources, sources, strict=True)
    )
