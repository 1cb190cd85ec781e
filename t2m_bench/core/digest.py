"""Content hashes: what a cache key or a record's digest is made of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def canonical_json(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, no NaN. Paths and other objects are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any, length: int = 12) -> str:
    """Short digest of any JSON value: the first `length` hex digits of the SHA-256 of its canonical text."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
