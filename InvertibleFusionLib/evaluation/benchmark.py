"""Timing our fuse and decompose against the published way, in turn on one machine."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from InvertibleFusionLib.errors import ConfigurationError
from InvertibleFusionLib.evaluation.comparison import SUBJECTS, Comparison, Floor
from InvertibleFusionLib.evaluation.contenders import Contender, Ours, Published
from InvertibleFusionLib.evaluation.machine import (
    copied_bytes_per_second,
    grown_memory,
    multiply_adds_per_second,
    processor_kind,
)
from InvertibleFusionLib.evaluation.noise_volumes import noise_volume
from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.models.cost import multiply_adds_per_pixel
from InvertibleFusionLib.models.fusioninn import FusionINN
from InvertibleFusionLib.models.model import Model
from InvertibleFusionLib.models.shipped import load_model, model_path
from InvertibleFusionLib.volumes.volume import Volume

OnRound = Callable[[int, int], None]
BATCH = 8
SLICE_TIMES = 5
"""A slice is timed so many times in every round, since it is short."""

FIRST_SLICES = 3
"""Fresh processes of which the quickest counts: the first may have to read torch from the disk."""

BYTES_FUSED, BYTES_DECOMPOSED = 20, 20
"""Of a pixel: two float32 sources, the image and the latent of two, each read or written once."""

FIRST_SLICE = """
import sys, time
import InvertibleFusionLib
start = time.perf_counter()
import torch
loaded = time.perf_counter() - start
import numpy as np
from InvertibleFusionLib import Volume, load_model
from InvertibleFusionLib.inference.fusion import fuse_slices
model = load_model(sys.argv[1])
array = np.random.default_rng(0).random((2, int(sys.argv[2]), int(sys.argv[3])), dtype=np.float32)
next(fuse_slices(model, [Volume(array, name=name) for name in model.card.inputs]))
print(time.perf_counter() - start, loaded)
"""


def compare_with_freia(
    model: str | Path,
    size: tuple[int, int, int],
    rounds: int,
    seed: int,
    on_round: OnRound,
    settings: Settings | None = None,
) -> Comparison:
    """Time all ways in turn on the CPU, and check that they agree.

    Args:
        model: shipped name or file of a FusionINN with three blocks.
        size: slices, rows, columns; even rows and columns, since the published way silently crops odd ones.
        rounds: at least 1; every way is timed once in each, in an order that changes from round to round.
        seed: of the random sources.
        on_round: called with rounds done and rounds in all.
        settings: of our way; the device is the CPU.

    Raises:
        ConfigurationError: for sizes or models that the published way cannot run.
    """
    loaded = load_model(model)
    _require_sense(loaded, size, rounds)
    settings = settings or Settings(device="cpu")
    generator = np.random.default_rng(seed)
    volumes = [Volume(noise_volume(generator, size, np.float32), name=name) for name in loaded.card.inputs]
    middle = [Volume(volume.array[size[0] // 2 :][:1], name=volume.name) for volume in volumes]
    subjects = {"slice": _contenders(loaded, middle, settings), "volume": _contenders(loaded, volumes, settings)}
    comparison = Comparison(size, processor_kind(), torch.get_num_threads())
    for contender in subjects["slice"].values():
        _both(contender)  # so that nothing is compiled or imported while memory is measured
    for name, contender in subjects["volume"].items():
        comparison.memory[name] = grown_memory(lambda each=contender: _both(each))  # type: ignore[misc]
    comparison.floor = _floor(loaded)
    for done in range(rounds):
        for subject in SUBJECTS:
            for _ in range(SLICE_TIMES if subject == "slice" else 1):
                _time_in_turn(subjects[subject], comparison, subject, backwards=done % 2 == 1)
        comparison.responses.measure(loaded, volumes, settings)
        on_round(done + 1, rounds)
    _check_agreement(subjects["volume"], volumes, comparison)
    comparison.first_slice, comparison.torch_import = min(
        first_slice_seconds(model, size[1], size[2]) for _ in range(FIRST_SLICES)
    )
    return comparison


def first_slice_seconds(model: str | Path, rows: int, columns: int) -> tuple[float, float]:
    """From the import of the library in a fresh process to its first fused slice, and torch's own import of that."""
    command = [sys.executable, "-c", FIRST_SLICE, str(model_path(model)), str(rows), str(columns)]
    whole, loading = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(whole), float(loading)


def _require_sense(model: Model, size: tuple[int, int, int], rounds: int) -> None:
    network = model.network
    if not isinstance(network, FusionINN) or network.configuration.blocks != 3:
        raise ConfigurationError("The published way runs FusionINN with three blocks only.")
    if min(size) < 1 or rounds < 1:
        raise ConfigurationError(f"Sizes and rounds are at least 1, not {size} and {rounds}.")
    if size[1] % 2 or size[2] % 2:
        raise ConfigurationError(f"The published way needs even rows and columns, not {size[1]}×{size[2]}.")


def _contenders(model: Model, sources: list[Volume], settings: Settings) -> dict[str, Contender]:
    return {
        "ours": Ours(model, sources, settings),
        "published": Published(model, sources, 1),
        "batched": Published(model, sources, BATCH),
    }


def _floor(model: Model) -> Floor:
    work = multiply_adds_per_pixel(model.network)  # type: ignore[arg-type]
    return Floor(multiply_adds_per_second(), copied_bytes_per_second(), work, BYTES_FUSED, BYTES_DECOMPOSED)


def _both(contender: Contender) -> None:
    contender.fuse()
    contender.decompose()


def _time_in_turn(contenders: dict[str, Contender], comparison: Comparison, subject: str, backwards: bool) -> None:
    names = list(contenders)
    for name in reversed(names) if backwards else names:
        fused = _seconds(contenders[name].fuse)
        decomposed = _seconds(contenders[name].decompose)
        comparison.add(subject, name, fused, decomposed)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _check_agreement(contenders: dict[str, Contender], sources: list[Volume], comparison: Comparison) -> None:
    images = {name: contender.fuse() for name, contender in contenders.items()}
    comparison.disagreement = max(
        float(np.abs(images["ours"] - images[name]).max()) for name in ("published", "batched")
    )
    comparison.error = max(
        float(np.abs(back - source.array).max() / np.ptp(source.array))
        for back, source in zip(contenders["ours"].decompose(), sources, strict=True)
    )
    ours = contenders["ours"]
    if isinstance(ours, Ours) and ours.fusion is not None:
        comparison.kernel = ours.fusion.record["settings"]["kernel"]
