"""The toy world of the run tests is used here too."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "runs"))
