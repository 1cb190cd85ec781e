"""`manifest.json`: what was asked of an output folder, with which versions, on which machine, under which recipes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2m_bench.core.atomic import write_text
from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import digest_of
from t2m_bench.core.recipe import Recipe
from t2m_bench.runs.folder import MADE_BY, MANIFEST, writing
from t2m_bench.runs.machine import hardware, software
from t2m_bench.runs.plan import Unit
from t2m_bench.runs.request import RunRequest

MANIFEST_VERSION = 1


def note_request(out: Path, request: RunRequest, recipe: Recipe, units: Sequence[Unit]) -> dict[str, Any]:
    """Add a request to the manifest of `out`, which is made if need be; the same request is noted once."""
    manifest = read_manifest(out) or {
        "made_by": MADE_BY,
        "version": MANIFEST_VERSION,
        "requests": [],
        "environments": {},
        "recipes": {},
        "clips": {},
    }
    environment = {"software": software(), "hardware": hardware()}
    asked = {
        **request.as_json(),
        "labels": list(dict.fromkeys(unit.method.label for unit in units)),
        "clips": list(dict.fromkeys(unit.clip.id for unit in units)),
        "recipe": recipe.name,
        "recipe_digest": recipe.digest,
        "environment": digest_of(environment),
    }
    if asked not in manifest["requests"]:
        manifest["requests"].append(asked)
    manifest["environments"][digest_of(environment)] = environment
    manifest["recipes"][recipe.digest] = recipe.model_dump(mode="json")
    hashes = manifest["clips"].setdefault(request.dataset, {})
    hashes.update({clip.id: clip.sha256 for clip in _clips(units)})
    with writing(out):
        write_text(out / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return manifest


def read_manifest(out: Path) -> dict[str, Any] | None:
    """The manifest of an output folder, or None if it has none."""
    path = out / MANIFEST
    if not path.is_file():
        return None
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _clips(units: Sequence[Unit]) -> list[Clip]:
    return [clip for unit in units for clip in (unit.clip, unit.sound)]
