"""What several commands show on the terminal."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from InvertibleFusionLib.inference.slice_engine import FinishedSlice

DEVICES = "auto (CUDA, MPS, CPU, in this order), cpu, cuda, cuda:1, mps"


class Progress:
    """A progress bar on the terminal's error stream; what is logged meanwhile stands on lines of its own above it."""

    def __init__(self, what: str, unit: str = "slice") -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(desc=what, unit=unit, leave=False, dynamic_ncols=True)
        self._open = ExitStack()

    def __enter__(self) -> "Progress":
        from tqdm.contrib.logging import logging_redirect_tqdm

        self._open.enter_context(logging_redirect_tqdm())
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        self._open.close()

    def __call__(self, finished: "FinishedSlice") -> None:
        """One more slice is finished."""
        self.advance(finished.done, finished.total)

    def advance(self, done: int, total: int) -> None:
        """So many are done."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def step(self, done: int, total: int, losses: dict[str, float]) -> None:
        """So many optimization steps are done, the last one with these losses."""
        self._bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()}, refresh=False)
        self.advance(done, total)


def say_certificate(record: dict[str, Any]) -> None:
    """Print what was certified, and what was not."""
    for entry in record.get("certificate", []):
        if entry["bit_for_bit"]:
            print(f"Certified: {entry['source']} comes back bit for bit.")
        else:
            within = f" within {entry['largest_difference']:.3g}" if "largest_difference" in entry else ""
            print(f"Not certified: {entry['source']} has fractional values; it comes back{within}, not bit for bit.")
