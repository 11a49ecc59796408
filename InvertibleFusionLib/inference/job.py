"""One task in a process of its own, told by a JSON file: what Slicer's panel starts for models that are slow.

    python -m InvertibleFusionLib.inference.job JOB.json

It needs what fusing needs, and no package more: nothing else has to be installed into Slicer. Every finished slice is
a line "3/24" on standard output. Exit codes: 0 done, 1 a mistake that the user can mend, whose sentence is the last
line on standard error.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from InvertibleFusionLib.errors import InvertibleFusionError
from InvertibleFusionLib.inference.decomposition import decompose
from InvertibleFusionLib.inference.fusion import fuse
from InvertibleFusionLib.inference.plan import Settings
from InvertibleFusionLib.inference.slice_engine import FinishedSlice, OnSlice
from InvertibleFusionLib.inference.synthesis import synthesize
from InvertibleFusionLib.models.shipped import load_model
from InvertibleFusionLib.volumes.volume import Volume
from InvertibleFusionLib.volumes.writing import staged, write_in_turn

DONE, MISTAKE = 0, 1


@dataclass(frozen=True)
class Job:
    """What to do, in JSON's types.

    Attributes:
        task: which of ``fuse``, ``synthesize`` and ``decompose``.
        model: the path of its file.
        volumes: paths of the sources in the order of the model's inputs, or of the images that are taken apart.
        out: folder for the results, under the names that the commands give them.
        latent: path of the images' latent, for the exact way back.
        options: further arguments of the task's function, by name.
        settings: the fields of ``Settings``.
    """

    task: Literal["fuse", "synthesize", "decompose"]
    model: str
    volumes: Sequence[str]
    out: str
    latent: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """For a process that is started with this file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Job":
        """The inverse of ``write``."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def do(job: Job, on_slice: OnSlice | None = None) -> None:
    """Compute and write all results, or none.

    Raises:
        InvertibleFusionError: as the task's function, and as reading and writing do.
    """
    with staged(Path(job.out)) as stage:
        write_in_turn(_results(job, stage, on_slice), stage)


def _results(job: Job, stage: Path, on_slice: OnSlice | None) -> dict[str, Volume]:
    """By the names of their files; what they were made from is let go of, and what is no volume is written."""
    model = load_model(job.model)
    volumes = [Volume.read(path) for path in job.volumes]
    how: dict[str, Any] = {**job.options, "settings": Settings(**job.settings), "on_slice": on_slice}
    if job.task == "fuse":
        return fuse(model, volumes, **how).named_volumes()
    if job.task == "synthesize":
        synthesis = synthesize(model, volumes, **how)
        synthesis.write_statistics(stage)
        return synthesis.named_volumes()
    latent = None if job.latent is None else Volume.read(job.latent)
    return decompose(model, volumes, latent=latent, **how).named_volumes()


def main(path: str) -> int:
    """Do the job of a file; the exit code."""
    try:
        do(Job.read(Path(path)), _say)
    except InvertibleFusionError as error:
        sys.stderr.write(f"{error}\n")
        return MISTAKE
    except MemoryError:
        sys.stderr.write("The memory does not suffice for volumes of this size. Close other programs or crop them.\n")
        return MISTAKE
    return DONE


def _say(finished: FinishedSlice) -> None:
    sys.stdout.write(f"{finished.done}/{finished.total}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
