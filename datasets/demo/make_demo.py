"""Make the demo clips: two invented people who say a few sentences, with the truth about every frame.

    python datasets/demo/make_demo.py --out datasets/demo/clips
    python datasets/demo/make_demo.py --out /tmp/demo --timing datasets/demo/clips/demo_en.phonemes.json

The first form needs espeak-ng (`apt install espeak-ng`); the second takes speech and timing from files made before.
Nothing here is a recording of anybody.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from motion import Temper, frame_states
from numpy.typing import NDArray
from people import AMBER, BO, Person
from scene import CAMERA, FOCAL, FOV_DEG, PIVOT, SIZE, FrameState, Scene
from speech import FPS, Timing, read_timing, synthesize

from t2m_bench.core.atomic import atomic_path, write_text
from t2m_bench.core.track import Track
from t2m_bench.tracking.ear import eye_aspect_ratio

GRAIN = np.array([8.0, 8.0, 2.0])
"""Steps a pixel in which x, y and z of the landmarks are kept."""
NOTE = "Synthetic: computer-generated head and espeak-ng voice, made by t2m-bench. No real person is shown or heard."


@dataclass(frozen=True)
class Script:
    """One clip to make."""

    clip: str
    person: Person
    temper: Temper
    voice: str
    pace: int
    text: str
    script: str
    seed: int


ENGLISH = (
    "Hello, my name is Amber, and both my face and my voice were made by a computer. "
    "Please move the big blue book above the warm stove. "
    "Far away in a quiet bay, five brown boats wait for a few more people. "
    "We meet by the park at half past four."
)
PINYIN = (
    "ni3 hao3, wo3 jiao4 xiao3 bo2, wo3 de5 lian3 he2 sheng1 yin1 dou1 shi4 dian4 nao3 zuo4 de5. "
    "ma1 ma5 mai3 le5 bai2 pu2 tao5, ba4 ba5 pao4 le5 yi4 hu2 re4 cha2. "
    "ming2 tian1 wo3 men5 yi4 qi3 qu4 gong1 yuan2 pao3 bu4, fu4 jin4 you3 yi2 pian4 lü4 se4 de5 hu2."
)
HANZI = (
    "你好，我叫小伯，我的脸和声音都是电脑做的。妈妈买了白葡萄，爸爸泡了一壶热茶。"
    "明天我们一起去公园跑步，附近有一片绿色的湖。"
)
SCRIPTS = (
    Script("demo_en", AMBER, Temper(4.6, 2.6, 2.3, 0.28, 0.62), "en-us+f3", 186, ENGLISH, ENGLISH, 11),
    Script("demo_cmn", BO, Temper(5.4, 2.8, 2.0, 0.30, 0.50), "cmn-latn-pinyin+m3", 176, PINYIN, HANZI, 23),
)


def pose_matrix(state: FrameState) -> NDArray[np.float64]:
    """Rigid canonical head to camera [4, 4], OpenCV axes, decimetres."""
    flip = np.diag([1.0, -1.0, -1.0])
    matrix = np.eye(4)
    matrix[:3, :3] = flip @ state.rotation
    matrix[:3, 3] = 0.1 * flip @ (PIVOT - state.rotation @ PIVOT + state.shift - CAMERA)
    return matrix


def project(points: NDArray[np.float64], pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project head points [N, 3] (cm) to pixels [N, 3]; z is relative to the head's origin and scaled like x."""
    camera = 0.1 * points @ pose[:3, :3].T + pose[:3, 3]
    scale = FOCAL / camera[:, 2:]
    depth = (camera[:, 2:] - pose[2, 3]) * FOCAL / pose[2, 3]
    return np.concatenate([camera[:, :2] * scale + SIZE / 2, depth], 1)


def make_track(scene: Scene, states: list[FrameState]) -> Track:
    """Collect the truth about every frame. Landmarks are rounded to `1 / GRAIN` px to keep the file small."""
    poses = np.stack([pose_matrix(state) for state in states])
    points = np.stack(
        [project(scene.landmarks(state), pose) for state, pose in zip(states, poses, strict=True)]
    )
    return Track(
        landmarks=(np.round(points * GRAIN) / GRAIN).astype(np.float32),
        blendshapes=np.stack([state.blendshapes for state in states]).astype(np.float32),
        pose=poses.astype(np.float32),
        ear=np.round(eye_aspect_ratio(points[..., :2]), 4).astype(np.float32),
        box=np.concatenate([points[..., :2].min(1), points[..., :2].max(1)], 1).astype(np.float32),
        valid=np.ones(len(states), np.bool_),
        size=(SIZE, SIZE), fps=float(FPS), fov_deg=FOV_DEG, source="ground-truth",
    )  # fmt: skip


def save_track(track: Track, path: Path) -> None:
    """Write a track as `Track.save` does, packed tighter: bzip2, and landmarks with time running fastest.

    `Track.load` reads it like any other; the file is less than a third as long, and the same for the same track.
    """
    with atomic_path(path) as temporary:
        track.save(temporary)
        with np.load(temporary) as plain:
            arrays = {name: plain[name] for name in plain.files}
        with zipfile.ZipFile(temporary, "w") as file:
            for name, array in arrays.items():
                # A fixed date: the same numbers give the same bytes on another day.
                entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_BZIP2
                with file.open(entry, "w") as member:
                    np.lib.format.write_array(member, np.asfortranarray(array) if array.ndim == 3 else array)


def write_video(
    path: Path, frames: list[NDArray[np.uint8]], samples: NDArray[np.int16], rate: int, title: str
) -> None:
    """Encode H.264 (yuv420p, constant rate) with mono AAC, saying in the file that it is synthetic."""
    with (
        atomic_path(path) as temporary,
        av.open(str(temporary), "w", options={"movflags": "+faststart"}) as container,
    ):
        container.metadata.update({"title": title, "comment": NOTE, "artist": "t2m-bench"})
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = SIZE, SIZE, "yuv420p"
        video.codec_context.color_range, video.codec_context.colorspace = (
            1,
            6,
        )  # limited range, BT.601: what is written
        video.options = {"crf": "22", "preset": "veryslow", "x264-params": "psy-rd=0.5:threads=1"}
        audio = container.add_stream("aac", rate=rate, layout="mono")
        audio.bit_rate = 32_000
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        # A first time of 0 makes the encoder's warm-up negative, and the muxer cut it away: picture and sound in step.
        sound.sample_rate, sound.time_base, sound.pts = rate, Fraction(1, rate), 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def read_audio(path: Path, rate: int, samples: int) -> NDArray[np.int16]:
    """Decode a file's audio to mono [samples] at `rate`."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        parts = [
            out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)
        ]
    sound = np.concatenate(parts)[:samples]
    return np.pad(sound, (0, samples - len(sound))).astype(np.int16)


def make_clip(script: Script, out: Path, timing: Timing, samples: NDArray[np.int16]) -> None:
    """Draw and write one clip and what is known about it."""
    scene = Scene(script.person, script.seed)
    states = frame_states(timing, script.temper, script.seed)
    out.mkdir(parents=True, exist_ok=True)
    save_track(make_track(scene, states), out / f"{script.clip}.track.npz")
    frames = []
    for index, state in enumerate(states):
        frames.append(scene.render(state))
        if index % 50 == 49:
            print(f"{script.clip}: {index + 1}/{len(states)} frames", file=sys.stderr, flush=True)
    title = f"t2m-bench demo clip {script.clip} (synthetic)"
    write_video(out / f"{script.clip}.mp4", frames, samples, timing.sample_rate, title)
    write_text(out / f"{script.clip}.phonemes.json", timing.to_json())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips")
    parser.add_argument("--clip", choices=[script.clip for script in SCRIPTS], help="make just this one")
    parser.add_argument(
        "--timing", type=Path, help="a .phonemes.json made before: espeak-ng is not needed then"
    )
    parser.add_argument("--audio", type=Path, help="speech for --timing (default: the .mp4 beside it)")
    given = parser.parse_args(arguments)
    known = read_timing(given.timing) if given.timing else None
    wanted = known.clip if known else given.clip
    for script in SCRIPTS:
        if wanted not in (None, script.clip):
            continue
        if known is None:
            timing, samples = synthesize(script.clip, script.text, script.voice, script.pace, script.script)
        else:
            source = given.audio or given.timing.with_name(f"{known.clip}.mp4")
            timing, samples = known, read_audio(source, known.sample_rate, known.samples)
        make_clip(script, given.out, timing, samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
