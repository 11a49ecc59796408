"""The course of a training run: a CSV for tables and plots, and TensorBoard's curves and images."""

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from InvertibleFusionLib.errors import OutputError
from InvertibleFusionLib.volumes.writing import staged

COLUMNS = ("step", "name", "value")


class Curves:
    """Writes losses, learning rates and validation scores as they come. What cannot be written is an OutputError.

    Args:
        folder: curves.csv and TensorBoard's event files go there.
        step: the run goes on after this step; what an earlier, killed run wrote beyond it is dropped.

    Raises:
        OutputError: when the folder cannot be made or written.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / "curves.csv"
        kept = [row for row in _rows(self._path) if int(row[0]) <= step] if step and self._path.exists() else []
        with staged(folder) as stage, (stage / self._path.name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(kept)
        self._events = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Named values at a step."""
        with self._writing():
            with self._path.open("a", newline="", encoding="utf-8") as stream:
                csv.writer(stream).writerows((step, name, f"{value:.6g}") for name, value in values.items())
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def add_images(self, step: int, name: str, images: Tensor) -> None:
        """A row of grey images, (count, 1, rows, columns) in [0, 1]."""
        with self._writing():
            self._events.add_images(name, images.clamp(0, 1), step)

    def close(self) -> None:
        """Write what is still in memory."""
        with self._writing():
            self._events.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"The curves in {self._path.parent} cannot be written: {error.strerror or error}. Make room or choose "
                "another folder."
            ) from error


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
    return [(int(step), name, float(value)) for step, name, value in _rows(path)]


def _rows(path: Path) -> list[list[str]]:
    """Lines without the head, as they were written: numbers read and written again would look different."""
    with path.open(newline="", encoding="utf-8") as stream:
        text = stream.read()
    whole = text[: text.rfind("\n") + 1]
    return list(csv.reader(io.StringIO(whole, newline="")))[1:]
