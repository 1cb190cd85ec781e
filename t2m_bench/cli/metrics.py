"""`t2m-bench metrics`: what can be measured."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def build() -> typer.Typer:
    """The verbs of this group."""
    group = typer.Typer(name="metrics", help="List and describe metrics.")
    group.command("list", epilog="Example: t2m-bench metrics list")(list_)
    group.command("show", epilog="Example: t2m-bench metrics show lmd@mouth.px")(show)
    return group


def list_(json_: Json = False) -> None:
    """List all metrics."""
    from dataclasses import asdict

    from t2m_bench.cli.output import print_json, print_listing
    from t2m_bench.metrics.catalog import metric_infos

    infos = metric_infos().values()
    if json_:
        print_json({"metrics": [asdict(info) for info in infos]})
        return
    rows = [
        (info.id, info.title, info.unit or "-", f"{info.direction} is better", " ".join(info.assets) or "-")
        for info in infos
    ]
    print_listing("Metrics", ("Id", "Title", "Unit", "Direction", "Needs"), rows)


def show(name: Annotated[str, typer.Argument(help="Id of a metric.")], json_: Json = False) -> None:
    """Describe a metric: definition, unit, direction, needs."""
    from dataclasses import asdict

    from t2m_bench.cli.output import print_facts, print_json
    from t2m_bench.core.errors import UnknownName
    from t2m_bench.core.registry import suggest
    from t2m_bench.metrics.catalog import metric_infos

    infos = metric_infos()
    if name not in infos:
        raise UnknownName(f"Unknown metric {name!r}", hint=suggest(name, infos))
    facts = asdict(infos[name])
    if json_:
        print_json(facts)
    else:
        print_facts(f"Metric {name}", facts.items())
