"""Time fusing and decomposing against the published way, in turn."""

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
    parser.add_argument("--rounds", type=int, default=3, help="how often both are timed, in turn (default: 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the random volumes (default: 0)")


def run(options: Namespace, _: ArgumentParser) -> None:
    """Print the comparison."""
    from InvertibleFusionLib.evaluation.benchmark import compare_with_freia
    from InvertibleFusionLib.models.shipped import load_model

    size = (options.size[0], options.size[1], options.size[2])
    with Progress("benchmark", unit="round") as progress:
        comparison = compare_with_freia(load_model(options.model), size, options.rounds, options.seed, progress.advance)
    print(comparison.describe())
