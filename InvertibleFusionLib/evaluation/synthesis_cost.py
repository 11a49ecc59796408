"""What iVAN costs on the CPU: time and memory of a slice in every preset, and of a volume in the small one."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.machine import grown_memory, multiply_adds_per_second, processor_kind
from InvertibleFusionLib.inference.decomposition import decompose
from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.inference.synthesis import Synthesis, synthesize
from InvertibleFusionLib.models.card import ModelCard
from InvertibleFusionLib.models.cost import multiply_adds_per_pixel
from InvertibleFusionLib.models.ivan import PRESETS, Ivan
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.model_file import read_model, save_model
from InvertibleFusionLib.volumes.intensity import IntensityScale
from InvertibleFusionLib.volumes.volume import Volume

OnRound = Callable[[int, int], None]
SOURCES = ("T1", "PD")
SMALL = "small"


@dataclass
class Cost:
    """Of one preset on slices or a volume, array to array: checks, scaling, network, records.

    Attributes:
        work: multiply-adds of a pixel in one direction.
        there: seconds to synthesize, one entry a round.
        back: seconds to go back by the latent, likewise.
        processor: CPU seconds of both.
        plain: seconds of the network alone both ways for one slice in plain torch, layer by layer as it was trained, in
            float32 and with channels as planes (NCHW).
        memory: by how many bytes the process grew during both, the results included; None where the system does not
            tell.
    """

    work: int
    there: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    memory: int | None = None


@dataclass
class SynthesisCost:
    """All that was measured.

    Attributes:
        size: slices, rows, columns.
        processor: its kind.
        threads: of torch.
        rate: multiply-adds a second of a large matrix product.
        slices: by preset.
        volume: of the small preset.
    """

    size: tuple[int, int, int]
    processor: str
    threads: int
    rate: float
    slices: dict[str, Cost]
    volume: Cost

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {
            "size": list(self.size),
            "processor": self.processor,
            "threads": self.threads,
            "multiply_adds_per_second": self.rate,
            "slice": {name: vars(cost) for name, cost in self.slices.items()},
            "volume": {SMALL: vars(self.volume)},
        }

    def describe(self) -> str:
        """A table."""
        count, rows, columns = self.size
        rounds = len(self.volume.there)
        lines = [
            f"iVAN, {' + '.join(SOURCES)} → T2, {rows}×{columns}, {self.processor}, {self.threads} threads, {rounds} "
            "rounds in turn; medians:",
            f"{'':16}{'synthesize':>12}{'go back':>12}{'CPU, both':>12}{'plain, both':>12}{'limit, both':>12}"
            f"{'plain/ours':>12}{'memory':>10}",
        ]
        lines += [self._line(f"slice, {name}", cost, 1) for name, cost in self.slices.items()]
        lines.append(self._line(f"{count} slices, {SMALL}", self.volume, count))
        return "\n".join(lines)

    def _line(self, name: str, cost: Cost, slices: int) -> str:
        limit = 2 * cost.work * slices * self.size[1] * self.size[2] / self.rate
        there, back = statistics.median(cost.there), statistics.median(cost.back)
        plain = slices * statistics.median(cost.plain)
        seconds = [there, back, statistics.median(cost.processor), plain, limit]
        memory = "unknown" if cost.memory is None else f"{cost.memory / 2**20:.0f} MB"
        times = "".join(f"{each:10.3f} s" for each in seconds)
        return f"{name:16}{times}{plain / (there + back):>12.2f}{memory:>10}"


def measure_synthesis_cost(
    size: tuple[int, int, int], rounds: int, seed: int, on_round: OnRound, settings: Settings | None = None
) -> SynthesisCost:
    """Time untrained networks, all in turn; weights do not change what they cost.

    Args:
        size: slices, rows, columns of the volume.
        rounds: at least 1.
        seed: of the random sources.
        on_round: called with rounds done and rounds in all.
        settings: the device is the CPU.

    Raises:
        ConfigurationError: for sizes that make no sense.
    """
    if min(size) < 1 or rounds < 1:
        raise ConfigurationError(f"Sizes and rounds are at least 1, not {size} and {rounds}.")
    settings = settings or Settings(device="cpu")
    generator = np.random.default_rng(seed)
    volumes = [Volume(1000 * generator.random(size, dtype=np.float32), name=name) for name in SOURCES]
    middle = [Volume(volume.array[size[0] // 2 :][:1], name=volume.name) for volume in volumes]
    with _models() as models:
        runs = {name: _Run(model, middle, settings) for name, model in models.items()}
        whole = _Run(models[SMALL], volumes, settings)
        for run in runs.values():
            run.plainly()
            run.both()  # so that nothing is imported or compiled while memory is measured
        for run in (*runs.values(), whole):
            run.cost.memory = grown_memory(run.both)
        for done in range(rounds):
            for run in (*runs.values(), whole):
                run.measure_time()
            on_round(done + 1, rounds)
    costs = {name: run.cost for name, run in runs.items()}
    rate = multiply_adds_per_second()
    return SynthesisCost(size, processor_kind(), torch.get_num_threads(), rate, costs, whole.cost)


@contextmanager
def _models() -> Iterator[dict[str, Model]]:
    with tempfile.TemporaryDirectory() as folder:
        yield {name: _model(name, Path(folder)) for name in ("paper", "default", SMALL)}


def _model(preset: str, folder: Path) -> Model:
    network = Ivan(replace(PRESETS[preset], inputs=(1,) * len(SOURCES), outputs=(1,)))
    card = ModelCard(
        name=preset,
        architecture="ivan",
        configuration=network.configuration.to_json(),
        task="synthesis",
        inputs=list(SOURCES),
        outputs=["T2"],
        intensity=IntensityScale().to_json(),
    )
    save_model(network, card, folder / f"{preset}.safetensors")
    return read_model(folder / f"{preset}.safetensors")


class _Run:
    """One preset on one set of sources."""

    def __init__(self, model: Model, sources: list[Volume], settings: Settings) -> None:
        self.model, self.sources, self.settings = model, sources, settings
        self.cost = Cost(multiply_adds_per_pixel(model.network))  # type: ignore[arg-type]

    def both(self) -> None:
        """There and back."""
        self._back(self._there())

    def plainly(self) -> None:
        """The middle slice, there and back, by the network as it was trained."""
        middle = [volume.array[len(volume.array) // 2] / 1000 for volume in self.sources]
        with torch.inference_mode():
            slices = torch.from_numpy(np.stack(middle).astype(np.float32))[None]
            network: Ivan = self.model.network  # type: ignore[assignment]
            network.inverse(network(slices))

    def measure_time(self) -> None:
        """There and back once more."""
        processor, start = time.process_time(), time.perf_counter()
        synthesis = self._there()
        between = time.perf_counter()
        self._back(synthesis)
        self.cost.there.append(between - start)
        self.cost.back.append(time.perf_counter() - between)
        self.cost.processor.append(time.process_time() - processor)
        start = time.perf_counter()
        self.plainly()
        self.cost.plain.append(time.perf_counter() - start)

    def _there(self) -> Synthesis:
        return synthesize(self.model, self.sources, settings=self.settings)

    def _back(self, synthesis: Synthesis) -> None:
        decompose(self.model, synthesis.images, latent=synthesis.latent, settings=self.settings)
