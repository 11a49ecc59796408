"""What the machine at hand can do at best: its kind, its arithmetic rate, its memory."""

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

MATRIX = 2000
COPIED = 1 << 28


def processor_kind() -> str:
    """Of which kind the CPU is, as far as speed ratios depend on it: avx512-amx, avx512, avx2 or other."""
    capability = torch.backends.cpu.get_cpu_capability()
    if capability == "AVX512":
        return "avx512-amx" if "amx_bf16" in _linux_flags() else "avx512"
    return "avx2" if capability == "AVX2" else "other"


def machine_in_words(accelerator: str, threads: int) -> str:
    """What networks learn on, without names that a machine has of its own, such as "1 thread of a CPU (avx2), Linux".

    Args:
        accelerator: as Lightning Fabric calls it; "auto" takes a GPU where there is one.
        threads: of the CPU.
    """
    on_gpu = accelerator in ("auto", "cuda") and torch.cuda.is_available()
    on_mps = not on_gpu and accelerator in ("auto", "mps") and torch.backends.mps.is_available()
    gpu = f"{torch.cuda.get_device_name()}, " if on_gpu else ("Apple GPU, " if on_mps else "")
    counted = "1 thread" if threads == 1 else f"{threads} threads"
    return f"{gpu}{counted} of a CPU ({processor_kind()}), {platform.system()}"


def multiply_adds_per_second() -> float:
    """The float32 rate of a large matrix product with torch's threads: what arithmetic can reach here."""
    matrix = torch.rand(MATRIX, MATRIX)
    return MATRIX**3 / _median_seconds(lambda: torch.mm(matrix, matrix))


def copied_bytes_per_second() -> float:
    """Bytes of a copy that does not fit into the caches, reading and writing counted as one."""
    source = torch.rand(COPIED // 4)
    target = torch.empty_like(source)
    return COPIED / _median_seconds(lambda: target.copy_(source))


def grown_memory(work: Callable[[], Any]) -> int | None:
    """By how many bytes the resident memory grows at most during ``work``; None where the system does not tell."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the highest value so far
        before = _status("VmRSS")
    except OSError:
        work()
        return None
    work()
    return max(0, _status("VmHWM") - before)


def peak_memory() -> int | None:
    """The most bytes of resident memory that this process ever had; None where the system does not tell."""
    try:
        return _status("VmHWM")  # ru_maxrss would be that of the process which started this one, where it was larger
    except OSError:
        return None


def _median_seconds(work: Callable[[], Any], times: int = 5) -> float:
    work()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def _linux_flags() -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return next((line.split() for line in lines if line.startswith("flags")), [])
