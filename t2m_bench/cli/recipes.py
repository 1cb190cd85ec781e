"""`t2m-bench recipes`: how it is measured."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def build() -> typer.Typer:
    """The verbs of this group."""
    group = typer.Typer(name="recipes", help="List and describe recipes: everything that changes a number.")
    group.command("list", epilog="Example: t2m-bench recipes list")(list_)
    group.command("show", epilog="Example: t2m-bench recipes show paper")(show)
    return group


def list_(json_: Json = False) -> None:
    """List all recipes."""
    from t2m_bench.cli.output import print_json, print_listing
    from t2m_bench.core.recipe import recipes

    registry = recipes()
    found = [registry.get(name) for name in sorted(registry)]
    if json_:
        print_json(
            {"recipes": [{**recipe.model_dump(mode="json"), "digest": recipe.digest} for recipe in found]}
        )
        return
    rows = [
        (recipe.name, recipe.digest, str(recipe.size), f"{recipe.fps:g}", " ".join(recipe.metrics))
        for recipe in found
    ]
    print_listing("Recipes", ("Name", "Digest", "Size", "Fps", "Metrics"), rows)


def show(name: Annotated[str, typer.Argument(help="Name of a recipe.")], json_: Json = False) -> None:
    """Show a recipe whole."""
    from t2m_bench.cli.output import print_facts, print_json
    from t2m_bench.core.recipe import recipes

    recipe = recipes().get(name)
    facts = {**recipe.model_dump(mode="json"), "digest": recipe.digest}
    if json_:
        print_json(facts)
        return
    aliases = [f"{alias} = {full}" for alias, full in facts.pop("aliases").items()]
    print_facts(f"Recipe {name}", [*facts.items(), ("aliases", aliases)])
