"""`Track`: what is known about the face in each frame of a clip."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.atomic import atomic_path
from t2m_bench.core.errors import ShapeError

Array = NDArray[np.float32]

TRACK_VERSION = 1


@dataclass(frozen=True)
class Track:
    """Per-frame facts of one clip. Arrays share their first axis T (frames).

    Landmarks follow MediaPipe's 478-point topology (468 mesh points, then 5 points an iris, the subject's right
    first), blendshapes its 52 names in order. Left and right are the subject's.
    """

    landmarks: Array
    """[T, 478, 3] float32: x and y in pixels of the clip's frame (y down), z in pixels too, smaller is nearer."""
    blendshapes: Array
    """[T, 52] float32 in [0, 1]; index 0 (`_neutral`) means nothing."""
    pose: Array
    """[T, 4, 4] float32: rigid canonical head to camera, OpenCV axes (x right, y down, z forward), decimetres.
    Canonical axes are x image right, y up, z toward the viewer."""
    ear: Array
    """[T, 2] float32: eye aspect ratio of the subject's right and left eye (Dewi et al. 2022)."""
    box: Array
    """[T, 4] float32: face box x0, y0, x1, y1 in pixels."""
    valid: NDArray[np.bool_]
    """[T] bool: False where no face was found and the last good values were carried on."""
    size: tuple[int, int]
    """Width and height of the frames in pixels."""
    fps: float
    """Frames per second."""
    fov_deg: float
    """Vertical field of view of the assumed camera, degrees."""
    source: str
    """What made it: detector name and model hash, or `ground-truth`."""
    matte: Path | None = None
    """Single-channel video of the person's alpha, one frame a clip frame, or None where nothing is to be cut out."""

    def __post_init__(self) -> None:
        frames = len(self.valid)
        for name, tail in (
            ("landmarks", (478, 3)),
            ("blendshapes", (52,)),
            ("pose", (4, 4)),
            ("ear", (2,)),
            ("box", (4,)),
        ):
            shape = getattr(self, name).shape
            if shape != (frames, *tail):
                want = ", ".join(map(str, ("T", *tail)))
                raise ShapeError(
                    f"track.{name} must have shape [{want}] with T = {frames}, got {list(shape)}"
                )

    def __len__(self) -> int:
        return len(self.valid)

    @property
    def focal(self) -> float:
        """Focal length in pixels: half the height over the tangent of half the vertical field of view."""
        return float(self.size[1] / 2 / np.tan(np.radians(self.fov_deg) / 2))

    def part(self, start: int, stop: int) -> Track:
        """The frames `start` to `stop` (exclusive). The matte is dropped: it belongs to the whole clip."""
        arrays = {name: getattr(self, name)[start:stop] for name in _ARRAYS}
        return replace(self, matte=None, **arrays)

    def save(self, path: Path) -> Path:
        """Write everything but the matte to one compressed `.npz` at `path`, atomically."""
        meta = {
            "version": TRACK_VERSION,
            "size": list(self.size),
            "fps": self.fps,
            "fov_deg": self.fov_deg,
            "source": self.source,
        }
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file, meta=np.array(json.dumps(meta)), **{name: getattr(self, name) for name in _ARRAYS}
            )
        return path

    @classmethod
    def load(cls, path: Path, *, matte: Path | None = None) -> Track:
        """Read what `save` wrote.

        Raises:
            ShapeError: the file is no track, of another version, or holds arrays of the wrong shape.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                meta: dict[str, Any] = json.loads(str(data["meta"]))
                arrays = {name: data[name] for name in _ARRAYS}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ShapeError(
                f"{path} is not a track file ({error})", hint="Delete it to have the clip tracked again"
            ) from error
        if meta.get("version") != TRACK_VERSION:
            raise ShapeError(
                f"{path} is a track of version {meta.get('version')}, this program reads {TRACK_VERSION}",
                hint="Delete it to have the clip tracked again",
            )
        arrays = {
            name: value.astype(np.bool_ if name == "valid" else np.float32) for name, value in arrays.items()
        }
        return cls(
            **arrays,
            size=(int(meta["size"][0]), int(meta["size"][1])),
            fps=float(meta["fps"]),
            fov_deg=float(meta["fov_deg"]),
            source=str(meta["source"]),
            matte=matte,
        )


_ARRAYS = ("landmarks", "blendshapes", "pose", "ear", "box", "valid")
assert set(_ARRAYS) < {field.name for field in fields(Track)}

BLENDSHAPES: tuple[str, ...] = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
"""MediaPipe's blendshape names in the order of `Track.blendshapes`."""
