"""t2m-bench: train or run talking-head methods, score them with published numbers, compare them honestly."""

__version__ = "0.1.0"
