"""What a speaker does besides speaking: head motion, blinks, gaze and brows, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mesh import Floats
from scene import GAZE, FrameState
from scipy.ndimage import gaussian_filter1d
from speech import FPS, Timing
from viseme import mouth_blendshapes

from t2m_bench.core.track import BLENDSHAPES

BLINKS = ((0.45, 1.0, 1.0, 0.55), (0.35, 0.95, 1.0, 0.65, 0.25), (0.25, 0.8, 1.0, 1.0, 0.6, 0.25))
"""Closure of the lids in the frames of a blink."""


@dataclass(frozen=True)
class Temper:
    """How lively a person is: degrees and centimetres of standard deviation."""

    yaw: float
    pitch: float
    roll: float
    shift: float
    brows: float


def frame_states(timing: Timing, temper: Temper, seed: int) -> list[FrameState]:
    """Animate a clip: one state a frame. Blendshapes are rounded to 1/1024, so that what is stored is what is drawn."""
    rng = np.random.default_rng(seed)
    values, tongue = mouth_blendshapes(timing)
    energy = gaussian_filter1d(np.array(timing.energy), 0.22 * FPS)
    lively = 0.45 + 0.75 * energy / energy.max()
    angles, shift = _head(timing, temper, lively, rng)
    accents = _accents(energy, rng)
    angles[:, 1] += 2.0 * temper.pitch / 3.0 * accents
    _blink(values, _blink_frames(timing, rng), rng)
    _look(values, angles, rng)
    _raise_brows(values, accents, temper, rng)
    values = np.round(np.clip(values, 0, 1) * 1024) / 1024
    return [FrameState(values[i], float(tongue[i]), turn(*angles[i]), shift[i]) for i in range(timing.frames)]


def turn(yaw: float, pitch: float, roll: float) -> Floats:
    """Rotation [3, 3] from degrees: yaw to image right, pitch down, roll anticlockwise as seen by the viewer."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def _wander(frames: int, seconds: float, rng: np.random.Generator) -> Floats:
    """Smooth noise [T] of standard deviation 1 that changes over about `seconds`."""
    pad = int(4 * seconds * FPS)
    noise = gaussian_filter1d(rng.standard_normal(frames + 2 * pad), seconds * FPS)[pad : pad + frames]
    return (noise - noise.mean()) / noise.std()


def _head(timing: Timing, temper: Temper, lively: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    n = timing.frames
    scale = (temper.yaw, temper.pitch, temper.roll)
    angles = np.stack(
        [a * (0.75 * _wander(n, 0.75, rng) + 0.5 * lively * _wander(n, 0.3, rng)) for a in scale], 1
    )
    shift = np.stack([temper.shift * s * _wander(n, 0.7, rng) for s in (1.0, 0.5, 1.2)], 1)
    return angles, shift


def _accents(energy: Floats, rng: np.random.Generator) -> Floats:
    """Bumps [T] at some of the loud syllables, at least 0.7 s apart."""
    bumps = np.zeros(len(energy))
    last = -FPS
    for i in range(2, len(energy) - 2):
        peak = energy[i] == energy[i - 2 : i + 3].max() and energy[i] > 0.55 * energy.max()
        if peak and i - last > 0.7 * FPS and rng.random() < 0.7:
            bumps[i] = rng.uniform(0.6, 1.0)
            last = i
    smooth = gaussian_filter1d(bumps, 0.11 * FPS)
    return smooth / max(float(smooth.max()), 1e-6)


def _blink_frames(timing: Timing, rng: np.random.Generator) -> list[int]:
    """First frames of the blinks, 2 to 4.6 s apart."""
    starts: list[int] = []
    at = int(rng.uniform(0.9, 1.8) * FPS)
    while at < timing.frames - 8:
        starts.append(at)
        at += int(rng.uniform(2.1, 4.4) * FPS)
    return starts


def _blink(values: Floats, starts: list[int], rng: np.random.Generator) -> None:
    for start in starts:
        shape = BLINKS[rng.integers(len(BLINKS))]
        for side in ("Left", "Right"):
            values[start : start + len(shape), BLENDSHAPES.index("eyeBlink" + side)] = shape


def _look(values: Floats, angles: Floats, rng: np.random.Generator) -> None:
    """Keep the eyes on the camera while the head turns, with a glance aside now and then."""
    n = len(values)
    yaw, pitch = -0.9 * np.radians(angles[:, 0]) / GAZE, 0.9 * np.radians(angles[:, 1]) / GAZE
    at = 0
    while at < n:
        hold = int(rng.uniform(0.5, 1.6) * FPS)
        away = rng.random() < 0.22
        yaw[at : at + hold] += rng.normal(0, 0.22 if away else 0.03)
        pitch[at : at + hold] += rng.normal(-0.05, 0.10) if away else rng.normal(0, 0.02)
        at += hold
    yaw, pitch = gaussian_filter1d(yaw, 0.8), gaussian_filter1d(pitch, 0.8)
    parts = {
        "LookOutLeft": yaw, "LookInLeft": -yaw, "LookInRight": yaw, "LookOutRight": -yaw,
        "LookUpLeft": pitch, "LookDownLeft": -pitch, "LookUpRight": pitch, "LookDownRight": -pitch,
    }  # fmt: skip
    for name, curve in parts.items():
        values[:, BLENDSHAPES.index("eye" + name)] = np.maximum(curve, 0)


def _raise_brows(values: Floats, accents: Floats, temper: Temper, rng: np.random.Generator) -> None:
    rise = np.clip(temper.brows * (accents + 0.22 * _wander(len(values), 0.8, rng)), 0, 0.9)
    frown = np.clip(0.25 * temper.brows * _wander(len(values), 0.9, rng) - 0.05, 0, 0.5) * (1 - rise)
    curves = {
        "browInnerUp": 0.5 * rise, "browOuterUpLeft": 0.8 * rise, "browOuterUpRight": 0.75 * rise,
        "browDownLeft": frown, "browDownRight": frown, "eyeWideLeft": 0.4 * rise, "eyeWideRight": 0.4 * rise,
        "eyeSquintLeft": 0.5 * frown, "eyeSquintRight": 0.5 * frown,
    }  # fmt: skip
    for name, curve in curves.items():
        values[:, BLENDSHAPES.index(name)] = curve
