"""Whether the held-out end of a clip repeats what a method may train on."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from t2m_bench.core.atomic import write_text
from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import digest_of, file_sha256
from t2m_bench.data import leak
from t2m_bench.data.leak import frame_hashes, leaks_in_frames
from t2m_bench.media.video import iter_frames


def repeated_frames(clip: Clip, train_frames: int, cache: Path) -> list[str]:
    """What the frames from `train_frames` on repeat of those before, one sentence each; looked for once a clip.

    Args:
        clip: prepared.
        train_frames: how many, from the start, train.
        cache: root of the cache folder.

    Raises:
        VideoError: the clip cannot be decoded.
    """
    key = digest_of([clip.sha256, train_frames, file_sha256(Path(str(leak.__file__)))], length=32)
    kept = cache / "leaks" / f"{key}.json"
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        if isinstance(found, list) and all(isinstance(text, str) for text in found):
            return found
    except (OSError, ValueError):
        pass  # not looked for yet, or damaged
    hashes = frame_hashes(iter_frames(clip.video))
    texts = [overlap.text for overlap in leaks_in_frames(hashes[:train_frames], hashes[train_frames:])]
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, no result
        write_text(kept, json.dumps(texts))
    return texts
