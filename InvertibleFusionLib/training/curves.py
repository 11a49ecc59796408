"""The course of a training run: a CSV for tables and plots, and TensorBoard's curves and images."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

COLUMNS = ("step", "name", "value")


class Curves:
    """Writes losses, learning rates and validation scores as they come.

    Args:
        folder: curves.csv and TensorBoard's event files go there.
        step: the run goes on after this step; what an earlier, killed run wrote beyond it is dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "curves.csv"
        kept = [row for row in read_curves(self._path) if row[0] <= step] if step and self._path.exists() else []
        with self._path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(kept)
        self._events = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Named values at a step."""
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows((step, name, f"{value:.6g}") for name, value in values.items())
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def add_images(self, step: int, name: str, images: Tensor) -> None:
        """A row of grey images, (count, 1, rows, columns) in [0, 1]."""
        self._events.add_images(name, images.clamp(0, 1), step)

    def close(self) -> None:
        """Write what is still in memory."""
        self._events.close()


@contextmanager
def recording(folder: Path, step: int) -> Iterator[Curves]:
    """Curves that are closed when the block ends."""
    curves = Curves(folder, step)
    try:
        yield curves
    finally:
        curves.close()


def read_curves(path: Path) -> list[tuple[int, str, float]]:
    """(step, name, value) of every line of a curves.csv; a last line cut short by a kill is left out."""
    rows = []
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["value"] not in (None, ""):
                rows.append((int(row["step"]), row["name"], float(row["value"])))
    return rows
