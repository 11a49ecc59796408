"""Train a model: train CONFIG.yaml --out FILE [--key value …]."""

import dataclasses
import difflib
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.terminal import Progress
from InvertibleFusionLib.errors import ConfigurationError

if TYPE_CHECKING:
    from InvertibleFusionLib.training.configuration import TrainingConfiguration


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    from InvertibleFusionLib.training.configuration import TrainingConfiguration

    parser.add_argument("--config", action="config", help="YAML configuration; may stand first without --config")
    parser.add_argument("--out", type=Path, help="the model file to write, NAME.safetensors; NAME.training beside it")
    parser.add_argument("--resume", action="store_true", help="go on with a stopped run, exactly as if it had not been")
    parser.add_argument("--dry-run", action="store_true", help="one batch of everything: can a run start?")
    parser.add_class_arguments(TrainingConfiguration, skip={"network"})
    # Without a default: with one, the settings of another network would be added to its own.
    networks = typing.get_type_hints(TrainingConfiguration)["network"]
    parser.add_argument(
        "--network",
        type=networks | None,
        help="the network's settings: FusionINN's; iVAN's, known by inputs, outputs or growth; the disentanglement "
        "GAN's, known by sources or base_channels; or those of a network of others, known by fuse_by or synthesize_by",
    )


def check_file(path: Path) -> None:
    """Refuse a configuration file with keys that do not exist, or with numbers in place of names.

    Raises:
        ConfigurationError: naming the key and the nearest right one; the number; for a file that is no YAML.
    """
    import yaml

    from InvertibleFusionLib.training.configuration import TrainingConfiguration

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise ConfigurationError(f"{path} holds no settings; see the YAML files of the shipped models.")
    _check_keys(settings, TrainingConfiguration, path.name, extra={"out", "resume", "dry_run"})


def run(options: Namespace, parser: ArgumentParser) -> None:
    """Train, measure, write the model file."""
    from InvertibleFusionLib.evaluation.curves_figure import draw_curves
    from InvertibleFusionLib.training.run import dry_run, train_model

    out, resume, dry = options.pop("out"), options.pop("resume"), options.pop("dry_run")
    configuration = configuration_of(options, parser)
    if dry:
        dry_run(configuration, out, resume)
        print("Dry run: data, a step, validation, states, measures and model file all work. Nothing was kept.")
        return
    if out is None:
        raise ConfigurationError("--out is missing: the model file to write, NAME.safetensors.")
    with Progress("training", unit="step") as progress:
        card = train_model(configuration, out, progress.step, resume)
    if card is None:
        return
    curves = out.with_suffix(".training") / "curves.csv"
    draw_curves(curves, configuration.name, curves.with_suffix(".png"))
    print(f"Wrote {out}. Its curves and the measures of every slice are in {curves.parent}.")
    for metric in card.metrics:
        if "mean" in metric:
            print(f"{metric['name']}: {metric['mean']:.4g} ± {metric['standard_deviation']:.2g} on {metric['data']}")


def configuration_of(options: Namespace, parser: ArgumentParser) -> "TrainingConfiguration":
    """What parsed options say.

    Raises:
        ConfigurationError: when it makes no sense.
    """
    from InvertibleFusionLib.training.configuration import TrainingConfiguration

    try:
        instances = parser.instantiate(options)
    except ValueError as error:
        raise _mistake_behind(error) from error
    names = {field.name for field in dataclasses.fields(TrainingConfiguration)}
    given = {name: value for name, value in instances.as_dict().items() if name in names}
    if given["network"] is None:
        del given["network"]
    return TrainingConfiguration(**given)


def _mistake_behind(error: BaseException) -> ConfigurationError:
    """What one of several kinds of settings found wrong, which the parser reports among why the others do not fit."""
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, ConfigurationError):
        behind = behind.__cause__ or behind.__context__
    return behind or ConfigurationError(" ".join(str(error).split()))


def _check_keys(settings: dict[str, Any], kind: type[Any], where: str, extra: set[str] | None = None) -> None:
    hints = typing.get_type_hints(kind)
    known = {field.name for field in dataclasses.fields(kind)} | (extra or set())
    for key, value in settings.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"It knows {', '.join(sorted(known))}."
            raise ConfigurationError(f"{where} has an unknown key {key!r}. {hint}")
        numbers = [each for each in value if isinstance(each, int | float)] if isinstance(value, list) else []
        if numbers and hints.get(key) == list[str]:
            raise ConfigurationError(
                f"{where} gives {numbers[0]} among {key} as a number; names stand in quotes: {key}: ['{numbers[0]}']."
            )
        if value is None and type(None) in typing.get_args(hints.get(key)):
            continue
        kinds = _dataclasses_in(hints.get(key))
        for each in (value if isinstance(value, list) else [value]) if kinds else []:
            if not isinstance(each, dict):
                known_there = ", ".join(field.name for field in dataclasses.fields(kinds[0]))
                raise ConfigurationError(f"{where} says {key}: {each!r}; it needs settings such as {known_there}.")
            _check_keys(each, _nearest_kind(each, kinds), f"{where}, under {key},")


def _nearest_kind(settings: dict[str, Any], kinds: list[type[Any]]) -> type[Any]:
    """The kind that knows most of the keys; the first of equals."""
    known = [{field.name for field in dataclasses.fields(kind)} for kind in kinds]
    return kinds[max(range(len(kinds)), key=lambda number: len(known[number] & settings.keys()))]


def _dataclasses_in(hint: Any) -> list[type[Any]]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return [hint]
    return [found for each in typing.get_args(hint) for found in _dataclasses_in(each)]
