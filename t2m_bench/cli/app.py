"""The verbs put together, and how a command ends: exit code, one sentence for an error, no traceback."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from t2m_bench import __version__
from t2m_bench.cli import assets, datasets, doctor, evaluate, methods, metrics, recipes, render, run, table
from t2m_bench.core.errors import T2MError

_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""What the parser raises for every wrong option or command; newer versions of typer keep it in a private module."""

INTERRUPTED = 130
_BROKEN_PIPE = 141


def build() -> typer.Typer:
    """The application with all verbs."""
    app = typer.Typer(
        name="t2m-bench",
        help="Train or run talking-head methods, score them, and print the tables.",
        epilog="Start with: t2m-bench run --method talk2me --dataset demo",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    app.command("run", epilog=run.EXAMPLE)(run.run)
    app.command("evaluate", epilog=evaluate.EXAMPLE)(evaluate.evaluate)
    app.command("table", epilog=table.EXAMPLE)(table.table)
    app.command("render", epilog=render.EXAMPLE)(render.render)
    for module in (methods, datasets, metrics, recipes, assets):
        app.add_typer(module.build())
    app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit: 0 done, 1 the work failed in part or whole, 2 wrong use, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # Arrows and daggers must not end a run on a terminal that cannot show them.
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(_call(given or ["--help"]))


def _call(arguments: list[str]) -> int:
    try:
        code = build()(arguments, prog_name="t2m-bench", standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:  # newer versions of typer make this code of a Ctrl-C, older ones `Abort`
            return _interrupted()
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except _USAGE_ERROR as error:
        told = str(error.format_message()).strip().rstrip(".")  # type: ignore[attr-defined]
        _say(f"{told}. See `{_command(error)} --help`.")
        return 2
    except T2MError as error:
        _say(str(error))
        _debug()
        return error.exit_code
    except BrokenPipeError:
        return _unheard()
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # typer makes a failure of it
            return _unheard()
        raise
    except Exception as error:  # noqa: BLE001 - the last frontier: a sentence, not a traceback
        _say(
            f"Unexpected {type(error).__name__}: {error}. This is a fault of t2m-bench; T2M_DEBUG=1 shows where."
        )
        _debug()
        return 1


def _unheard() -> int:
    """The reader (`head`, say) has what it wanted. Python would complain again while it closes stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _BROKEN_PIPE


def _interrupted() -> int:
    print("\ninterrupted; run the same command again to go on", file=sys.stderr)
    return INTERRUPTED


def _say(text: str) -> None:
    print(f"t2m-bench: {text}", file=sys.stderr)


def _debug() -> None:
    if os.environ.get("T2M_DEBUG") == "1":
        traceback.print_exc()


def _command(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return str(context.command_path) if context else "t2m-bench"


def _version(wanted: bool) -> None:
    if wanted:
        print(f"t2m-bench {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Nothing but `--version`, which is dealt with before this is called."""
