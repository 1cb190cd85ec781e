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

from t2m_bench.rendering._compiled import Counter, Floats, compiled, f32, next_task

Vec3: TypeAlias = tuple[float, float, float]
Vec4: TypeAlias = tuple[float, float, float, float]

# Columns of the splat table [C, N, 8].
CENTER_X, CENTER_Y, COEF_A, COEF_R, COEF_V, LOG_PEAK, REACH_X, REACH_Y = range(8)
SPLAT_COLUMNS = 8
CHUNK = 256  # Gaussians per task; fixed, so that the order of summation does not depend on the threads

_ONE = f32(1.0)
_TWO = f32(2.0)
_ZERO = f32(0.0)
_MARGIN = f32(0.15)
_TINY = f32(1e-12)
_ALPHA_MIN = f32(1.0 / 255.0)
_LOG_255 = f32(np.log(255.0))


class Camera(NamedTuple):
    """One pinhole camera: world-to-camera rotation by rows, translation, intrinsics, and how far slopes may go."""

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
    return min(max(slope, -center / focal - margin), (size - center) / focal + margin)


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
def _splat(
    view: Footprint, opacity: float, camera: Camera, eps2d: float, antialiased: bool, table: Floats, c: int, i: int
) -> bool:
    """Fill one row of the splat table; False when no pixel of the image can reach alpha 1/255."""
    sxx, sxy, syy = dot(view.a, view.a), dot(view.a, view.b), dot(view.b, view.b)
    sharp = sharp_determinant(view.a, view.b)
    det = sharp + eps2d * (sxx + syy) + eps2d * eps2d
    sxx, syy = sxx + eps2d, syy + eps2d
    peak = opacity * np.sqrt(sharp / det) if antialiased else opacity
    if not (det > _ZERO and syy > _ZERO and peak >= _ALPHA_MIN):
        return False
    inverse = _ONE / syy
    log_peak = np.log(peak)
    reach = np.sqrt(_TWO * max(log_peak + _LOG_255, _ZERO))
    rx, ry = reach * np.sqrt(sxx), reach * np.sqrt(syy)
    x = camera.fx * view.point[0] / view.point[2] + camera.cx
    y = camera.fy * view.point[1] / view.point[2] + camera.cy
    table[c, i, CENTER_X] = x
    table[c, i, CENTER_Y] = y
    table[c, i, COEF_A] = syy / det
    table[c, i, COEF_R] = -sxy * inverse
    table[c, i, COEF_V] = inverse
    table[c, i, LOG_PEAK] = log_peak
    table[c, i, REACH_X] = rx
    table[c, i, REACH_Y] = ry
    return x + rx > _ZERO and x - rx < camera.width and y + ry > _ZERO and y - ry < camera.height


@compiled
def project(
    counter: Counter,
    means: Floats,  # [N, 3]
    quats: Floats,  # [N, 4] wxyz
    scales: Floats,  # [N, 3]
    opacities: Floats,  # [N]
    viewmats: Floats,  # [C, 4, 4]
    Ks: Floats,  # [C, 3, 3]
    size: tuple[float, float],
    limits: tuple[float, float, float],
    antialiased: bool,
    splats: Floats,  # [C, N, 8], written
    depths: Floats,  # [C, N], written
) -> None:
    """Project every Gaussian into every camera; a task is `CHUNK` Gaussians.

    Args:
        size: (width, height) in pixels.
        limits: (near_plane, far_plane, eps2d).
        splats: columns as named above; a row means nothing where the depth is 0.
        depths: distance along the optical axis, 0 where the Gaussian leaves no pixel at or above 1/255.
    """
    near, far, eps2d = limits
    while True:
        chunk = next_task(counter)
        if chunk * CHUNK >= means.shape[0]:
            return
        for c in range(viewmats.shape[0]):
            camera = camera_at(viewmats, Ks, size, c)
            for i in range(chunk * CHUNK, min(means.shape[0], (chunk + 1) * CHUNK)):
                depths[c, i] = _ZERO
                point = camera_point(row3(means, i), camera)
                if near < point[2] < far:
                    view = footprint(point, shape_at(quats, i).columns, row3(scales, i), camera)
                    if _splat(view, opacities[i], camera, eps2d, antialiased, splats, c, i):
                        depths[c, i] = point[2]
