"""Faces for SyncNet: S3FD detections at a quarter of the size, tracks of them, and the crop around one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from t2m_bench.metrics.syncnet import SIDE, load_weights, sync_package

SCALE = 0.25
"""At which faces are looked for."""
CONFIDENCE = 0.9
MAX_GAP = 25
"""Frames from one detection of a track to the next, at most."""
SMOOTHING = 13
"""Frames of the median filter of a track."""

_OVERLAP = 0.5
_MARGIN = 0.4
_GREY = 110

Boxes = NDArray[np.float64]
"""[N, 5]: x0, y0, x1, y1 in pixels and the confidence, best first."""
Detect = Callable[[NDArray[np.uint8]], Boxes]
"""Gives the faces of a picture [H, W, 3] RGB."""


@dataclass(frozen=True)
class FaceTrack:
    """One face through a stretch of frames."""

    first: int
    """Frame."""
    boxes: NDArray[np.float64]
    """[T, 4] of all frames from the first to the last detection, gaps filled linearly."""
    detections: int

    @property
    def side(self) -> float:
        """The larger of mean width and mean height, pixels."""
        return float((self.boxes[:, 2:] - self.boxes[:, :2]).mean(axis=0).max())


def load_detector(path: Path) -> Detect:
    """`syncnet_python`'s S3FD with the weights of a file in the official layout, as the public pipeline calls it.

    Raises:
        DependencyError: `syncnet-python` cannot be loaded.
        AssetError: the file holds something else.
    """
    sync_package()
    from syncnet_python.detectors.s3fd import S3FD
    from syncnet_python.detectors.s3fd.nets import S3FDNet

    net = S3FDNet(device="cpu")
    load_weights(net, path, "the S3FD face detector")
    detector = S3FD(net=net, device="cpu")
    return lambda picture: np.asarray(detector.detect_faces(picture, conf_th=CONFIDENCE, scales=[SCALE]))


def overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes [4]."""
    sides = np.maximum(0, np.minimum(one[2:4], other[2:4]) - np.maximum(one[:2], other[:2]))
    both = float(sides.prod())
    areas = float((one[2:4] - one[:2]).prod() + (other[2:4] - other[:2]).prod())
    return both / (areas - both + 1e-8)


def same_face(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether boxes in neighbouring detections are taken for the same face."""
    return overlap(one, other) > _OVERLAP


def published_tracks(detections: Sequence[Boxes], start: int = 0) -> list[FaceTrack]:
    """Tracks of one shot in the order and with the quirks of the public pipeline.

    A track takes from each frame the best of the faces not yet taken if that fits, and does not look at the others;
    having taken one it skips a face and tries the one after.

    Args:
        detections: of each frame of the shot.
        start: number of its first frame.
    """
    left = [[box[:4] for box in boxes] for boxes in detections]
    tracks: list[FaceTrack] = []
    while True:
        taken: list[tuple[int, NDArray[np.float64]]] = []
        for number, faces in enumerate(left):
            at = 0
            while at < len(faces):
                fits = not taken or (number - taken[-1][0] <= MAX_GAP and same_face(faces[at], taken[-1][1]))
                if not fits:
                    break
                taken.append((number, faces.pop(at)))
                at += 1
        if not taken:
            return tracks
        tracks.append(_filled(taken, start))


def _filled(taken: list[tuple[int, NDArray[np.float64]]], start: int) -> FaceTrack:
    numbers = np.array([number for number, _ in taken])
    boxes = np.stack([box for _, box in taken])
    every = np.arange(numbers[0], numbers[-1] + 1)
    filled = np.stack([np.interp(every, numbers, column) for column in boxes.T], axis=1)
    return FaceTrack(start + int(numbers[0]), filled, len(taken))


def squares(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the longer side, and the centre, of boxes [T, 4]: [T, 3] as half, x, y in pixels."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.column_stack([(high - low).max(axis=1) / 2, (low + high) / 2])


def smoothed_with_zeros(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over 13 frames of [T, K], zeros beyond both ends, as published: the ends are drawn to zero."""
    padded = np.pad(values, ((SMOOTHING // 2, SMOOTHING // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHING, axis=0)
    result: NDArray[np.float64] = np.median(windows, axis=-1)
    return result


def crop(picture: NDArray[np.uint8], square: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The face as SyncNet wants it: from 1 half above the centre to 1.8 below, 1.4 to each side, grey beyond.

    Args:
        picture: [H, W, 3], any order of colours.
        square: half, x, y in pixels, [3].

    Returns:
        [224, 224, 3].
    """
    import cv2

    half, x, y = (float(value) for value in square)
    height, width = picture.shape[:2]
    pad = int(half * (1 + 2 * _MARGIN))
    # Rounding goes towards zero in the padded picture, as published.
    rows = range(
        *slice(int(y + pad - half), int(y + pad + half * (1 + 2 * _MARGIN))).indices(height + 2 * pad)
    )
    reach = half * (1 + _MARGIN)
    columns = range(*slice(int(x + pad - reach), int(x + pad + reach)).indices(width + 2 * pad))
    cut = np.full((len(rows), len(columns), 3), _GREY, np.uint8)
    top, bottom = max(rows.start, pad), min(rows.stop, pad + height)
    left, right = max(columns.start, pad), min(columns.stop, pad + width)
    if top < bottom and left < right:
        cut[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = picture[
            top - pad : bottom - pad, left - pad : right - pad
        ]
    if not cut.size:
        return np.full((SIDE, SIDE, 3), _GREY, np.uint8)
    return np.asarray(cv2.resize(cut, (SIDE, SIDE)), np.uint8)
