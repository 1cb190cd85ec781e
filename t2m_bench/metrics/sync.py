"""LSE-D, LSE-C and the offset of picture and sound, as published (`legacy`) and without its losses (`strict`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import Measured, Observed
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics import sync_legacy, sync_strict
from t2m_bench.metrics.sync_curves import Seen, Track, by_frame, confidence_of, offset_of, unpack
from t2m_bench.metrics.sync_infos import (
    AV_OFFSET_LEGACY,
    AV_OFFSET_STRICT,
    LSE_C_LEGACY,
    LSE_C_STRICT,
    LSE_D_LEGACY,
    LSE_D_STRICT,
    LSE_D_STRICT_ZERO,
)
from t2m_bench.metrics.sync_legacy import SyncNetLegacy
from t2m_bench.metrics.sync_strict import SyncNetStrict
from t2m_bench.metrics.syncnet import SHIFTS


class LseDistanceLegacy:
    """`lse_d@legacy`: the mean over tracks, as one takes it over the lines that the public script writes."""

    info = LSE_D_LEGACY

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Least mean distance; a frame's is that at the shift of its track.

        Raises:
            MetricError: the pipeline would drop the video.
        """
        tracks = _legacy_tracks(prediction)
        curves = [track.curve for track in tracks]
        per_frame = by_frame(tracks, [int(np.argmin(curve)) for curve in curves], prediction.frames)
        return _legacy(tracks, float(np.mean([curve.min() for curve in curves])), per_frame)


class LseConfidenceLegacy:
    """`lse_c@legacy`: the mean over tracks."""

    info = LSE_C_LEGACY

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Median minus least mean distance.

        Raises:
            MetricError: the pipeline would drop the video.
        """
        tracks = _legacy_tracks(prediction)
        return _legacy(tracks, float(np.mean([confidence_of(track.curve) for track in tracks])))


class OffsetLegacy:
    """`av_offset@legacy`: of the longest track, for a mean of offsets is none."""

    info = AV_OFFSET_LEGACY

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Frames by which the sound is ahead.

        Raises:
            MetricError: the pipeline would drop the video.
        """
        tracks = _legacy_tracks(prediction)
        return _legacy(tracks, float(offset_of(_longest(tracks).curve)))


class LseDistanceStrict:
    """`lse_d@strict`: at the best shift, over all windows of all tracks."""

    info = LSE_D_STRICT

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Least mean distance.

        Raises:
            MetricError: no face is long and large enough, or the sound is too short.
        """
        tracks, curve = _strict(prediction)
        return _at(tracks, curve, int(np.argmin(curve)), prediction.frames)


class LseDistanceStrictZero:
    """`lse_d@strict.zero`: as the video plays."""

    info = LSE_D_STRICT_ZERO

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Mean distance without a shift.

        Raises:
            MetricError: as `lse_d@strict`.
        """
        tracks, curve = _strict(prediction)
        return _at(tracks, curve, SHIFTS, prediction.frames)


class LseConfidenceStrict:
    """`lse_c@strict`."""

    info = LSE_C_STRICT

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Median minus least mean distance.

        Raises:
            MetricError: as `lse_d@strict`.
        """
        tracks, curve = _strict(prediction)
        return Measured(confidence_of(curve), frames=_windows(tracks), facts=_facts(tracks, curve))


class OffsetStrict:
    """`av_offset@strict`."""

    info = AV_OFFSET_STRICT

    def summarise(self, prediction: Observed, reference: Observed | None, recipe: Recipe) -> Measured:
        """Frames by which the sound is ahead.

        Raises:
            MetricError: as `lse_d@strict`.
        """
        tracks, curve = _strict(prediction)
        return Measured(float(offset_of(curve)), frames=_windows(tracks), facts=_facts(tracks, curve))


def _legacy_tracks(observed: Observed) -> list[Track]:
    tracks, seen = unpack(observed.features[SyncNetLegacy.name])
    if not tracks:
        raise MetricError(
            _why_not(seen, sync_legacy.MIN_TRACK, sync_legacy.MIN_TRACK + 1, sync_legacy.MIN_SIDE)
        )
    return tracks


def _legacy(tracks: list[Track], value: float, per_frame: NDArray[np.float64] | None = None) -> Measured:
    offsets = {f"offset_of_track_{i}": float(offset_of(track.curve)) for i, track in enumerate(tracks)}
    facts = {"offset": float(offset_of(_longest(tracks).curve)), "tracks": float(len(tracks))}
    facts |= {"windows": float(_windows(tracks))} | (offsets if len(tracks) > 1 else {})
    return Measured(value, per_frame, frames=_windows(tracks), facts=facts)


def _longest(tracks: list[Track]) -> Track:
    return max(tracks, key=lambda track: len(track.distances))


def _strict(observed: Observed) -> tuple[list[Track], NDArray[np.float64]]:
    """The tracks, and the mean distance at each shift over all their windows, [31]."""
    tracks, seen = unpack(observed.features[SyncNetStrict.name])
    if not tracks:
        least = sync_strict.MIN_FRAMES
        raise MetricError(_why_not(seen, least, least, sync_strict.MIN_SIDE))
    rows = np.concatenate([track.distances for track in tracks]).astype(np.float64)
    return tracks, np.nanmean(rows, axis=0)


def _at(tracks: list[Track], curve: NDArray[np.float64], column: int, frames: int) -> Measured:
    per_frame = by_frame(tracks, [column] * len(tracks), frames)
    return Measured(float(curve[column]), per_frame, frames=_windows(tracks), facts=_facts(tracks, curve))


def _facts(tracks: list[Track], curve: NDArray[np.float64]) -> dict[str, float]:
    return {
        "offset": float(offset_of(curve)),
        "tracks": float(len(tracks)),
        "windows": float(_windows(tracks)),
    }


def _windows(tracks: list[Track]) -> int:
    return sum(len(track.distances) for track in tracks)


def _why_not(seen: Seen, shot: int, track: int, side: int) -> str:
    """Why a video has no track: the first reason that holds, by the least number of frames and pixels."""
    if not seen.with_face:
        return f"No face was found in any of the {seen.frames} frames that were looked at"
    if seen.soundless:
        return "The sound ends too early to be compared with the face"
    if seen.longest_shot < shot:
        return f"The longest shot has {seen.longest_shot} frames, at least {shot} are needed"
    if seen.detections < track:
        return f"The face was followed through {seen.detections} frames at most, at least {track} are needed"
    return f"The face is {seen.side:.0f} pixels large, more than {side} are needed"
