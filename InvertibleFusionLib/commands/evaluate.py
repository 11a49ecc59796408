"""Measure fusion models on cases: a table, every slice as CSV, and whether the spread is calibrated."""

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.errors import ConfigurationError

if TYPE_CHECKING:
    from InvertibleFusionLib.models.model import Model


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("cases", nargs="+", help="folders with one file for each contrast")
    parser.add_argument("--models", nargs="+", required=True, help="shipped names or files")
    parser.add_argument("--contrasts", nargs="+", help="the files' names; default: those of the first model")
    parser.add_argument("--mask", default="", help="name of a lesion mask in each folder")
    parser.add_argument("--data-folder", type=Path, default=Path(), help="what the cases are relative to")
    parser.add_argument("--out", type=Path, required=True, help="folder for table.md, MODEL.csv and calibration.png")


def run(options: Namespace, _: ArgumentParser) -> None:
    """Print the table and write the files."""
    from InvertibleFusionLib.evaluation.fusion_table import draw_calibration, tabulate
    from InvertibleFusionLib.models.shipped import load_model
    from InvertibleFusionLib.training.run import write_rows
    from InvertibleFusionLib.volumes.writing import staged

    models = named([load_model(name) for name in options.models], options.models)
    contrasts = options.contrasts or next(iter(models.values())).card.inputs
    table = tabulate(models, options.cases, contrasts, options.mask, options.data_folder)
    text = table.markdown() + "\n\nResearch use only. Not certified for diagnosis.\n"
    with staged(options.out) as stage:
        (stage / "table.md").write_text(text, encoding="utf-8")
        for name, measurement in table.measurements.items():
            write_rows(measurement, stage / f"{name}.csv")
        draw_calibration(table, stage / "calibration.png")
    print(text)


def named(models: list["Model"], given: list[str]) -> dict[str, "Model"]:
    """Models by their cards' names; by the files' where two have one name.

    Raises:
        ConfigurationError: when two cannot be told apart.
    """
    names = [model.card.name for model in models]
    if len(set(names)) < len(names):
        names = [Path(text).name.removesuffix(".safetensors") for text in given]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigurationError(
            f"Two of the models are called {twice}; the table could not tell them apart. Rename one."
        )
    return dict(zip(names, models, strict=True))
