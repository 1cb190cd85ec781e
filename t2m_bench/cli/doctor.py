"""`t2m-bench doctor`: is this machine ready?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

EXAMPLE = "Example: t2m-bench doctor"


def doctor(json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False) -> None:
    """Check libraries, system libraries, codecs, model files and folders; exit code 1 if something must be mended."""
    from t2m_bench.cli.output import print_json
    from t2m_bench.runs.doctor import examine

    checks = examine()
    if json_:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            print(f"{check.state:4}  {check.name}: {check.found}{f'. {check.hint}.' if check.hint else ''}")
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(1)
