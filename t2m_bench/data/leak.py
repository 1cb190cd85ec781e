"""The leak check: nothing that a method trains on may be in what it is tested on.

Frames are compared by a hash of their decoded pixels. That finds a file under two names, one video listed twice and
cut at the same frames by the same decoder, and a loop. It cannot see a copy that was encoded, cropped, scaled or
matted once more, nor one cut between frames: for these there are the speakers and the intervals of the manifest. A
tolerant (perceptual) hash is not used: neighbouring frames of a person who sits still differ less than two encodings
of one frame, so it would accuse honest clips.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import UnknownName
from t2m_bench.data.manifest import ClipRow, Manifest, read_manifest
from t2m_bench.data.prepared import MANIFEST

Kind = Literal["speaker", "interval", "frames", "frozen"]


@dataclass(frozen=True)
class Overlap:
    """One thing that two parts share."""

    kind: Kind
    """`speaker`: one person in both; `interval`: the same moments of one raw video; `frames`: the same pictures;
    `frozen`: a still picture that lasts across the border of a time split."""
    text: str
    """Which clips and frames, in one sentence."""

    @property
    def is_leak(self) -> bool:
        """False for what is only a note."""
        return self.kind != "frozen"


@dataclass(frozen=True)
class PartFacts:
    """One clip of one part, as far as leaks are concerned."""

    clip: str
    speaker: str
    frames: Sequence[str] = ()
    """`frame_hash` of each frame; empty where they were not decoded."""


def frame_hash(picture: NDArray[np.uint8]) -> str:
    """Hash of a decoded picture [H, W, 3]: equal for equal size and pixels, and for nothing else."""
    digest = hashlib.blake2b(str(picture.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(picture).data)
    return digest.hexdigest()


def frame_hashes(pictures: Iterable[NDArray[np.uint8]]) -> list[str]:
    """`frame_hash` of each picture, of which one at a time is held."""
    return [frame_hash(picture) for picture in pictures]


def find_leaks(train: Iterable[PartFacts], test: Iterable[PartFacts]) -> list[Overlap]:
    """Speakers and frames that are in both parts of a split of clips; empty when it is clean.

    Any shared frame counts, also a black or a title picture: a clip that begins with one should be cut later.
    """
    seen, held = list(train), list(test)
    found = [
        Overlap(
            "speaker",
            f"Speaker {who!r} is in both parts: in {_names(a.clip for a in seen if a.speaker == who)} to train "
            f"and in {_names(b.clip for b in held if b.speaker == who)} to test",
        )
        for who in sorted({a.speaker for a in seen} & {b.speaker for b in held})
    ]
    at: dict[str, tuple[str, int]] = {}
    for facts in seen:
        for number, value in enumerate(facts.frames):
            at.setdefault(value, (facts.clip, number))
    for facts in held:
        for source, places, sources in _stretches(facts.frames, at):
            text = (
                f"{_range(places)} of {facts.clip!r} to test {_are(places)} "
                f"{_range(sources).lower()} of {source!r} to train"
            )
            found.append(Overlap("frames", text))
    return found


def leaks_in_frames(hashes_train: Sequence[str], hashes_test: Sequence[str]) -> list[Overlap]:
    """What the held-out end of one clip repeats of its beginning.

    A still picture that lasts across the border is a note: its last copies hold nothing to learn the rest from. Every
    other repeated frame is a leak, and so is a still picture that fills the held-out part.

    Args:
        hashes_train: `frame_hash` of the training frames, from frame 0.
        hashes_test: of the held-out frames, which follow at once.
    """
    border = len(hashes_train)
    at: dict[str, tuple[str, int]] = {}
    for number, value in enumerate(hashes_train):
        at.setdefault(value, ("", number))
    still = _copies(hashes_test, hashes_train[-1]) if hashes_train else 0
    found = []
    if still:
        before = _copies(hashes_train[::-1], hashes_train[-1])
        numbers = range(border - before, border + still)
        text = f"{_range(numbers)} are one still picture across the border at frame {border}"
        if still == len(hashes_test):
            found.append(Overlap("frames", f"{text}, which fills the held-out part"))
        else:
            found.append(Overlap("frozen", text))
    for _, places, sources in _stretches(hashes_test, at, start=still):
        places = range(places.start + border, places.stop + border)
        text = f"Held-out {_range(places).lower()} {_are(places)} training {_range(sources).lower()}"
        found.append(Overlap("frames", text))
    return found


def _copies(frames: Sequence[str], picture: str) -> int:
    """How many frames at the beginning are this picture."""
    return next((number for number, value in enumerate(frames) if value != picture), len(frames))


def _stretches(
    frames: Sequence[str], at: dict[str, tuple[str, int]], start: int = 0
) -> list[tuple[str, range, range]]:
    """Runs of frames that are known, as (clip they are known from, their numbers here, their numbers there).

    A run goes on as long as the numbers there go on as here, or stand still as copies of one frame do.
    """
    runs: list[tuple[str, range, range]] = []
    for number in range(start, len(frames)):
        place = at.get(frames[number])
        if place is None:
            continue
        clip, there = place
        if runs:
            last, here, known = runs[-1]
            if last == clip and here.stop == number and known.stop - 1 <= there <= known.stop:
                runs[-1] = (clip, range(here.start, number + 1), range(known.start, there + 1))
                continue
        runs.append((clip, range(number, number + 1), range(there, there + 1)))
    return runs


def leaks_in_manifest(manifest: Manifest) -> list[str]:
    """What is wrong with the named splits of a manifest, one sentence each; empty when nothing is."""
    splits = sorted({split for row in manifest.rows for split in row.parts})
    return [overlap.text for split in splits for overlap in check_split(manifest, split)]


def split_leaks(folder: Path) -> list[str]:
    """`leaks_in_manifest` of the manifest of a folder of prepared clips; nothing where it has none.

    Raises:
        ConfigError: the manifest does not read.
    """
    path = folder / MANIFEST
    return leaks_in_manifest(read_manifest(path)) if path.is_file() else []


def check_split(manifest: Manifest, split: str) -> list[Overlap]:
    """Speakers, and moments of one raw video, that are in two parts of a named split.

    Raises:
        UnknownName: no row is in it.
    """
    rows = [row for row in manifest.rows if split in row.parts]
    if not rows:
        known = sorted({name for row in manifest.rows for name in row.parts})
        raise UnknownName(f"No clip is in a split {split!r}", hint=f"Known are {', '.join(known) or 'none'}")
    return _shared_speakers(rows, split) + _shared_moments(rows, split)


def _shared_speakers(rows: list[ClipRow], split: str) -> list[Overlap]:
    clips: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        clips[row.speaker][row.parts[split]].append(row.id)
    return [
        Overlap(
            "speaker",
            f"Split {split!r}: speaker {who!r} is in "
            + " and in ".join(f"{part} ({_names(ids)})" for part, ids in sorted(parts.items())),
        )
        for who, parts in sorted(clips.items())
        if len(parts) > 1
    ]


def _shared_moments(rows: list[ClipRow], split: str) -> list[Overlap]:
    # By name and by address: one video may be listed under two names.
    videos: dict[str, list[ClipRow]] = defaultdict(list)
    for row in rows:
        for name in {row.video, row.url} - {""}:
            videos[name].append(row)
    found: dict[tuple[str, str], Overlap] = {}
    for same in videos.values():
        for a, b in _same_moments(same):
            if a.parts[split] != b.parts[split]:
                text = (
                    f"Split {split!r}: {a.id!r} in {a.parts[split]} and {b.id!r} in {b.parts[split]} "
                    f"cover the same moments of one video"
                )
                found[a.id, b.id] = Overlap("interval", text)
    return [found[pair] for pair in sorted(found)]


def _same_moments(rows: list[ClipRow]) -> Iterator[tuple[ClipRow, ClipRow]]:
    """All pairs that cover the same moments, each in the order of ids."""
    order = sorted(rows, key=lambda row: row.start)
    for place, first in enumerate(order):
        for second in order[place + 1 :]:
            if first.end is not None and second.start >= first.end:
                break  # so do all later ones
            yield (first, second) if first.id < second.id else (second, first)


def _names(clips: Iterable[str]) -> str:
    return ", ".join(sorted(set(clips)))


def _range(numbers: range) -> str:
    return f"Frame {numbers[0]}" if len(numbers) == 1 else f"Frames {numbers[0]}-{numbers[-1]}"


def _are(numbers: range) -> str:
    return "is" if len(numbers) == 1 else "are"
