"""Fusing one pair of random volumes in a process of its own, which tells what that took.

    python -m InvertibleFusionLib.evaluation.fused_once MODEL SLICES ROWS COLUMNS SEED KERNEL

It prints one JSON object: the fields of ``FusedOnce``. The volumes are blobs with noise, int16 as scanners write them.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import SimpleITK  # noqa: F401  # whoever fuses files has it in memory

from InvertibleFusionLib.evaluation.machine import peak_memory
from InvertibleFusionLib.evaluation.noise_volumes import noise_volume
from InvertibleFusionLib.inference.fusion import fuse, fuse_slices
from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.models.shipped import load_model
from InvertibleFusionLib.volumes.volume import Volume


@dataclass(frozen=True)
class FusedOnce:
    """What it took.

    Attributes:
        slices: of each volume.
        seconds: from arrays to arrays, by the clock.
        cpu_seconds: the same, of all threads together; it suffers less from other programs.
        volumes: bytes of the sources, the fused image and the latent.
        peak: the most bytes of memory that the process had, its libraries included; None where unknown.
    """

    slices: int
    seconds: float
    cpu_seconds: float
    volumes: int
    peak: int | None


def fused_once(
    model: str, size: tuple[int, int, int], seed: int, kernel: Literal["auto", "products", "torch"]
) -> FusedOnce:
    """Fuse on the CPU, after a slice that is not timed: kernels are loaded once, however many slices there are."""
    loaded, settings = load_model(model), Settings(device="cpu", kernel=kernel)
    generator = np.random.default_rng(seed)
    sources = [Volume(noise_volume(generator, size, np.int16), name=name) for name in loaded.card.inputs]
    first = [Volume(source.array[:1], name=source.name) for source in sources]
    for _ in fuse_slices(loaded, first, settings=settings):
        pass
    clock, cpu = time.perf_counter(), time.process_time()
    fusion = fuse(loaded, sources, settings=settings)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    volumes = sum(volume.array.nbytes for volume in (*sources, *fusion.named_volumes().values()))
    return FusedOnce(size[0], clock, cpu, volumes, peak_memory())


def main(arguments: list[str]) -> None:
    """Do what the module's docstring says."""
    model, slices, rows, columns, seed, kernel = arguments
    chosen: Any = kernel
    result = fused_once(model, (int(slices), int(rows), int(columns)), int(seed), chosen)
    sys.stdout.write(json.dumps(asdict(result)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
