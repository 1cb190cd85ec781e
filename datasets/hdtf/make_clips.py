"""Make clips.csv, one row a clip, from the five text files a subset that the authors of HDTF published.

    python datasets/hdtf/make_clips.py HDTF_dataset --out datasets/hdtf/clips.csv

HDTF_dataset is that folder of https://github.com/MRzzm/HDTF. README.md says what is odd in the files.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any

from t2m_bench.core.card import DatasetCard, read_card
from t2m_bench.core.errors import ConfigError, MissingData, T2MError
from t2m_bench.data.hdtf import speaker_of
from t2m_bench.data.manifest import ClipRow, write_manifest

SUBSETS = ("RD", "WDA", "WRA")
NAMED_SUBSETS = ("WDA", "WRA")
"""Where a video's name is that of a person; RD only counts its videos."""
USUAL_HEIGHTS = (720, 1080)
TEST_SHARE = VAL_SHARE = 0.1
PAPER_CLIPS, PAPER_HOURS = 362, 15.8

Window = tuple[int, int, int, int]
"""x, y, width, height."""


@dataclass(frozen=True)
class Subset:
    """What the five files of one subset say."""

    name: str
    urls: Mapping[str, str]
    """By video, all of them."""
    intervals: Mapping[str, list[tuple[float, float]]]
    """By video, in seconds; the number of an interval is that of its clip."""
    heights: Mapping[str, int]
    """By video: height of the picture in which windows were measured."""
    windows: Mapping[str, Window]
    """By clip, named `<video>_<number>`."""
    zooms: Mapping[str, float]
    """By clip."""

    @property
    def videos(self) -> list[str]:
        """Names of all videos, with or without intervals."""
        return sorted({*self.urls, *self.intervals, *self.heights})


def read_subset(folder: Path, name: str) -> Subset:
    """Read the five files of a subset.

    Raises:
        MissingData: a file is missing.
        ConfigError: a line does not read; names the file, the line and the word.
    """
    times = _Table(folder / f"{name}_annotion_time.txt")
    intervals = {
        video: [times.interval(video, word) for word in words] for video, words in times.rows.items()
    }
    heights = _Table(folder / f"{name}_resolution.txt")
    urls = _Table(folder / f"{name}_video_url.txt")
    windows = _Table(folder / f"{name}_crop_wh.txt")
    zooms = _Table(folder / f"{name}_crop_ratio.txt")
    known = {f"{video}_{number}" for video, found in intervals.items() for number in range(len(found))}
    for table in (windows, zooms):
        for clip in table.rows:
            if clip not in known:
                raise ConfigError(f"{table.place(clip)}: {clip!r} has no interval in {times.path.name}")
    return Subset(
        name=name,
        urls={video: plain_url(urls.words(video, 1)[0]) for video in urls.rows},
        intervals=intervals,
        heights={video: int(heights.numbers(video, 1)[0]) for video in heights.rows},
        windows={clip: _window(windows.numbers(clip, 4)) for clip in windows.rows},
        zooms={clip: zooms.numbers(clip, 1)[0] for clip in zooms.rows},
    )


def _window(numbers: list[float]) -> Window:
    # The columns are `min_width | width | min_height | height`: an offset and an extent by axis, x first.
    x, width, y, height = (int(number) for number in numbers)
    return x, y, width, height


class _Table:
    """A text file of words: a name, with or without `.mp4`, and values. Trailing blanks do not matter."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, list[str]] = {}
        self._lines: dict[str, int] = {}
        try:
            text = path.read_text(encoding="utf-8-sig")  # a byte-order mark would hide the first row
        except FileNotFoundError as error:
            raise MissingData(f"There is no {path}", hint="Name the folder HDTF_dataset of HDTF") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is no UTF-8 text ({error})") from error
        for number, line in enumerate(text.splitlines(), 1):
            name, *words = line.split() or [""]
            name = name.removesuffix(".mp4")
            if name in self.rows:
                raise ConfigError(f"{path}, line {number}: a second row of {name!r}")
            if name:
                self.rows[name], self._lines[name] = words, number

    def place(self, name: str) -> str:
        """File and line of a row, for errors."""
        return f"{self.path}, line {self._lines[name]}"

    def words(self, name: str, count: int) -> list[str]:
        """The values of a row, which must be so many."""
        found = self.rows[name]
        if len(found) != count:
            raise ConfigError(f"{self.place(name)}: {len(found)} values of {name!r} instead of {count}")
        return found

    def numbers(self, name: str, count: int) -> list[float]:
        """The values of a row as numbers."""
        try:
            return [float(word) for word in self.words(name, count)]
        except ValueError as error:
            raise ConfigError(f"{self.place(name)}: {error}") from error

    def interval(self, name: str, word: str) -> tuple[float, float]:
        """`00:20-01:35` in seconds."""
        start, dash, end = word.partition("-")
        try:
            found = seconds(start), seconds(end)
        except ValueError as error:
            raise ConfigError(f"{self.place(name)}: {word!r} is no interval ({error})") from error
        if not dash or found[1] <= found[0]:
            raise ConfigError(f"{self.place(name)}: {word!r} does not end after it starts")
        return found


def seconds(text: str) -> float:
    """The seconds in `ss`, `mm:ss` (minutes may exceed 59) or `h:mm:ss`.

    Raises:
        ValueError: it is none of these.
    """
    match = re.fullmatch(r"(?:(?:(\d+):(?=\d{1,2}:))?(\d+):)?(\d{1,2}(?:\.\d+)?)", text)
    if match is None:
        raise ValueError(f"{text!r} is no time")
    hours, minutes, rest = int(match[1] or 0), int(match[2] or 0), float(match[3])
    if rest >= 60 or (match[1] and minutes >= 60):
        raise ValueError(f"{text!r} is no time")
    return 3600.0 * hours + 60.0 * minutes + rest


def plain_url(url: str) -> str:
    """The address without a start time, so that two rows of one video have one address."""
    match = re.fullmatch(r"(https?://www\.youtube\.com/watch\?)(?:\S*&)?(v=[\w-]+)(?:&\S*)?", url)
    return match[1] + match[2] if match else url


def clip_rows(subsets: Iterable[Subset], license_text: str) -> list[ClipRow]:
    """One row for each interval, with what is odd about it in its note."""
    known = list(subsets)
    speakers = _speakers(known)
    parts = _parts(known, speakers)
    rows = []
    for subset in known:
        for video, intervals in subset.intervals.items():
            name = f"{subset.name}_{video}"
            for number, (start, end) in enumerate(intervals):
                window, note = _placed_window(subset, video, number)
                rows.append(
                    ClipRow(
                        id=f"{name}_{number:03d}",
                        subset=subset.name,
                        speaker=speakers[name],
                        language="en",
                        video=name,
                        url=subset.urls.get(video, ""),
                        start=start,
                        end=end,
                        zoom=subset.zooms.get(f"{video}_{number}", 1.0),
                        splits=_splits(subset.name, parts[speakers[name]]),
                        license=license_text,
                        note=note,
                        **window,
                    )
                )
    return _with_overlaps(rows)


def _placed_window(subset: Subset, video: str, number: int) -> tuple[dict[str, Any], str]:
    """The cells of a clip's window, none where it cannot be placed, and what is odd."""
    window = subset.windows.get(f"{video}_{number}")
    picture = subset.heights.get(video, 0)
    odd = f"picture height {picture} is unusual" if picture and picture not in USUAL_HEIGHTS else ""
    if window is None:
        return {}, "; ".join(filter(None, ["no window", odd]))
    x, y, width, height = window
    shown = f"x {x} y {y} {width}x{height}"
    if picture <= 0:
        return {}, f"window left out: {shown} in a picture of unknown height"
    if x < 0 or y < 0 or y + height > picture:
        return {}, f"window left out: {shown} does not fit a picture {picture} high"
    cells = {"x": x, "y": y, "width": width, "height": height, "reference_height": picture}
    return cells, odd


def _speakers(subsets: list[Subset]) -> dict[str, str]:
    """By `<subset>_<video>`, who speaks: the person in the name, and one person where two names share an address."""
    speakers = {
        f"{subset.name}_{video}": speaker_of(f"{subset.name}_{video}_000")
        for subset in subsets
        for video in subset.videos
    }
    at: dict[str, list[str]] = defaultdict(list)
    for subset in subsets:
        for video, url in subset.urls.items():
            at[url].append(f"{subset.name}_{video}")
    for names in at.values():
        same = {speakers[name] for name in names}
        speakers = {name: min(same) if who in same else who for name, who in speakers.items()}
    return speakers


def _parts(subsets: list[Subset], speakers: Mapping[str, str]) -> dict[str, str]:
    """By speaker, train, val or test: about the same shares in each subset, whatever the order of the files."""
    parts: dict[str, str] = {}
    for subset in subsets:
        here = {speakers[f"{subset.name}_{video}"] for video, found in subset.intervals.items() if found}
        order = sorted(here - set(parts), key=lambda who: sha256(f"speakers:{who}".encode()).digest())
        test = round(len(order) * TEST_SHARE)
        val = test + round(len(order) * VAL_SHARE)
        for place, who in enumerate(order):
            parts[who] = "test" if place < test else "val" if place < val else "train"
    return parts


def _splits(subset: str, part: str) -> str:
    return f"speakers:{part} named:{part}" if subset in NAMED_SUBSETS else f"speakers:{part}"


def _with_overlaps(rows: list[ClipRow]) -> list[ClipRow]:
    """The rows, with a note where two cover the same moments of one video."""
    videos: dict[str, list[ClipRow]] = defaultdict(list)
    for row in rows:
        videos[row.url or row.video].append(row)
    notes: dict[str, list[str]] = defaultdict(list)
    for same in videos.values():
        for a, b in combinations(same, 2):
            if a.start < (b.end or 0.0) and b.start < (a.end or 0.0):
                notes[a.id].append(f"overlaps {b.id}")
                notes[b.id].append(f"overlaps {a.id}")
    return [
        row.model_copy(update={"note": "; ".join(filter(None, [row.note, *notes[row.id]]))}) for row in rows
    ]


def summary(subsets: list[Subset], rows: list[ClipRow]) -> str:
    """What was found, in lines to print."""
    silent = [f"{s.name}_{video}" for s in subsets for video in s.videos if not s.intervals.get(video)]
    shown = [row for row in rows if row.has_window]
    parts = Counter(row.parts["speakers"] for row in rows)
    return "\n".join(
        [
            f"{sum(len(s.videos) for s in subsets)} videos, {len({row.speaker for row in rows})} speakers",
            f"{len(rows)} clips, {_hours(rows):.2f} h; the paper says {PAPER_CLIPS} clips, {PAPER_HOURS} h",
            f"{len(shown)} clips with a window, {_hours(shown):.2f} h",
            f"no interval: {', '.join(silent) or 'none'}",
            f"speakers: {', '.join(f'{parts[part]} clips {part}' for part in ('train', 'val', 'test'))}",
            *(f"{row.id}: {row.note}" for row in sorted(rows, key=lambda row: row.id) if row.note),
        ]
    )


def _hours(rows: Iterable[ClipRow]) -> float:
    return sum((row.end or 0.0) - row.start for row in rows) / 3600


def main(arguments: list[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(description="Make clips.csv from the annotation files of HDTF.")
    parser.add_argument(
        "annotations", type=Path, metavar="ANNOTATIONS_DIR", help="folder of the 15 text files"
    )
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args(arguments)
    try:
        card = read_card(DatasetCard, Path(__file__).with_name("dataset.toml"))
        subsets = [read_subset(options.annotations, name) for name in SUBSETS]
        rows = clip_rows(subsets, card.license)
        write_manifest(options.out, rows)
    except T2MError as error:
        parser.exit(error.exit_code, f"{error}\n")
    print(summary(subsets, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
