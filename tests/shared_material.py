"""Where real clips and model files are, for machines that have them: beside the checkout, or in `T2M_SHARED`."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = Path(os.environ.get("T2M_SHARED") or Path(__file__).resolve().parents[2] / "shared")
"""The folder; it need not exist."""
