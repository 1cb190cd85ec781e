"""EWA projection of Gaussians to the image plane (Zwicker et al. 2001), as a compiled loop.

A splat is stored as its density along rows of pixels. With the 2D covariance S (pixels squared, `eps2d` included) and
the offset (dx, dy) of a pixel from the splat's centre,

    -ln(alpha / peak) = (A (dx + r dy)^2 + V dy^2) / 2,    A = Syy / det S,  r = -Sxy / Syy,  V = 1 / Syy.

This is the usual conic with its square completed: a sum of two squares can neither turn negative nor cancel, where
the expanded form loses four digits on a long thin splat in float32.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from t2m_bench.rendering._compiled import Counter, Floats, Ints, compiled, f32, kernel, next_task, to_int
from t2m_bench.rendering._tiles import CHUNK, count_tiles

Vec3: TypeAlias = tuple[float, float, float]
Vec4: TypeAlias = tuple[float, float, float, float]

# Columns of the splat table [C, N, 6].
CENTER_X, CENTER_Y, COEF_A, COEF_R, COEF_V, LOG_PEAK = range(6)
SPLAT_COLUMNS = 6

_ZERO, _HALF, _ONE, _TWO = f32(0.0), f32(0.5), f32(1.0), f32(2.0)
_MARGIN = f32(0.15)
_TINY = f32(1e-12)
_ALPHA_MIN = f32(1.0 / 255.0)
_LOG_255 = f32(np.log(255.0))


class Camera(NamedTuple):
    """One pinhole camera: world-to-camera rotation by rows, translation, intrinsics and image size in pixels."""

    x: Vec3
    y: Vec3
    z: Vec3
    shift: Vec3
    fx: float
    fy: float
    cx: float
    cy: float
    width: float
    height: float


class Shape(NamedTuple):
    """A Gaussian's rotation: the matrix by columns, the unit quaternion, and one over the given quaternion's norm."""

    columns: tuple[Vec3, Vec3, Vec3]
    unit: Vec4
    inverse_norm: float


class Footprint(NamedTuple):
    """A Gaussian in front of a camera. The 2D covariance is the matrix of inner products of `a` and `b`."""

    point: Vec3  # centre in camera space
    sx: float  # x / z and y / z, clamped
    sy: float
    gx: Vec3  # rows of (camera rotation) (Gaussian rotation) diag(scale)
    gy: Vec3
    gz: Vec3
    a: Vec3  # rows of the perspective Jacobian times those
    b: Vec3


class Splat(NamedTuple):
    """A Gaussian in the image; the first six fields are the columns of the splat table."""

    x: float
    y: float
    A: float
    r: float
    V: float
    log_peak: float
    reach_x: float  # pixels from the centre to where alpha falls below 1/255
    reach_y: float
    drawn: bool


class Projected(NamedTuple):
    """Arrays that `project` fills. Rows of Gaussians that are not drawn hold no meaning, except zeros where said."""

    splats: Floats  # [C, N, 6], columns as above
    depths: Floats  # [C, N], along the optical axis; 0 = not drawn
    means2d: Floats  # [C, N, 2], pixels
    conics: Floats  # [C, N, 3], the inverse of S: xx, xy, yy
    radii: Ints  # [C, N, 2], half-sizes in whole pixels; 0 = not drawn
    boxes: Ints  # [C, N, 4], pixels reached: first and one past last column, first and one past last row


@compiled
def dot(a: Vec3, b: Vec3) -> float:
    """Inner product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def row3(table: Floats, i: int) -> Vec3:
    """Row `i` of an `[N, 3]` table."""
    return table[i, 0], table[i, 1], table[i, 2]


@compiled
def camera_at(viewmats: Floats, Ks: Floats, size: tuple[float, float], c: int) -> Camera:
    """Camera `c` of a batch."""
    V, K = viewmats, Ks
    return Camera(
        (V[c, 0, 0], V[c, 0, 1], V[c, 0, 2]),
        (V[c, 1, 0], V[c, 1, 1], V[c, 1, 2]),
        (V[c, 2, 0], V[c, 2, 1], V[c, 2, 2]),
        (V[c, 0, 3], V[c, 1, 3], V[c, 2, 3]),
        K[c, 0, 0],
        K[c, 1, 1],
        K[c, 0, 2],
        K[c, 1, 2],
        size[0],
        size[1],
    )


@compiled
def shape_at(quats: Floats, i: int) -> Shape:
    """Rotation of Gaussian `i`; a zero quaternion is no rotation, as dividing by a norm plus a tiny number gives."""
    w, x, y, z = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
    inverse = _ONE / max(np.sqrt(w * w + x * x + y * y + z * z), _TINY)
    w, x, y, z = w * inverse, x * inverse, y * inverse, z * inverse
    columns = (
        (_ONE - _TWO * (y * y + z * z), _TWO * (x * y + w * z), _TWO * (x * z - w * y)),
        (_TWO * (x * y - w * z), _ONE - _TWO * (x * x + z * z), _TWO * (y * z + w * x)),
        (_TWO * (x * z + w * y), _TWO * (y * z - w * x), _ONE - _TWO * (x * x + y * y)),
    )
    return Shape(columns, (w, x, y, z), inverse)


@compiled
def camera_point(mean: Vec3, camera: Camera) -> Vec3:
    """A world point in camera axes."""
    return (
        dot(camera.x, mean) + camera.shift[0],
        dot(camera.y, mean) + camera.shift[1],
        dot(camera.z, mean) + camera.shift[2],
    )


@compiled
def clamp_slope(slope: float, focal: float, center: float, size: float) -> float:
    """x/z or y/z, at most 0.3 half-fields outside the image: the Jacobian would explode further out."""
    margin = _MARGIN * size / focal
    low, high = -center / focal - margin, (size - center) / focal + margin
    slope = slope if slope > low else low
    return slope if slope < high else high


@compiled
def footprint(point: Vec3, columns: tuple[Vec3, Vec3, Vec3], scale: Vec3, camera: Camera) -> Footprint:
    """Project the axes of a Gaussian whose centre is `point` in camera space."""
    inverse = _ONE / point[2]
    sx = clamp_slope(point[0] * inverse, camera.fx, camera.cx, camera.width)
    sy = clamp_slope(point[1] * inverse, camera.fy, camera.cy, camera.height)
    u, v, w = columns
    gx = (dot(camera.x, u) * scale[0], dot(camera.x, v) * scale[1], dot(camera.x, w) * scale[2])
    gy = (dot(camera.y, u) * scale[0], dot(camera.y, v) * scale[1], dot(camera.y, w) * scale[2])
    gz = (dot(camera.z, u) * scale[0], dot(camera.z, v) * scale[1], dot(camera.z, w) * scale[2])
    fx, fy = camera.fx * inverse, camera.fy * inverse
    a = (fx * (gx[0] - sx * gz[0]), fx * (gx[1] - sx * gz[1]), fx * (gx[2] - sx * gz[2]))
    b = (fy * (gy[0] - sy * gz[0]), fy * (gy[1] - sy * gz[1]), fy * (gy[2] - sy * gz[2]))
    return Footprint(point, sx, sy, gx, gy, gz, a, b)


@compiled
def sharp_determinant(a: Vec3, b: Vec3) -> float:
    """Determinant of the covariance without `eps2d`, as |a x b|^2 (Lagrange), which does not cancel when thin."""
    x = a[1] * b[2] - a[2] * b[1]
    y = a[2] * b[0] - a[0] * b[2]
    z = a[0] * b[1] - a[1] * b[0]
    return x * x + y * y + z * z


@compiled
def _splat(view: Footprint, opacity: float, camera: Camera, eps2d: float, antialiased: bool) -> Splat:
    """The splat of a Gaussian; drawn when it can reach alpha 1/255 inside the image."""
    sxx, sxy, syy = dot(view.a, view.a), dot(view.a, view.b), dot(view.b, view.b)
    sharp = sharp_determinant(view.a, view.b)
    det = sharp + eps2d * (sxx + syy) + eps2d * eps2d
    sxx, syy = sxx + eps2d, syy + eps2d
    peak = opacity * np.sqrt(sharp / det) if antialiased else opacity
    log_peak = np.log(peak)
    room = log_peak + _LOG_255
    reach = np.sqrt(_TWO * (room if room > _ZERO else _ZERO))
    reach_x, reach_y = reach * np.sqrt(sxx), reach * np.sqrt(syy)
    x = camera.fx * view.point[0] / view.point[2] + camera.cx
    y = camera.fy * view.point[1] / view.point[2] + camera.cy
    inverse = _ONE / syy
    # Comparisons are false for NaN, so what has overflowed is not drawn.
    drawn = det > _ZERO and syy > _ZERO and peak >= _ALPHA_MIN
    drawn = drawn and x + reach_x > _ZERO and x - reach_x < camera.width
    drawn = drawn and y + reach_y > _ZERO and y - reach_y < camera.height
    return Splat(x, y, syy / det, -sxy * inverse, inverse, log_peak, reach_x, reach_y, drawn)


@compiled
def _clip(value: float, top: float) -> int:
    """A whole number within [0, top]."""
    value = value if value > _ZERO else _ZERO
    whole: int = to_int(value if value < top else top)
    return whole


@kernel
def project(
    counter: Counter,
    gaussians: tuple[Floats, Floats, Floats, Floats],
    viewmats: Floats,  # [C, 4, 4]
    Ks: Floats,  # [C, 3, 3]
    size: tuple[float, float],
    limits: tuple[float, float, float],
    antialiased: bool,
    columns: int,
    out: Projected,
    counts: Ints,  # [C, chunks, tiles + 1], written
) -> None:
    """Project every Gaussian into every camera and count the tiles it meets; a task is `CHUNK` Gaussians.

    Args:
        gaussians: means `[N, 3]`, quats `[N, 4]` wxyz, scales `[N, 3]`, opacities `[N]`.
        size: (width, height) in pixels.
        limits: (near_plane, far_plane, eps2d).
        columns: tile columns of an image.
        out: written.
        counts: see `count_tiles`.
    """
    means, quats, scales, opacities = gaussians
    splats, depths, means2d, conics, radii, boxes = out
    near, far, eps2d = limits
    while True:
        chunk = next_task(counter)
        if chunk * CHUNK >= means.shape[0]:
            return
        for c in range(viewmats.shape[0]):
            camera = camera_at(viewmats, Ks, size, c)
            span = (chunk * CHUNK, min(means.shape[0], (chunk + 1) * CHUNK))
            for i in range(span[0], span[1]):
                depths[c, i] = _ZERO
                radii[c, i, 0], radii[c, i, 1] = 0, 0
                boxes[c, i, 0], boxes[c, i, 1], boxes[c, i, 2], boxes[c, i, 3] = 0, 0, 0, 0
                point = camera_point(row3(means, i), camera)
                if not near < point[2] < far:
                    continue
                view = footprint(point, shape_at(quats, i).columns, row3(scales, i), camera)
                s = _splat(view, opacities[i], camera, eps2d, antialiased)
                if not s.drawn:
                    continue
                depths[c, i] = point[2]
                splats[c, i, CENTER_X], splats[c, i, CENTER_Y] = s.x, s.y
                splats[c, i, COEF_A], splats[c, i, COEF_R], splats[c, i, COEF_V] = s.A, s.r, s.V
                splats[c, i, LOG_PEAK] = s.log_peak
                means2d[c, i, 0], means2d[c, i, 1] = s.x, s.y
                conics[c, i, 0], conics[c, i, 1], conics[c, i, 2] = s.A, s.A * s.r, s.V + s.A * s.r * s.r
                radii[c, i, 0], radii[c, i, 1] = to_int(np.ceil(s.reach_x)), to_int(np.ceil(s.reach_y))
                # The centre of a pixel is half a pixel in.
                boxes[c, i, 0] = _clip(np.ceil(s.x - s.reach_x - _HALF), size[0])
                boxes[c, i, 1] = _clip(np.floor(s.x + s.reach_x + _HALF), size[0])
                boxes[c, i, 2] = _clip(np.ceil(s.y - s.reach_y - _HALF), size[1])
                boxes[c, i, 3] = _clip(np.floor(s.y + s.reach_y + _HALF), size[1])
            count_tiles(boxes, span, c, columns, counts[c, chunk])
