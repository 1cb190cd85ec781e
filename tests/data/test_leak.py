"""The leak check: what is planted is told, and what is clean is not accused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_samples import picture, write_clip
from hypothesis import given
from hypothesis import strategies as st

from t2m_bench.core.errors import UnknownName
from t2m_bench.data.leak import (
    PartFacts,
    check_split,
    find_leaks,
    frame_hash,
    frame_hashes,
    leaks_in_frames,
    leaks_in_manifest,
)
from t2m_bench.data.manifest import Manifest, parse_manifest
from t2m_bench.data.subject import split_frames
from t2m_bench.media.video import iter_frames

HEADER = "id,speaker,language,video,url,start,end,splits"


def manifest(*lines: str) -> Manifest:
    return parse_manifest("\n".join([HEADER, *lines]), "m.csv")


def texts(train: str, test: str) -> list[tuple[str, str]]:
    """Findings of two parts of a clip, whose frames are letters."""
    return [(finding.kind, finding.text) for finding in leaks_in_frames(train, test)]


def test_a_hash_is_that_of_the_pixels_and_the_size() -> None:
    one = picture(1)
    assert frame_hash(one) == frame_hash(one.copy()) == frame_hash(np.asfortranarray(one))
    changed = one.copy()
    changed[3, 4, 1] ^= 1
    assert frame_hash(changed) != frame_hash(one)
    flat = np.zeros((4, 9, 3), np.uint8)
    assert frame_hash(flat) != frame_hash(flat.reshape(9, 4, 3))
    assert frame_hashes([one, changed, one]) == [frame_hash(one), frame_hash(changed), frame_hash(one)]


def test_clean_parts_have_no_findings() -> None:
    train = [PartFacts("a", "ann", "abc"), PartFacts("b", "bob")]
    assert find_leaks(train, [PartFacts("c", "carl", "def"), PartFacts("d", "dora")]) == []
    assert find_leaks([], []) == []


def test_a_planted_speaker_is_told() -> None:
    train = [PartFacts("a", "ann"), PartFacts("b", "bob"), PartFacts("b2", "bob")]
    (found,) = find_leaks(train, [PartFacts("c", "bob"), PartFacts("d", "dora")])
    assert found.kind == "speaker" and found.is_leak
    assert found.text == "Speaker 'bob' is in both parts: in b, b2 to train and in c to test"


def test_planted_frames_are_told_as_one_stretch() -> None:
    train = [PartFacts("a", "ann", "abcdef"), PartFacts("b", "bob", "ghi")]
    found = find_leaks(train, [PartFacts("c", "carl", "xcdeyi"), PartFacts("d", "dora", "zz")])
    assert [finding.text for finding in found] == [
        "Frames 1-3 of 'c' to test are frames 2-4 of 'a' to train",
        "Frame 5 of 'c' to test is frame 2 of 'b' to train",
    ]
    assert all(finding.kind == "frames" and finding.is_leak for finding in found)


def test_a_file_under_two_names_is_found_by_its_decoded_frames(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "one.mp4", frames=12)
    copy = tmp_path / "two.mp4"
    copy.write_bytes(video.read_bytes())
    other = write_clip(tmp_path / "other.mp4", frames=12, size=(80, 64))
    train = PartFacts("one", "ann", frame_hashes(iter_frames(video)))
    (found,) = find_leaks([train], [PartFacts("two", "nobody", frame_hashes(iter_frames(copy)))])
    assert found.text == "Frames 0-11 of 'two' to test are frames 0-11 of 'one' to train"
    assert find_leaks([train], [PartFacts("other", "bob", frame_hashes(iter_frames(other)))]) == []


def test_a_repeated_stretch_of_a_time_split_is_a_leak() -> None:
    assert texts("abcdef", "ghi") == []
    assert texts("abcdef", "gcdehi") == [("frames", "Held-out frames 7-9 are training frames 2-4")]
    assert texts("abcdef", "gah") == [("frames", "Held-out frame 7 is training frame 0")]
    assert texts("abcdef", "efg") == [("frames", "Held-out frames 6-7 are training frames 4-5")]
    assert texts("abcd", "xdcb") == [
        ("frames", "Held-out frame 5 is training frame 3"),
        ("frames", "Held-out frame 6 is training frame 2"),
        ("frames", "Held-out frame 7 is training frame 1"),
    ]


def test_a_still_picture_across_the_border_is_only_a_note() -> None:
    (found,) = leaks_in_frames("abccc", "ccdef")
    assert (found.kind, found.is_leak) == ("frozen", False)
    assert found.text == "Frames 2-6 are one still picture across the border at frame 5"


def test_a_still_picture_that_comes_back_or_fills_the_held_out_part_is_a_leak() -> None:
    assert texts("abc", "cdcce") == [
        ("frozen", "Frames 2-3 are one still picture across the border at frame 3"),
        ("frames", "Held-out frames 5-6 are training frame 2"),
    ]
    (found,) = leaks_in_frames("abc", "ccc")
    assert found.is_leak
    assert found.text == (
        "Frames 2-5 are one still picture across the border at frame 3, which fills the held-out part"
    )


def test_still_pictures_within_one_part_are_nothing() -> None:
    assert texts("aaabbb", "cccddd") == []
    assert texts("", "aab") == texts("aab", "") == []


@given(
    st.lists(st.integers(0, 6), max_size=20).map(tuple), st.lists(st.integers(0, 6), max_size=20).map(tuple)
)
def test_every_repeated_frame_is_told_once(train: tuple[int, ...], test: tuple[int, ...]) -> None:
    found = leaks_in_frames([str(value) for value in train], [str(value) for value in test])
    assert bool(found) == bool(set(train) & set(test))
    without_border = [finding for finding in found if "border" not in finding.text]
    still = 0
    while train and still < len(test) and test[still] == train[-1]:
        still += 1
    repeated = sum(value in train for value in test[still:])
    told = 0
    for finding in without_border:
        first, _, last = finding.text.split()[2].partition("-")
        told += int(last or first) - int(first) + 1
    assert told == repeated


@pytest.mark.parametrize("name", ["demo_en", "demo_cmn"])
def test_the_demo_clips_do_not_leak_in_time(demo_clips: Path, name: str) -> None:
    hashes = frame_hashes(iter_frames(demo_clips / f"{name}.mp4"))
    border = split_frames(len(hashes), 0.75)
    assert leaks_in_frames(hashes[:border], hashes[border:]) == []


def test_a_speaker_in_two_parts_of_a_manifest_is_told() -> None:
    found = manifest(
        "a,ann,en,v,,0,5,s:train t:train",
        "b,ann,en,w,,0,5,s:test t:train",
        "c,ann,en,x,,0,5,s:train",
        "d,bob,en,y,,0,5,s:test",
    )
    assert leaks_in_manifest(found) == ["Split 's': speaker 'ann' is in test (b) and in train (a, c)"]
    assert check_split(found, "t") == []
    (finding,) = check_split(found, "s")
    assert finding.kind == "speaker"


@pytest.mark.parametrize(
    "second",
    ["b,bob,en,v,,4,9,s:test", "b,bob,en,w,https://e.org/1,4,9,s:test", "b,bob,en,v,,,,s:test"],
)
def test_the_same_moments_of_a_video_in_two_parts_are_told(second: str) -> None:
    found = manifest("a,ann,en,v,https://e.org/1,0,5,s:train", second)
    assert leaks_in_manifest(found) == [
        "Split 's': 'a' in train and 'b' in test cover the same moments of one video"
    ]


def test_other_moments_and_other_parts_are_clean() -> None:
    found = manifest(
        "a,ann,en,v,,0,5,s:train", "b,ann,en,v,,4,9,s:train", "c,bob,en,v,,9,12,s:test", "d,ann,en,v,,0,5,"
    )
    assert leaks_in_manifest(found) == []


def test_an_unknown_split_says_which_there_are() -> None:
    with pytest.raises(UnknownName, match=r"No clip is in a split 'x'. Known are s."):
        check_split(manifest("a,ann,en,v,,0,5,s:train"), "x")
    with pytest.raises(UnknownName, match=r"Known are none."):
        check_split(manifest("a,ann,en,v,,0,5,"), "x")
