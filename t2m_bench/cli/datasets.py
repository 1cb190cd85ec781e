"""`t2m-bench datasets`: what can be run on."""

from __future__ import annotations

from typing import Annotated

import typer

from t2m_bench.cli import check, prepare, preview

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def build() -> typer.Typer:
    """The verbs of this group."""
    group = typer.Typer(name="datasets", help="List and describe datasets.")
    group.command("list", epilog="Example: t2m-bench datasets list")(list_)
    group.command("show", epilog="Example: t2m-bench datasets show hdtf")(show)
    group.command("preview", epilog=preview.EXAMPLE)(preview.preview)
    group.command("check", epilog=check.EXAMPLE)(check.check)
    group.command("prepare", epilog=prepare.EXAMPLE)(prepare.prepare)
    return group


def list_(json_: Json = False) -> None:
    """List all datasets."""
    from t2m_bench.cli.output import print_json, print_listing
    from t2m_bench.data.catalog import datasets

    registry = datasets()
    cards = [registry.get(name).card for name in sorted(registry)]
    if json_:
        print_json({"datasets": [card.model_dump(mode="json") for card in cards]})
        return
    rows = [
        (
            card.name,
            " ".join(card.languages),
            card.recipe,
            "synthetic" if card.synthetic else "filmed",
            card.title,
        )
        for card in cards
    ]
    print_listing("Datasets", ("Name", "Languages", "Recipe", "Kind", "Title"), rows)


def show(name: Annotated[str, typer.Argument(help="Name of a dataset.")], json_: Json = False) -> None:
    """Describe a dataset: where it comes from, and how to get it."""
    from t2m_bench.cli.output import print_facts, print_json
    from t2m_bench.data.catalog import datasets

    registry = datasets()
    facts = {**registry.get(name).card.model_dump(mode="json"), "defined_in": registry.origin(name)}
    if json_:
        print_json(facts)
        return
    split = facts.pop("split")
    print_facts(f"Dataset {name}", [*facts.items(), *split.items()])
