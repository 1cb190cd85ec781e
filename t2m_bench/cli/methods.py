"""`t2m-bench methods`: what can be run."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def build() -> typer.Typer:
    """The verbs of this group."""
    group = typer.Typer(name="methods", help="List and describe methods.")
    group.command("list", epilog="Example: t2m-bench methods list")(list_)
    group.command("show", epilog="Example: t2m-bench methods show talk2me")(show)
    return group


def list_(json_: Json = False) -> None:
    """List all methods."""
    from t2m_bench.cli.output import print_json, print_listing
    from t2m_bench.methods.catalog import methods

    registry = methods()
    cards = [registry.get(name) for name in sorted(registry)]
    if json_:
        print_json({"methods": [card.model_dump(mode="json") for card in cards]})
        return
    rows = [
        (card.name, card.category, " ".join(card.drives) or "-", " ".join(card.presets), card.title)
        for card in sorted(cards, key=lambda card: (card.category == "control", card.category, card.name))
    ]
    print_listing("Methods", ("Name", "Group", "Drives", "Presets", "Title"), rows)


def show(name: Annotated[str, typer.Argument(help="Name of a method.")], json_: Json = False) -> None:
    """Describe a method: what it needs, may see and can be asked for."""
    from t2m_bench.cli.output import print_facts, print_json
    from t2m_bench.methods.catalog import methods

    registry = methods()
    facts = {**registry.get(name).model_dump(mode="json"), "defined_in": registry.origin(name)}
    if json_:
        print_json(facts)
    else:
        print_facts(f"Method {name}", facts.items())
