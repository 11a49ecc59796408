"""Time fusing, decomposing and, on request, training steps against the published way, in turn."""

import json
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.terminal import Progress


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
        help="time training steps too, on square slices of as many rows as --size; of iVAN on crops of 64×64",
    )
    parser.add_argument("--batch", type=int, default=4, help="slices in a training step (default: 4)")
    parser.add_argument(
        "--synthesis",
        action="store_true",
        help="compare nothing, but time iVAN: a slice of --size in every preset, the volume in the small one",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random volumes (default: 0)")
    parser.add_argument("--kernel", default="auto", help="of ours: auto (default), products, torch")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--floors", type=Path, help="file of ratios below which the command fails")


def run(options: Namespace, _: ArgumentParser) -> None:
    """Print the comparison, or what iVAN costs."""
    if options.synthesis:
        _synthesize(options)
        return
    from InvertibleFusionLib.evaluation.benchmark import compare_with_freia
    from InvertibleFusionLib.inference.plan import Settings

    training = None
    if options.training:
        from InvertibleFusionLib.evaluation.training_throughput import compare_training  # needs Lightning Fabric

        training = compare_training(options.batch, options.size[1], options.rounds, options.seed, "cpu")
        print(training.describe(), end="\n\n")
    size = (options.size[0], options.size[1], options.size[2])
    settings = Settings(device="cpu", kernel=options.kernel)
    with Progress("benchmark", unit="round") as progress:
        comparison = compare_with_freia(
            options.model, size, options.rounds, options.seed, progress.advance, settings=settings
        )
    print(comparison.describe())
    if options.json:
        figures = {**comparison.to_json(), "training": None if training is None else training.to_json()}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        print(f"Wrote {options.json}.")
    if options.floors:
        print(comparison.require_floors(options.floors))


def _synthesize(options: Namespace) -> None:
    from InvertibleFusionLib.evaluation.synthesis_cost import measure_synthesis_cost
    from InvertibleFusionLib.inference.plan import Settings

    settings = Settings(device="cpu", kernel=options.kernel)
    with Progress("benchmark", unit="round") as progress:
        cost = measure_synthesis_cost(tuple(options.size), options.rounds, options.seed, progress.advance, settings)
    print(cost.describe())
    figures = {**cost.to_json(), "training": _train(options) if options.training else None}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        print(f"Wrote {options.json}.")


def _train(options: Namespace) -> dict[str, Any]:
    from InvertibleFusionLib.evaluation.synthesis_steps import measure_steps  # needs Lightning Fabric

    with Progress("training", unit="round") as progress:
        steps = measure_steps(options.batch, options.rounds, options.seed, progress.advance)
    print(steps.describe())
    return steps.to_json()
