"""Train a model: train CONFIG.yaml --out FILE [--key value …]."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.terminal import Progress


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    from InvertibleFusionLib.training.configuration import TrainingConfiguration

    parser.add_argument("--config", action="config", help="YAML configuration; may stand first without --config")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write, NAME.safetensors")
    parser.add_class_arguments(TrainingConfiguration)


def run(options: Namespace, parser: ArgumentParser) -> None:
    """Train, measure, write the model file."""
    from InvertibleFusionLib.training.configuration import TrainingConfiguration
    from InvertibleFusionLib.training.run import train_model

    out = options.pop("out")
    options.pop("config", None)
    instances = parser.instantiate(options)
    instances.pop("out", None)
    configuration = TrainingConfiguration(**instances.as_dict())
    with Progress("training", unit="step") as progress:
        card = train_model(configuration, out, progress.step)
    print(f"Wrote {out}.")
    for metric in card.metrics:
        print(f"{metric['name']}: {metric['mean']:.4f} ± {metric['standard_deviation']:.4f} on {metric['data']}")
