"""Measure fusion models on cases: a table, every slice as CSV, and whether the spread is calibrated."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace


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

    models = [load_model(name) for name in options.models]
    contrasts = options.contrasts or models[0].card.inputs
    table = tabulate(models, options.cases, contrasts, options.mask, options.data_folder)
    text = table.markdown() + "\n\nResearch use only. Not certified for diagnosis.\n"
    with staged(options.out) as stage:
        (stage / "table.md").write_text(text, encoding="utf-8")
        for name, measurement in table.measurements.items():
            write_rows(measurement, stage / f"{name}.csv")
        draw_calibration(table, stage / "calibration.png")
    print(text)
