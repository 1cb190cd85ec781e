"""Regions of the reference's face that a pixel metric may be restricted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.digest import digest_of

_RULE = "pixels whose centre lies in the convex hull, scaled about the hull's mean corner"


@dataclass(frozen=True)
class Region:
    """The convex hull of some landmarks, made larger by a share of itself.

    Args:
        name: as metric ids and recipes call it.
        points: indices into MediaPipe's 478 landmarks.
        growth: 0.2 makes the hull 1.2 times as wide and as high.
    """

    name: str
    points: tuple[int, ...]
    growth: float

    @property
    def digest(self) -> str:
        """Hash of all that decides which pixels belong to it."""
        return digest_of({"rule": _RULE, "points": list(self.points), "growth": self.growth})

    def mask(self, landmarks: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.bool_]:
        """Which pixels belong to the region; none where no face was found.

        Args:
            landmarks: of one frame, pixels (0.5 is the centre of the first pixel), NaN for no face, [478, 2 or 3].
            size: width and height.

        Returns:
            [H, W].
        """
        width, height = size
        inside = np.zeros((height, width), np.bool_)
        points = landmarks[list(self.points), :2].astype(np.float64)
        if not np.isfinite(points).all():
            return inside
        corners = hull(points)
        middle = corners.mean(axis=0)
        corners = middle + (corners - middle) * (1 + self.growth)
        low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, size)
        high = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, size)
        x = np.arange(low[0], high[0]) + 0.5
        y = (np.arange(low[1], high[1]) + 0.5)[:, None]
        part = np.ones((high[1] - low[1], high[0] - low[0]), np.bool_)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            part &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0
        inside[low[1] : high[1], low[0] : high[0]] = part
        return inside


def hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners of the convex hull of points [N, 2], in the order in which the hull is on the side of positive turns.

    Andrew's monotone chain; points on an edge are no corners.
    """
    order = points[np.lexsort((points[:, 1], points[:, 0]))]

    def chain(sequence: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        found: list[NDArray[np.float64]] = []
        for point in sequence:
            while len(found) > 1 and _turn(found[-2], found[-1], point) <= 0:
                found.pop()
            found.append(point)
        return found[:-1]

    return np.array(chain(order) + chain(order[::-1])).reshape(-1, 2)


def _turn(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


FACE = Region(
    "face",
    (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
     150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
    0.0,
)  # fmt: skip
"""Within the face oval: without hair and neck."""

MOUTH = Region("mouth", (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91), 0.3)
"""The outer lip and the skin around it."""

REGIONS = {region.name: region for region in (FACE, MOUTH)}
