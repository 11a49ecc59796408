"""Measure models, trivial rules and folders of images on cases: tables, every slice as CSV, and a page to look at."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.terminal import DEVICES, Progress
from InvertibleFusionLib.errors import ConfigurationError

if TYPE_CHECKING:
    from InvertibleFusionLib.evaluation.case_reading import Wanted
    from InvertibleFusionLib.evaluation.cases import EvaluationCase
    from InvertibleFusionLib.evaluation.methods import Method
    from InvertibleFusionLib.models.model import Model

NO_OTHERS = (
    "A linear fit and a lookup table need other patients to be fitted on: --fit-on names them. They are left out."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "cases",
        nargs="*",
        help="patient folders (one file for each contrast), lists of cases (.csv, .yaml), folders of PNG slices (a "
        "folder for each contrast)",
    )
    parser.add_argument("--volumes", nargs="+", type=Path, metavar="FILE", help="one case of plain volume files")
    parser.add_argument("--models", nargs="+", default=[], help="shipped names or files")
    parser.add_argument(
        "--images", nargs="+", default=[], metavar="NAME=DIR", help="images of another method, called as the slices"
    )
    parser.add_argument("--contrasts", nargs="+", help="sources; default: those of the first model")
    parser.add_argument(
        "--targets", nargs="+", help="what is synthesized; default: those of the first model, none for fusion"
    )
    parser.add_argument(
        "--given",
        nargs="+",
        metavar="INPUT",
        help="which of the models' inputs there are, such as T1: a feature-disentanglement GAN does without the others",
    )
    parser.add_argument("--mask", default="", help="name of a lesion mask in each folder; its file with --volumes")
    parser.add_argument("--split", default="", help="which cases of a list")
    parser.add_argument("--fit-on", nargs="+", default=[], metavar="CASE", help="other patients, for fitted rules")
    parser.add_argument(
        "--metrics", nargs="+", default=[], metavar="SYMBOL", help="such as Q_MI, or all; default: all but slow ones"
    )
    parser.add_argument(
        "--lpips", type=Path, metavar="WEIGHTS", help="AlexNet's weights: measure LPIPS, too (synthesis)"
    )
    parser.add_argument("--data-folder", type=Path, default=Path(), help="what cases are relative to")
    parser.add_argument("--device", default="auto", help=DEVICES)
    parser.add_argument("--out", type=Path, required=True, help="folder for report.html, table.md and slices.csv")


def run(options: Namespace, _: ArgumentParser) -> None:
    """Measure, print the tables and write the files."""
    from InvertibleFusionLib.evaluation.evaluation_page import About, write_page
    from InvertibleFusionLib.evaluation.measuring import measure
    from InvertibleFusionLib.evaluation.panels import names_in_colour
    from InvertibleFusionLib.evaluation.slice_measures import metrics_named
    from InvertibleFusionLib.evaluation.tables import markdown, write_slices
    from InvertibleFusionLib.models.shipped import load_model
    from InvertibleFusionLib.volumes.writing import staged

    models = named([load_model(name) for name in options.models], options.models)
    wanted = _wanted(options, list(models.values()))
    cases = _cases(options, wanted)
    methods, remarks = _methods(options, models, wanted, cases)
    metrics = metrics_named(options.metrics, bool(wanted.targets), options.lpips)
    with Progress("measuring") as progress:
        measurements = measure(methods, cases, metrics, on_slice=progress.advance)
    text = "\n\n".join([markdown(measurements), *remarks, "Research use only. Not certified for diagnosis."]) + "\n"
    sources, targets = (" + ".join(names_in_colour(names)) for names in (wanted.sources, wanted.targets))
    title = f"{sources} → {targets}" if targets else f"{sources} fused"
    with staged(options.out) as stage:
        (stage / "table.md").write_text(text, encoding="utf-8")
        write_slices(measurements, stage / "slices.csv")
        about = About(f"{title}: {_count(cases)}", command_line(options), remarks)
        write_page(measurements, about, stage / "report.html")
    print(text)
    print(f"Wrote {options.out / 'report.html'}, table.md and slices.csv.")


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


def command_line(options: Namespace) -> str:
    """What to type to get the same again."""
    words = ["invertible-fusion", "evaluate", *options.cases]
    for key, value in vars(options).items():
        if key == "cases" or value in (None, "", []) or (key, value) in (("device", "auto"), ("data_folder", Path())):
            continue
        several = value if isinstance(value, list) else [value]
        words += [f"--{key.replace('_', '-')}", *map(str, several)]
    return shlex.join(words)


def _wanted(options: Namespace, models: Sequence["Model"]) -> "Wanted":
    """The contrasts to look for; colour images as their channels."""
    from InvertibleFusionLib.evaluation.case_reading import Wanted
    from InvertibleFusionLib.evaluation.methods import require_same_task

    mask = "" if options.volumes else options.mask
    if not models:
        if options.given:
            raise ConfigurationError("--given names inputs of models, but no model is measured. Use --contrasts.")
        if not options.contrasts:
            raise ConfigurationError("Without a model --contrasts must name the sources.")
        return Wanted(options.contrasts, options.targets or [], mask, options.split)
    sources, targets = require_same_task(models, options.contrasts, options.targets, options.given)
    return Wanted(sources, targets, mask, options.split)


def _cases(options: Namespace, wanted: "Wanted") -> list["EvaluationCase"]:
    from InvertibleFusionLib.evaluation.case_reading import read_cases, read_files

    if bool(options.cases) == bool(options.volumes):
        raise ConfigurationError("Name the cases to measure on, or one case's files with --volumes (not both).")
    if options.volumes:
        return [read_files(options.volumes, wanted, Path(options.mask) if options.mask else None)]
    return read_cases(options.cases, wanted, options.data_folder)


def _methods(
    options: Namespace, models: dict[str, "Model"], wanted: "Wanted", cases: Sequence["EvaluationCase"]
) -> tuple[list["Method"], list[str]]:
    """Trivial rules first, then models, then folders of images; and what to say of what is left out."""
    from InvertibleFusionLib.evaluation.case_reading import read_cases
    from InvertibleFusionLib.evaluation.image_folders import image_folder
    from InvertibleFusionLib.evaluation.methods import model_method
    from InvertibleFusionLib.evaluation.training_overlap import overlap_remarks
    from InvertibleFusionLib.evaluation.trivial_rules import fusion_rules, synthesis_rules

    remarks = []
    if wanted.targets:
        fitted_on = read_cases(options.fit_on, wanted, options.data_folder) if options.fit_on else []
        rules = synthesis_rules(wanted.sources, wanted.targets, fitted_on)
        remarks += [] if fitted_on else [NO_OTHERS]
    elif options.fit_on:
        raise ConfigurationError("--fit-on is for synthesis: the rules that fuse are not fitted.")
    else:
        rules = fusion_rules()
    theirs = [image_folder(*_named_folder(text), cases) for text in options.images]
    ours = [model_method(model, name, options.device, options.given) for name, model in models.items()]
    return [*rules, *ours, *theirs], [*remarks, *_without(models, options.given), *overlap_remarks(ours, cases)]


def _without(models: dict[str, "Model"], given: Sequence[str] | None) -> list[str]:
    """What to know of models that get some of their inputs alone."""
    from InvertibleFusionLib.inference.given_sources import missing_warning, present_inputs

    warnings = {name: missing_warning(model, present_inputs(model, given)) for name, model in models.items() if given}
    return [f"{name}: {warning}" for name, warning in warnings.items() if warning]


def _named_folder(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise ConfigurationError(f"--images takes NAME=DIR, such as --images DDFM=results/ddfm; {text!r} is not that.")
    return name, Path(folder)


def _count(cases: Sequence["EvaluationCase"]) -> str:
    slices = sum(len(case) for case in cases)
    return f"{cases[0].name}, {slices} slices" if len(cases) == 1 else f"{len(cases)} cases, {slices} slices"
