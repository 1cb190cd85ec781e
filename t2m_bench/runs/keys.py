"""Keys: hashes over all that decides a unit's result or a checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from t2m_bench.core import assets
from t2m_bench.core.digest import digest_of
from t2m_bench.core.errors import ConfigError
from t2m_bench.core.subject import Footage
from t2m_bench.runs.label import MethodChoice
from t2m_bench.runs.plan import Unit

KEY_LENGTH = 32


def code_digest(modules: Iterable[str]) -> str:
    """Digest over the Python source of modules and packages (with all below them), found without running them.

    Parent packages are imported, as Python needs them to find a submodule; the modules themselves are not.

    Raises:
        ConfigError: a module does not exist or has no source.
    """
    digest = hashlib.sha256()
    for module in sorted(set(modules)):
        for name, path in _sources(module):
            digest.update(f"{module}\0{name}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:KEY_LENGTH]


def _sources(module: str) -> list[tuple[str, Path]]:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"Module {module!r} cannot be found ({error})", hint="Correct `code` in the card"
        ) from error
    if spec is None:
        raise ConfigError(f"There is no module {module!r}", hint="Correct `code` in the card")
    if spec.submodule_search_locations:
        roots = [Path(place) for place in spec.submodule_search_locations]
        files = [(path.relative_to(root).as_posix(), path) for root in roots for path in root.rglob("*.py")]
        return sorted(files)
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise ConfigError(f"Module {module!r} has no Python source", hint="Correct `code` in the card")
    return [("", Path(spec.origin))]


def method_facts(choice: MethodChoice, identity: Any) -> dict[str, Any]:
    """What decides the behaviour of a method: its own word, its code and its model files."""
    card = choice.card
    return {
        "name": card.name,
        "preset": choice.preset,
        "settings": dict(choice.settings),
        "identity": identity,
        "code": code_digest(card.code),
        "assets": {name: assets.get(name).sha256 for name in card.assets},
    }


def checkpoint_key(method: dict[str, Any], train: Footage, seed: int) -> str:
    """Key of what a method learns about a subject: the method, the footage and the seed."""
    return digest_of({"method": method, "train": train.digest, "seed": seed}, KEY_LENGTH)


def unit_key(unit: Unit, facts: dict[str, Any], recipe_digest: str) -> str:
    """Key of a unit.

    Args:
        unit: the unit.
        facts: JSON value of the method and the footage: `method_facts` and `footage_facts`.
        recipe_digest: of the recipe.
    """
    return digest_of(
        {
            "facts": facts,
            "clip": unit.clip.sha256,
            "sound": unit.sound.sha256,
            "protocol": unit.protocol,
            "drive": unit.drive,
            "seed": unit.seed,
            "recipe": recipe_digest,
        },
        KEY_LENGTH,
    )


def footage_facts(train: Footage, held_out: Footage, sound: Footage) -> dict[str, Any]:
    """What decides the inputs: content of both parts of the clip and of the driving sound, the split, the track."""
    return {
        "train": train.digest,
        "held_out": held_out.digest,
        "sound": sound.digest,
        "train_frames": [train.start, train.start + len(train)],
        "test_frames": [held_out.start, held_out.start + len(held_out)],
        "track": held_out.track.source,
        "fov_deg": held_out.track.fov_deg,
    }
