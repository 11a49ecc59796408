"""The command ``invertible-fusion``. Exit codes: 0 done, 1 a mistake that the user can mend, 130 cancelled."""

import difflib
import logging
import os
import signal
import sys
from argparse import ArgumentError, HelpFormatter
from collections.abc import Sequence

from jsonargparse import ArgumentParser

from InvertibleFusionLib._version import __version__
from InvertibleFusionLib.commands import (
    benchmark,
    decompose,
    demo,
    evaluate,
    fuse,
    import_checkpoint,
    manifest,
    models,
    phantom,
    reproduce,
    synthesize,
    train,
)
from InvertibleFusionLib.errors import ConfigurationError, InvertibleFusionError

COMMANDS = {
    "fuse": fuse,
    "synthesize": synthesize,
    "decompose": decompose,
    "models": models,
    "import-checkpoint": import_checkpoint,
    "manifest": manifest,
    "train": train,
    "evaluate": evaluate,
    "reproduce": reproduce,
    "phantom": phantom,
    "demo": demo,
    "benchmark": benchmark,
}

# Threads that spin while they wait for each other make everything many times slower beside another busy program.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

DONE, MISTAKE, CANCELLED = 0, 1, 130
EXTRAS = {
    "matplotlib": "evaluation",
    "jinja2": "evaluation",
    "PIL": "evaluation",
    "scipy": "evaluation",
    "torchmetrics": "evaluation",
    "FrEIA": "benchmark",
    "h5py": "training",
    "lightning_fabric": "training",
    "tensorboard": "training",
    "monai": "training",
}
"""What is installed only on request, and by which extra."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return DONE
    if arguments[0] == "--version":
        print(f"invertible-fusion {__version__}")
        return DONE
    # A program that starts this one ends it with SIGTERM; that shall clean up as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(arguments)
    except KeyboardInterrupt:
        print("Cancelled. Nothing is half-written.", file=sys.stderr)
        return CANCELLED
    except InvertibleFusionError as error:
        print(error, file=sys.stderr)
        return MISTAKE
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        print(f'This needs {error.name}: pip install "invertible-fusion[{EXTRAS[error.name]}]".', file=sys.stderr)
        return MISTAKE
    except MemoryError:
        print(
            "There is not enough memory for volumes of this size. Close other programs or crop them.", file=sys.stderr
        )
        return MISTAKE
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.stdout = None
    finally:
        signal.signal(signal.SIGTERM, before)
    return DONE


def _run(arguments: list[str]) -> None:
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigurationError(f"There is no command {name!r}.{hint} invertible-fusion --help lists them.")
    command = COMMANDS[name]
    parser = ArgumentParser(prog=f"invertible-fusion {name}", description=command.__doc__, exit_on_error=False)
    if name != "train":  # only there are types and defaults more than the help's own words say
        parser.formatter_class = HelpFormatter
    command.add_arguments(parser)
    if name == "train":
        rest = train.prepare(parser, rest)
    try:
        parsed = parser.parse_args(rest)
    except ArgumentError as error:
        reason = " ".join(str(error).split())
        hint = _nearest_options(parser, rest)
        explained = "train CONFIG.yaml" if name == "train" else name  # the options depend on the file's network
        raise ConfigurationError(
            f"{reason}.{hint} invertible-fusion {explained} --help explains the options."
        ) from error
    command.run(parsed, parser)


def _nearest_options(parser: ArgumentParser, arguments: list[str]) -> str:
    """For every option that does not exist, the one that was probably meant."""
    known = [option for action in parser._actions for option in action.option_strings]
    hints = []
    for option in (argument.split("=")[0] for argument in arguments if argument.startswith("--")):
        near = difflib.get_close_matches(option, known, n=1)
        if option not in known and near:
            hints.append(f" Did you mean {near[0]}?")
    return "".join(hints)


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.__doc__}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "invertible-fusion: fuse co-registered brain volumes, take the fused image apart again, and synthesize",
            "missing contrasts.",
            "Research use only. Not certified for diagnosis.",
            "",
            *lines,
            "",
            "invertible-fusion COMMAND --help explains a command. For a start:",
            "  invertible-fusion fuse ADC.nii.gz FLAIR.nii.gz --resample --out result",
            "  invertible-fusion decompose result/fused.nrrd --latent result/latent.nrrd",
        ]
    )
