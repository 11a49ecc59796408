"""Reproduce a table or figure of the papers on the data that can be had: reproduce NAME --data-folder DIR --out DIR."""

import shlex
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.terminal import Progress
from InvertibleFusionLib.errors import ConfigurationError

NAMES = "fusioninn-table1, fusioninn-table2, ivan-table1 to ivan-table6, gan-table1, gan-table2, gan-figure6"


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("name", help=NAMES)
    parser.add_argument(
        "--data-folder", type=Path, required=True, help="folder with the data sets; data.yaml lists them"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for table.md, CSV, pictures, and the models")
    parser.add_argument(
        "--budget",
        default="quick",
        help="quick (default; minutes on a CPU, says little), standard, or a number of optimization steps",
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default: 1)")
    parser.add_argument("--accelerator", default="cpu", help="where to train: cpu (default), cuda, mps or auto")


def run(options: Namespace, _: ArgumentParser) -> None:
    """Train, measure, write and print the table."""
    from InvertibleFusionLib.evaluation.experiments.budget import budget_for
    from InvertibleFusionLib.evaluation.experiments.catalogue import EXPERIMENTS
    from InvertibleFusionLib.evaluation.experiments.running import reproduce

    if options.name not in EXPERIMENTS:
        raise ConfigurationError(f"There is no experiment {options.name!r}. Known are {NAMES}.")
    experiment = EXPERIMENTS[options.name]()
    budget = budget_for(experiment, options.budget)
    with Stages() as stages:
        text = reproduce(
            experiment,
            options.data_folder,
            options.out,
            budget,
            command_line(options),
            stages,
            options.seed,
            options.threads,
            options.accelerator,
        )
    print(text)
    print(f"Wrote {options.out / 'table.md'}, figures.csv, slices and a picture of each part.")


def command_line(options: Namespace) -> str:
    """What to type to get the same again; folders are the reader's own."""
    words = ["invertible-fusion", "reproduce", options.name, "--data-folder", "DATA", "--out", "OUT"]
    words += ["--budget", options.budget]
    for name, usual in (("seed", 0), ("threads", 1), ("accelerator", "cpu")):
        if getattr(options, name) != usual:
            words += [f"--{name}", str(getattr(options, name))]
    return shlex.join(words)


class Stages:
    """One progress bar after the other."""

    def __init__(self) -> None:
        self._what = ""
        self._bar: Progress | None = None

    def __enter__(self) -> "Stages":
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.__exit__(*error)

    def __call__(self, what: str, done: int, total: int) -> None:
        """So much of what is being done is done."""
        if what != self._what:
            self.__exit__()
            self._what, self._bar = what, Progress(what, unit="step")
        if self._bar is not None:
            self._bar.advance(done, total)
