"""Convert FusionINN's official checkpoint into a model file."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from InvertibleFusionLib.errors import ConfigurationError


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("checkpoint", type=Path, help="FusionINN's official inn.pt, written with any FrEIA")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write, NAME.safetensors")
    parser.add_argument(
        "--inputs",
        nargs=2,
        default=["T1Gd", "FLAIR"],
        help="contrasts it was trained on, in order (default: T1Gd FLAIR)",
    )


def run(options: Namespace, _: ArgumentParser) -> None:
    """Write the model file."""
    from InvertibleFusionLib.models.card import ModelCard
    from InvertibleFusionLib.models.model_file import file_digest, save_model
    from InvertibleFusionLib.models.official_checkpoint import read_official_checkpoint

    if options.out.suffix != ".safetensors":
        raise ConfigurationError(f"A model file ends in .safetensors; {options.out.name} does not.")
    network = read_official_checkpoint(options.checkpoint)
    card = ModelCard(
        name=options.out.stem,
        architecture="fusioninn",
        configuration=network.configuration.to_json(),
        task="fusion",
        inputs=list(options.inputs),
        outputs=["fused"],
        intensity={"method": "slice-minmax"},
        training={"imported_from": options.checkpoint.name, "sha256": file_digest(options.checkpoint)},
    )
    save_model(network, card, options.out)
    print(f"Wrote {options.out}.")
