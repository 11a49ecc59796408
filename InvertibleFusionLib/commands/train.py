"""Train a model: train CONFIG.yaml --out FILE [--key value …]."""

import contextlib
import dataclasses
import difflib
import typing
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.commands.terminal import Progress
from InvertibleFusionLib.errors import ConfigurationError

if TYPE_CHECKING:
    from InvertibleFusionLib.training.configuration import TrainingConfiguration


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options, but for those of the network and its losses: see ``prepare``."""
    from InvertibleFusionLib.training.configuration import TrainingConfiguration

    parser.add_argument("--config", action="config", help="YAML configuration; may stand first without --config")
    parser.add_argument("--out", type=Path, help="the model file to write, NAME.safetensors; NAME.training beside it")
    parser.add_argument("--resume", action="store_true", help="go on with a stopped run, exactly as if it had not been")
    parser.add_argument("--dry-run", action="store_true", help="one batch of everything: can a run start?")
    parser.add_class_arguments(TrainingConfiguration, skip={"network", "loss"})


def prepare(parser: ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """Check the configuration files, and describe the options of the network that they ask for, and of its losses.

    With the options of one kind of network alone a mistake is told in the words of this kind.

    Args:
        parser: to which ``add_arguments`` added the others.
        arguments: of the command; a configuration file may stand first.

    Returns:
        The arguments, with --config before a file that stands first.

    Raises:
        ConfigurationError: for a file that is no YAML, holds keys that do not exist, naming the nearest right one, or
            numbers in place of names.
    """
    from InvertibleFusionLib.training.configuration import KINDS

    arguments = ["--config", *arguments] if arguments and not arguments[0].startswith("-") else list(arguments)
    files = {path: _settings_in(path) for option, path in _options(arguments) if option == "--config" and path}
    network = _nearest_kind(_network_keys(files.values(), arguments), list(KINDS))
    loss, name = KINDS[network]
    for path, settings in files.items():
        _check_file(settings, Path(path).name, {"network": network, "loss": loss | None})
    parser.add_argument(
        "--network",
        type=network,
        help=f"{name}, settings (inputs or growth ask for iVAN, sources or base_channels for the disentanglement GAN, "
        "fuse_by or synthesize_by for a network of others, none of these for FusionINN)",
    )
    parser.add_argument(
        "--loss", type=loss, help=f"{name}, losses (those of another network: train CONFIG.yaml --help)"
    )
    return arguments


def _settings_in(path: str) -> dict[str, Any]:
    import yaml

    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise ConfigurationError(f"{path} holds no settings; see the YAML files of the shipped models.")
    return settings


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options with their values, which stand behind "=" or come next."""
    for argument, following in pairwise([*arguments, ""]):
        option, equals, value = argument.partition("=")
        if option.startswith("--"):
            yield option, value if equals else following


def _network_keys(files: Iterable[dict[str, Any]], arguments: Sequence[str]) -> set[str]:
    """All keys of the network's settings, in files and options."""
    import yaml

    given = [settings.get("network") for settings in files]
    for option, value in _options(arguments):
        if option.startswith("--network."):
            given.append({option.split(".")[1]: value})
        elif option == "--network":
            with contextlib.suppress(yaml.YAMLError):  # the parser will say so
                given.append(yaml.safe_load(value))
    return {str(key) for settings in given if isinstance(settings, dict) for key in settings}


def _check_file(settings: dict[str, Any], name: str, chosen: dict[str, Any]) -> None:
    from InvertibleFusionLib.training.configuration import TrainingConfiguration

    hints = typing.get_type_hints(TrainingConfiguration) | chosen
    _check_keys(settings, {**hints, "out": Path, "resume": bool, "dry_run": bool}, name)


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

    if options.loss is None:  # in a file: the defaults
        del options["loss"]
    try:
        instances = parser.instantiate(options)
    except ValueError as error:
        raise _mistake_behind(error) from error
    names = {field.name for field in dataclasses.fields(TrainingConfiguration)}
    return TrainingConfiguration(**{name: value for name, value in instances.as_dict().items() if name in names})


def _mistake_behind(error: BaseException) -> ConfigurationError:
    """What one of several kinds of settings found wrong, which the parser reports among why the others do not fit."""
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, ConfigurationError):
        behind = behind.__cause__ or behind.__context__
    return behind or ConfigurationError(" ".join(str(error).split()))


def _check_keys(settings: dict[str, Any], hints: dict[str, Any], where: str) -> None:
    """Refuse keys that do not exist, and numbers in place of names; in settings of settings, too."""
    for key, value in settings.items():
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"It knows {', '.join(sorted(hints))}."
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
            nearest = _nearest_kind(each.keys(), kinds)
            _check_keys(each, typing.get_type_hints(nearest), f"{where}, under {key},")


def _nearest_kind(keys: Collection[str], kinds: Sequence[type[Any]]) -> type[Any]:
    """The kind that knows most of the keys; the first of equals."""
    return max(kinds, key=lambda kind: sum(field.name in keys for field in dataclasses.fields(kind)))


def _dataclasses_in(hint: Any) -> list[type[Any]]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return [hint]
    return [found for each in typing.get_args(hint) for found in _dataclasses_in(each)]
