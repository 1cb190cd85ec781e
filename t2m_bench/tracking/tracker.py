"""`track_clip`: everything the rest of the package knows about a face, in one pass over a video.

All of it comes from MediaPipe in IMAGE mode, where no frame sees another. Its VIDEO mode, which smooths over time, was
measured as a second source for the head pose (200 frames each of three filmed clips, camera of 20 degrees) and left
out: second differences of the rotation fall by 22 to 33% (1.1 to 1.6 degrees before), but the pose comes 0.1 to 0.25
frames late, rigid points land 45 to 55% further from where they are seen (1.8 to 2.4 pixels before), and each frame
costs 8 ms beside the 10 ms of IMAGE mode. On the two rendered demo clips, where the truth is known, it lags 0.7 to 1.2
frames; its depth is better (4.1 and 4.8 mm rms against 5.4 and 6.4), its rotation on the whole is not (0.89 and 0.99
degrees against 0.84 and 1.06). A Savitzky-Golay filter on the poses (`smoothing`) lowers the same second differences by
38 to 44%, has no lag, costs nothing, and brings the rotation nearer to the truth (0.81 and 1.02). It is off by default:
Talk2Me fits its poses to the landmarks anew, and smoothed poses were found to cost it up to 0.15 dB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.digest import digest_of, file_sha256
from t2m_bench.core.errors import NoFaceFound, TrackingError, UsageError
from t2m_bench.core.method import Reporter, SilentReporter
from t2m_bench.core.track import Track
from t2m_bench.media.announced import frame_rate
from t2m_bench.media.container import open_media, video_stream
from t2m_bench.media.video import iter_frames, write_gray
from t2m_bench.tracking import landmarks as face_landmarks
from t2m_bench.tracking import matting as selfie
from t2m_bench.tracking import rvm
from t2m_bench.tracking.cache import MATTE_FILE, default_cache, load_or_make
from t2m_bench.tracking.ear import eye_aspect_ratio
from t2m_bench.tracking.geometry import canonical_landmarks, focal_length, head_pose
from t2m_bench.tracking.landmarks import Detection, LandmarkDetector
from t2m_bench.tracking.matting import SelfieMatting
from t2m_bench.tracking.rvm import RvmMatting
from t2m_bench.tracking.smoothing import smooth_poses

Matting = Literal["selfie", "rvm", "none"]
Smoothing = Literal["none", "savgol"]

TRACKER_VERSION = 2
"""Raise it when the same video would give another track: cached tracks are then made anew."""
MAX_FACES = 4


def track_clip(
    video: Path,
    *,
    fov_deg: float = 20.0,
    matting: Matting = "selfie",
    smoothing: Smoothing = "none",
    cache: Path | None = None,
    max_invalid: float = 0.05,
    sha256: str | None = None,
    report: Reporter | None = None,
) -> Track:
    """Track the face, and cut out the person, in every frame of a video.

    Frames where no face is found carry the last good values (leading ones the first good) and are marked invalid.
    Of several faces the largest is followed. The result is cached by the content of everything it depends on.

    Args:
        video: the file.
        fov_deg: vertical field of view of the assumed camera, degrees.
        matting: `selfie` writes a 256x256 alpha video beside the track, `rvm` (Robust Video Matting) one of the video's
            own size, `none` leaves the matte out.
        smoothing: of the head pose over time: `savgol` is a filter over five frames without lag; landmarks,
            blendshapes and EAR stay as they were seen.
        cache: folder for results; the platform's cache folder (`T2M_HOME`) if None.
        max_invalid: largest share of frames without a face, 0 to 1.
        sha256: of the video file, if the caller knows it already.
        report: takes progress.

    Returns:
        A track with as many frames as the video decodes to.

    Raises:
        NoFaceFound: no frame shows a face.
        TrackingError: more than `max_invalid` of the frames show none.
        VideoError: the video cannot be decoded.
        AssetMissing, AssetError, DependencyError: a model or library is missing.
        OutputError: the cache cannot be written.
    """
    for kind, name, known in (("matting", matting, Matting), ("smoothing", smoothing, Smoothing)):
        if name not in get_args(known):
            raise UsageError(f"Unknown {kind} '{name}'", hint=f"Known are {', '.join(get_args(known))}")
    focal_length((1, 1), fov_deg)  # refuses an impossible angle before any work is done
    report = report or SilentReporter()
    video = Path(video)
    key = _key(sha256 or _video_sha256(video), fov_deg, matting, smoothing)
    folder = (cache or default_cache()) / key

    def make(new: Path) -> Track:
        return _track(video, new, _Settings(fov_deg, matting, smoothing), report)

    track = load_or_make(folder, make)
    _check_share(video, track.valid, max_invalid)
    return track


def _video_sha256(video: Path) -> str:
    with open_media(video):  # says in one sentence what is wrong with a file that is no video
        return file_sha256(video)


@dataclass(frozen=True)
class _Settings:
    """What a caller chose."""

    fov_deg: float
    matting: Matting
    smoothing: Smoothing


_MATTING_ASSETS: dict[str, str] = {"selfie": selfie.ASSET, "rvm": rvm.ASSET}


def _key(video_sha256: str, fov_deg: float, matting: Matting, smoothing: Smoothing) -> str:
    models = [face_landmarks.ASSET] + ([_MATTING_ASSETS[matting]] if matting != "none" else [])
    facts = {
        "video": video_sha256,
        "models": [_model_sha256(name) for name in models],
        "mediapipe": _mediapipe_version(),
        "fov_deg": float(fov_deg),
        "matting": matting,
        "version": TRACKER_VERSION,
    }
    if smoothing != "none":  # tracks from before there was a choice keep their key
        facts["smoothing"] = smoothing
    return digest_of(facts, length=32)


def _model_sha256(name: str) -> str:
    """Of the published file, which need not be here for its tracks to be read; else of the file at hand."""
    return assets.get(name).sha256 or file_sha256(assets.resolve(name))


def _mediapipe_version() -> str:
    try:
        return version("mediapipe")
    except PackageNotFoundError:
        return "absent"


@dataclass
class _Pass:
    """One walk over the frames: what has been seen so far."""

    report: Reporter
    found: list[Detection | None] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    crowded: int = 0
    last: Detection | None = None

    def mattes(
        self, video: Path, detector: LandmarkDetector, matting: SelfieMatting | RvmMatting | None
    ) -> Iterator[NDArray[np.uint8]]:
        """Look at each frame; yield its matte where there is matting."""
        for frame in iter_frames(video):
            self.size = (frame.shape[1], frame.shape[0])
            faces = detector.detect_all(frame)
            self.crowded += len(faces) > 1
            face = _followed(faces, self.last)
            self.found.append(face)
            self.last = face or self.last
            self.report.advance()
            if matting is not None:
                yield matting.matte(frame)


def _followed(faces: list[Detection], last: Detection | None) -> Detection | None:
    """The face that continues `last`; the largest at the start and where none overlaps it."""
    if not faces:
        return None
    if last is None or len(faces) == 1:
        return faces[0]
    return max(faces, key=lambda face: (_overlap(face.box, last.box), face.area))


def _overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    total = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - common
    return common / total if total > 0 else 0.0


def _track(video: Path, folder: Path, settings: _Settings, report: Reporter) -> Track:
    fps, expected = _rate_and_length(video)
    report.stage("tracking", expected)
    walk = _Pass(report)
    with ExitStack() as stack:
        detector = stack.enter_context(LandmarkDetector(num_faces=MAX_FACES))
        if settings.matting != "none":
            matter: SelfieMatting | RvmMatting = (
                SelfieMatting() if settings.matting == "selfie" else RvmMatting()
            )
            stack.enter_context(matter)
            write_gray(folder / MATTE_FILE, walk.mattes(video, detector, matter), fps)
        else:
            for _ in walk.mattes(video, detector, None):
                pass
    if walk.crowded:
        report.log(
            f"{video.name}: {walk.crowded} of {len(walk.found)} frames show several faces; one is followed"
        )
    return _assemble(video, walk, fps, settings, None if settings.matting == "none" else folder / MATTE_FILE)


def _rate_and_length(video: Path) -> tuple[float, int | None]:
    with open_media(video) as container:
        stream = video_stream(container, video)
        rate = frame_rate(stream)
        return float(rate or 25), int(stream.frames) or None


def _assemble(video: Path, walk: _Pass, fps: float, settings: _Settings, matte: Path | None) -> Track:
    valid = np.array([face is not None for face in walk.found], dtype=np.bool_)
    good = [face for face in walk.found if face is not None]
    if not good:
        raise NoFaceFound(
            f"No face was found in any of the {len(valid)} frames of {video}",
            hint="Use a clip where one face looks roughly at the camera and fills a fifth of the height or more",
        )
    pick = np.maximum(np.cumsum(valid) - 1, 0)  # the last good one; leading frames take the first
    points = np.stack([face.landmarks for face in good])
    focal = focal_length(walk.size, settings.fov_deg)
    seen_pose = head_pose(points, focal, walk.size)
    ear = eye_aspect_ratio(canonical_landmarks(points, seen_pose, focal, walk.size))
    pose = seen_pose[pick]
    if settings.smoothing == "savgol":
        pose = smooth_poses(pose, valid)
        pose[~valid] = pose[valid][pick][~valid]  # carried frames carry what their neighbours have become
    return Track(
        landmarks=points[pick],
        blendshapes=np.stack([face.blendshapes for face in good])[pick],
        pose=pose.astype(np.float32),
        ear=ear[pick].astype(np.float32),
        box=np.stack([face.box for face in good])[pick],
        valid=valid,
        size=walk.size,
        fps=fps,
        fov_deg=settings.fov_deg,
        source=_source(settings.smoothing),
        matte=matte,
    )


def _source(smoothing: Smoothing) -> str:
    model = assets.get(face_landmarks.ASSET)
    made = f"mediapipe {_mediapipe_version()} {model.file} {model.sha256[:12]} v{TRACKER_VERSION}"
    return made if smoothing == "none" else f"{made} {smoothing}"


def _check_share(video: Path, valid: NDArray[np.bool_], max_invalid: float) -> None:
    lost = int((~valid).sum())
    if lost <= max_invalid * len(valid):
        return
    start, stop = longest_gap(valid)
    gap = f"frame {start}" if stop == start + 1 else f"frames {start} to {stop - 1}"
    raise TrackingError(
        f"{video}: face lost in {lost} of {len(valid)} frames ({lost / len(valid):.0%}), at most {max_invalid:.0%} "
        f"may be; the longest gap is {gap}",
        hint="Cut the clip to a part where the face is seen",
    )


def longest_gap(valid: NDArray[np.bool_]) -> tuple[int, int]:
    """First frame and end (exclusive) of the longest run of invalid frames; (0, 0) where all are valid."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], valid, [True]]).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    if not len(runs):
        return 0, 0
    start, stop = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    return int(start), int(stop)
