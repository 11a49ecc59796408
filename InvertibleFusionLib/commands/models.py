"""List the shipped models, or show one model's card."""

from jsonargparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("model", nargs="?", help="shipped name or file: show its whole card")


def run(options: Namespace, _: ArgumentParser) -> None:
    """Print the list, or one card."""
    import yaml

    from InvertibleFusionLib.models.card_file import read_card
    from InvertibleFusionLib.models.model_file import file_digest
    from InvertibleFusionLib.models.shipped import model_path, shipped_cards
    from InvertibleFusionLib.models.synthesis_figures import against_rules

    if options.model:
        path = model_path(options.model)
        card = read_card(path)
        described = {**card.to_json(), "sha256": file_digest(path)}
        if said := against_rules(card):
            described["against_rules"] = said
        print(yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=100).rstrip())
        return
    for card in shipped_cards():
        print(f"{card.name}: {card.task}, {' + '.join(card.inputs)} → {' + '.join(card.outputs)} ({card.architecture})")
        print(f"    {card.intended_use}")
