"""LSE-D, LSE-C and the offset: what is made of distances, and why there may be none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metric_samples import recipe
from sync_samples import SIDE, Mimic, Voiced, levels_of, no_face, observed, speaker, still_face, voice

from t2m_bench.core.errors import AssetMissing, MetricError
from t2m_bench.core.method import SilentReporter
from t2m_bench.core.metric import Maker
from t2m_bench.media.video import VideoWriter
from t2m_bench.metrics import sync_legacy, sync_strict
from t2m_bench.metrics.catalog import metrics
from t2m_bench.metrics.reel import VideoReel
from t2m_bench.metrics.score import compare
from t2m_bench.metrics.store import FeatureStore
from t2m_bench.metrics.sync_curves import Seen, Track, pack, unpack
from t2m_bench.metrics.sync_legacy import SyncNetLegacy, sound_of
from t2m_bench.metrics.sync_strict import StrictExtractor, SyncNetStrict

STRICT = ("lse_d@strict", "lse_d@strict.zero", "lse_c@strict", "av_offset@strict")
LEGACY = ("lse_d@legacy", "lse_c@legacy", "av_offset@legacy")
MODELS = {"syncnet": "961e8696", "sfd_face": "d54a87c2"}


def _valley(count: int, shift: int, depth: float, first: int = 0, level: float = 10.0) -> Track:
    """Distances of `level` but at one shift, where they are `depth` less."""
    rows = np.full((count, 31), level, np.float32)
    rows[:, 15 + shift] -= depth
    return Track(first, count + 4, rows)


def _value(name: str, tracks: list[Track], seen: Seen | None = None, frames: int = 300) -> Any:
    feature = "syncnet_legacy" if "legacy" in name else "syncnet_strict"
    return (
        metrics()
        .get(name)
        .summarise(  # type: ignore[union-attr]
            observed(feature, pack(tracks, seen or Seen()), frames), None, recipe()
        )
    )


def test_the_numbers_of_one_track() -> None:
    track = _valley(120, -3, 4.0, first=10)
    for mode in ("legacy", "strict"):
        found = {name: _value(f"{name}@{mode}", [track]) for name in ("lse_d", "lse_c", "av_offset")}
        assert [found[name].value for name in found] == [6.0, 4.0, 3.0]
        assert found["lse_d"].facts == {"offset": 3.0, "tracks": 1.0, "windows": 120.0}
        per_frame = found["lse_d"].per_frame
        assert np.array_equal(np.flatnonzero(np.isfinite(per_frame)), np.arange(12, 132))
        assert np.nanmean(per_frame) == found["lse_d"].value and found["lse_d"].frames == 120
    assert _value("lse_d@strict.zero", [track]).value == 10.0


def test_several_tracks_are_lines_to_legacy_and_windows_to_strict() -> None:
    tracks = [_valley(120, 1, 4.0), _valley(40, 2, 2.0, first=130)]
    found = _value("lse_d@legacy", tracks)
    assert found.value == pytest.approx((6 + 8) / 2)
    assert found.facts["offset_of_track_0"] == -1 and found.facts["offset_of_track_1"] == -2
    assert _value("lse_c@legacy", tracks).value == pytest.approx((4 + 2) / 2)
    assert _value("av_offset@legacy", tracks).value == -1
    assert _value("lse_d@strict", tracks).value == pytest.approx(10 - 4 * 120 / 160)


def test_what_is_kept_comes_back() -> None:
    tracks, seen = [_valley(50, 0, 1.0), _valley(60, 3, 2.0, first=70)], Seen(7, 6, 5, 4, 3.5, 2)
    back, said = unpack(pack(tracks, seen))
    assert said == seen and [(t.first, t.frames) for t in back] == [(0, 54), (70, 64)]
    assert all(np.array_equal(a.distances, b.distances) for a, b in zip(back, tracks, strict=True))


@pytest.mark.parametrize(
    ("seen", "legacy", "strict"),
    [
        (
            Seen(200),
            "No face was found in any of the 200 frames that were looked at",
            "No face was found in any",
        ),
        (
            Seen(200, 200, 200, 200, 300.0, 1),
            "The sound ends too early to be compared",
            "The sound ends too early",
        ),
        (
            Seen(40, 40, 40, 40, 300.0),
            "The longest shot has 40 frames, at least 100 are",
            "at least 44 are needed",
        ),
        (
            Seen(200, 90, 200, 30, 300.0),
            "followed through 30 frames at most, at least 101 are",
            "at least 44 are",
        ),
        (
            Seen(200, 200, 200, 200, 60.0),
            "The face is 60 pixels large, more than 100 are",
            "more than 64 are",
        ),
    ],
)
def test_a_video_that_would_be_dropped_is_a_failure_with_its_reason(
    seen: Seen, legacy: str, strict: str
) -> None:
    for name in LEGACY + STRICT:
        with pytest.raises(MetricError, match=legacy if "legacy" in name else strict):
            _value(name, [], seen)


def test_another_frame_rate_is_refused() -> None:
    with pytest.raises(MetricError, match="SyncNet sees 25 frames a second, this video runs at 30"):
        sound_of(Voiced(np.zeros(9, np.float32), fps=30.0))  # type: ignore[arg-type]


def test_missing_models_are_told_with_the_command_that_fetches_them() -> None:
    for feature in (SyncNetLegacy(), SyncNetStrict()):
        with (
            pytest.raises(AssetMissing, match="t2m-bench assets fetch syncnet"),
            feature.open(recipe(assets=MODELS)),
        ):
            pass


def test_the_key_depends_on_all_that_decides_the_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    for feature, module, version in (
        (SyncNetLegacy(), sync_legacy, "LEGACY_VERSION"),
        (SyncNetStrict(), sync_strict, "STRICT_VERSION"),
    ):
        keys = [
            feature.key(recipe(assets=MODELS | change))
            for change in ({}, {"syncnet": "0" * 8}, {"sfd_face": "0" * 8})
        ]
        monkeypatch.setattr(module, version, 99)
        keys.append(feature.key(recipe(assets=MODELS)))
        monkeypatch.setattr(sync_legacy, "versions", lambda names: dict.fromkeys(names, "0"))
        keys.append(feature.key(recipe(assets=MODELS)))
        assert all(a != b for i, a in enumerate(keys) for b in keys[:i])
        monkeypatch.undo()


def _compared(path: Path, monkeypatch: pytest.MonkeyPatch, detect: Any) -> Any:
    @contextmanager
    def opened(self: SyncNetStrict, recipe: object) -> Iterator[Maker]:
        yield lambda reel: StrictExtractor(sound_of(reel), detect, Mimic())

    monkeypatch.setattr(SyncNetStrict, "open", opened)
    store = FeatureStore(path.parent / "features")
    return compare(VideoReel(path), None, recipe(assets=MODELS), SilentReporter(), store=store, names=STRICT)


def test_a_video_file_through_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = levels_of(60)
    for name, sound in (("speaks", voice(levels)), ("mute", None)):
        audio = None if sound is None else (sound, 16000)
        with VideoWriter(tmp_path / f"{name}.mkv", 25, (SIDE, SIDE), lossless=True, audio=audio) as video:
            for frame in speaker(levels):
                video.write(frame)
    found = _compared(tmp_path / "speaks.mkv", monkeypatch, still_face)
    assert not found.unavailable and found.values["av_offset@strict"].value == 0
    assert found.values["lse_d@strict"].value < 0.05 < found.values["lse_c@strict"].value
    again = _compared(tmp_path / "speaks.mkv", monkeypatch, no_face)  # it is kept: nobody looks again
    assert again.values == found.values
    mute = _compared(tmp_path / "mute.mkv", monkeypatch, still_face)
    assert set(mute.unavailable) == set(STRICT) and not mute.values
    assert all("mute.mkv has no sound" in why for why in mute.unavailable.values())
