"""Time fusing, decomposing and, on request, training steps against the published way, in turn."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.terminal import Progress
from InvertibleFusionLib.errors import ConfigurationError


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("--against", choices=["freia"], default="freia", help="the published way: a FrEIA graph")
    parser.add_argument(
        "--model", default="fusioninn-t1gd-flair", help="shipped name or file (default: fusioninn-t1gd-flair)"
    )
    parser.add_argument(
        "--size", nargs=3, type=int, default=[155, 240, 240], help="slices, rows, columns (default: 155 240 240)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often all are timed, in turn (default: 5)")
    parser.add_argument(
        "--training",
        action="store_true",
        help="time and weigh training steps too, on square slices of as many rows as --size; of iVAN on crops of 64×64",
    )
    parser.add_argument("--batch", type=int, default=4, help="slices in a training step (default: 4)")
    parser.add_argument(
        "--synthesis",
        action="store_true",
        help="compare nothing, but time iVAN: a slice of --size in every preset, the volume in the small one",
    )
    parser.add_argument(
        "--growth",
        nargs="+",
        type=int,
        metavar="SLICES",
        help="compare nothing, but fuse so many slices of --size, each number in a fresh process: CPU time and memory; "
        "fails when more memory is taken than promised",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random volumes (default: 0)")
    parser.add_argument("--kernel", default="auto", help="of ours: auto (default), products, torch")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="file for a picture of them; iVAN has none")
    parser.add_argument("--floors", type=Path, help="file of ratios below which the command fails")


def run(options: Namespace, _: ArgumentParser) -> None:
    """Print the comparison, what iVAN costs, or the growth."""
    if options.synthesis:
        _synthesize(options)
    elif options.growth:
        _grow(options)
    else:
        _compare(options)


def _compare(options: Namespace) -> None:
    from InvertibleFusionLib.evaluation.benchmark import compare_with_freia
    from InvertibleFusionLib.inference.plan import Settings

    training = _train_fusion(options) if options.training else None
    size = (options.size[0], options.size[1], options.size[2])
    settings = Settings(device="cpu", kernel=options.kernel)
    with Progress("benchmark", unit="round") as progress:
        comparison = compare_with_freia(
            options.model, size, options.rounds, options.seed, progress.advance, settings=settings
        )
    print(comparison.describe())
    _write_figures(options, {**comparison.to_json(), "training": training})
    if options.plot:
        from InvertibleFusionLib.evaluation.benchmark_figure import draw_comparison  # needs matplotlib

        _write(options.plot, lambda path: draw_comparison(comparison, path))
    if options.floors:
        print(comparison.require_floors(options.floors))


def _synthesize(options: Namespace) -> None:
    from InvertibleFusionLib.evaluation.synthesis_cost import measure_synthesis_cost
    from InvertibleFusionLib.inference.plan import Settings

    if options.plot:
        raise ConfigurationError("There is no picture of what iVAN costs. Leave --plot out.")
    settings = Settings(device="cpu", kernel=options.kernel)
    with Progress("benchmark", unit="round") as progress:
        cost = measure_synthesis_cost(tuple(options.size), options.rounds, options.seed, progress.advance, settings)
    print(cost.describe())
    _write_figures(options, {**cost.to_json(), "training": _train_ivan(options) if options.training else None})


def _train_fusion(options: Namespace) -> dict[str, Any]:
    from InvertibleFusionLib.evaluation.training_throughput import compare_training  # needs Lightning Fabric

    training = compare_training(options.batch, options.size[1], options.rounds, options.seed, "cpu")
    print(training.describe())
    ways = ("FusionINN", "FusionINN as published")
    return {**training.to_json(), "memory": _weigh(options, ways, options.size[1])}


def _train_ivan(options: Namespace) -> dict[str, Any]:
    from InvertibleFusionLib.evaluation.synthesis_steps import CROP, measure_steps  # needs Lightning Fabric

    with Progress("training", unit="round") as progress:
        steps = measure_steps(options.batch, options.rounds, options.seed, progress.advance)
    print(steps.describe())
    return {**steps.to_json(), "memory": _weigh(options, tuple(steps.seconds), CROP)}


def _weigh(options: Namespace, ways: Sequence[str], size: int) -> list[dict[str, Any]]:
    from InvertibleFusionLib.evaluation.training_memory import describe_memory, memory_of_steps

    memories = [memory_of_steps(way, size, options.batch, options.seed) for way in ways]
    print(describe_memory(memories), end="\n\n")
    return [memory.to_json() for memory in memories]


def _grow(options: Namespace) -> None:
    from InvertibleFusionLib.evaluation.growth import measure_growth

    shape = (options.size[1], options.size[2])
    with Progress("growth", unit="volume") as progress:
        growth = measure_growth(
            options.model, options.growth, shape, options.rounds, options.seed, options.kernel, progress.advance
        )
    print(growth.describe())
    _write_figures(options, growth.to_json())
    if options.plot:
        from InvertibleFusionLib.evaluation.growth_figure import draw_growth  # needs matplotlib

        _write(options.plot, lambda path: draw_growth(growth, path))
    print(growth.require_little_memory())


def _write_figures(options: Namespace, figures: dict[str, Any]) -> None:
    if options.json:
        text = json.dumps(figures, indent=1) + "\n"
        _write(options.json, lambda path: path.write_text(text, encoding="utf-8"))


def _write(file: Path, write: Callable[[Path], Any]) -> None:
    """A whole file or none."""
    from InvertibleFusionLib.volumes.writing import staged

    with staged(file.parent) as stage:
        write(stage / file.name)
    print(f"Wrote {file}.")
