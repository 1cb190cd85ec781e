"""The command `t2m-bench`. Nothing heavy is imported until a verb needs it."""

from t2m_bench.cli.app import main

__all__ = ["main"]
