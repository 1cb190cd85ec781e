"""`t2m-bench assets`: model files on this machine."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from t2m_bench.core.assets import AssetStatus

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Names = Annotated[
    list[str] | None, typer.Argument(help="Names of assets; all that are not optional if none is given.")
]


def build() -> typer.Typer:
    """The verbs of this group."""
    group = typer.Typer(name="assets", help="List, fetch and verify model files.")
    group.command("list", epilog="Example: t2m-bench assets list")(list_)
    group.command("fetch", epilog="Example: t2m-bench assets fetch face_landmarker")(fetch)
    group.command("verify", epilog="Example: T2M_ASSETS=~/models t2m-bench assets verify")(verify)
    return group


def list_(json_: Json = False) -> None:
    """List all model files and whether they are here."""
    _print_states(None, json_)


def verify(names: Names = None, json_: Json = False) -> None:
    """Check model files against their hashes; exit code 1 if any is missing or wrong."""
    from t2m_bench.core import assets

    if any(state.state != "ok" for state in _print_states(names or assets.default_names(), json_)):
        raise typer.Exit(1)


def fetch(
    names: Names = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only look on this machine.")] = False,
    json_: Json = False,
) -> None:
    """Download model files that are not here, and check them."""
    from t2m_bench.cli.output import print_json
    from t2m_bench.core import assets

    if offline:
        os.environ["T2M_OFFLINE"] = "1"
    found = {}
    for name in names or assets.default_names():
        found[name] = str(assets.fetch(name))
        if not json_:
            print(f"{name}: {found[name]}")
    if json_:
        print_json({"assets": found})


def _print_states(names: list[str] | None, json_: bool) -> list[AssetStatus]:
    from t2m_bench.cli.output import print_json, print_listing
    from t2m_bench.core import assets

    states = [assets.status(name) for name in names or list(assets.ASSETS)]
    if json_:
        print_json({"assets": [_as_json(state) for state in states]})
        return states
    rows = [
        (state.asset.name, state.state, _size(state.asset.size), state.asset.license, str(state.path or "-"))
        for state in states
    ]
    print_listing("Assets", ("Name", "State", "Size", "Licence", "Path"), rows)
    return states


def _as_json(state: AssetStatus) -> dict[str, Any]:
    return {
        **asdict(state.asset),
        "state": state.state,
        "path": str(state.path) if state.path else None,
        "found_sha256": state.found_sha256,
    }


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count else "-"
