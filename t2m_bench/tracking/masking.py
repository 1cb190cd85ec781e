"""What a track may still tell when only the head pose is given away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from t2m_bench.core.track import Track
from t2m_bench.tracking.canonical import LANDMARKS, RIGID


def rigid_only(track: Track) -> Track:
    """The track with all that follows the expression removed: only what fixes the head pose is left.

    Landmarks that do not move with the skull are NaN, and so are the blendshapes, the EAR and the face box (its lower
    edge is the chin, which tells how far the mouth is open). The matte, whose outline shows the jaw, is dropped.
    Pose, the points of `canonical.RIGID` and `valid` stay.
    """
    moving = np.ones(LANDMARKS, dtype=np.bool_)
    moving[list(RIGID)] = False
    landmarks = track.landmarks.copy()
    landmarks[:, moving] = np.nan
    return replace(
        track,
        landmarks=landmarks,
        blendshapes=np.full_like(track.blendshapes, np.nan),
        ear=np.full_like(track.ear, np.nan),
        box=np.full_like(track.box, np.nan),
        matte=None,
    )
