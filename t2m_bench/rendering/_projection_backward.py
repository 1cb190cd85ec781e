"""The way back through the projection, and the sums per Gaussian of what the tile kernels found."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from t2m_bench.rendering._compiled import Counter, Floats, Ints, compiled, f32, kernel, next_task
from t2m_bench.rendering._composite import SUM_COLUMNS, SUM_G, SUM_GU, SUM_GUU, SUM_GUY, SUM_GY, SUM_GYY
from t2m_bench.rendering._tiles import CHUNK
from t2m_bench.rendering.projection import (
    COEF_A,
    COEF_R,
    COEF_V,
    Camera,
    Footprint,
    Shape,
    Vec3,
    Vec4,
    camera_at,
    camera_point,
    dot,
    footprint,
    row3,
    shape_at,
    sharp_determinant,
)

_ZERO = f32(0.0)
_ONE = f32(1.0)
_TWO = f32(2.0)
_FOUR = f32(4.0)
_HALF = f32(0.5)

Sums: TypeAlias = tuple[float, float, float, float, float, float]  # columns SUM_G to SUM_GYY


class Gradient(NamedTuple):
    """What one camera adds to the gradients of one Gaussian, and the Gaussian to that of the camera's matrix."""

    mean: Vec3
    quat: Vec4
    scale: Vec3
    view_x: Vec4  # rows of the matrix
    view_y: Vec4
    view_z: Vec4


@compiled
def _covariance_gradient(splat: Vec3, sums: Sums, view: Footprint, eps2d: float, antialiased: bool) -> Vec3:
    """Gradient with respect to Sxx, Sxy and Syy, where Sxy stands for both off-diagonal entries."""
    A, r, V = splat
    to_A = -_HALF * sums[SUM_GUU]
    to_r = -A * sums[SUM_GUY]
    to_V = -_HALF * sums[SUM_GYY]
    B = A * r
    xx = -A * A * to_A
    xy = -_TWO * A * B * to_A - V * to_r
    yy = -B * B * to_A - r * V * to_r - V * V * to_V
    if antialiased:  # ln peak = ln opacity + (ln det S0 - ln det S) / 2, with S0 = S without eps2d
        sxx, sxy, syy = dot(view.a, view.a), dot(view.a, view.b), dot(view.b, view.b)
        sharp = sharp_determinant(view.a, view.b)
        det = sharp + eps2d * (sxx + syy) + eps2d * eps2d
        half = _HALF * sums[SUM_G]
        xx += half * (syy / sharp - (syy + eps2d) / det)
        yy += half * (sxx / sharp - (sxx + eps2d) / det)
        xy -= half * _TWO * sxy * (_ONE / sharp - _ONE / det)
    return xx, xy, yy


@compiled
def _mix(p: float, a: Vec3, q: float, b: Vec3) -> Vec3:
    return p * a[0] + q * b[0], p * a[1] + q * b[1], p * a[2] + q * b[2]


@compiled
def _scaled(p: float, a: Vec3) -> Vec3:
    return p * a[0], p * a[1], p * a[2]


@compiled
def _plus(a: Vec3, q: float, b: Vec3) -> Vec3:
    return a[0] + q * b[0], a[1] + q * b[1], a[2] + q * b[2]


@compiled
def _point_gradient(view: Footprint, camera: Camera, center: tuple[float, float], ta: Vec3, tb: Vec3) -> Vec3:
    """Gradient with respect to the centre in camera space.

    Args:
        center: gradient of the projected centre.
        ta: gradient of the image row `a`; rows scale with 1/z and shift with the clamped slope.
        tb: gradient of the image row `b`.
    """
    inverse = _ONE / view.point[2]
    sx, sy = view.point[0] * inverse, view.point[1] * inverse
    x, y = camera.fx * center[0], camera.fy * center[1]
    if sx == view.sx:
        x -= camera.fx * dot(ta, view.gz) * inverse
    if sy == view.sy:
        y -= camera.fy * dot(tb, view.gz) * inverse
    z = x * sx + y * sy + dot(ta, view.a) + dot(tb, view.b)
    return x * inverse, y * inverse, -z * inverse


@compiled
def _view_row(point: float, mean: Vec3, row: Vec3, scale: Vec3, columns: tuple[Vec3, Vec3, Vec3]) -> Vec4:
    """Gradient of one row of the camera's matrix.

    Args:
        point: gradient of that coordinate of the centre in camera space.
        row: gradient of that row of (camera rotation) (Gaussian rotation) diag(scale).
    """
    u, v, w = columns
    p, q, r = row[0] * scale[0], row[1] * scale[1], row[2] * scale[2]
    return (
        point * mean[0] + p * u[0] + q * v[0] + r * w[0],
        point * mean[1] + p * u[1] + q * v[1] + r * w[1],
        point * mean[2] + p * u[2] + q * v[2] + r * w[2],
        point,
    )


@compiled
def _quat_gradient(shape: Shape, u: Vec3, v: Vec3, w: Vec3) -> Vec4:
    """Gradient of a quaternion, given that of the three columns of its rotation matrix."""
    qw, qx, qy, qz = shape.unit
    gw = _TWO * (qz * (u[1] - v[0]) + qy * (w[0] - u[2]) + qx * (v[2] - w[1]))
    gx = _TWO * (qy * (v[0] + u[1]) + qz * (w[0] + u[2]) + qw * (v[2] - w[1])) - _FOUR * qx * (v[1] + w[2])
    gy = _TWO * (qx * (v[0] + u[1]) + qz * (w[1] + v[2]) + qw * (w[0] - u[2])) - _FOUR * qy * (u[0] + w[2])
    gz = _TWO * (qx * (w[0] + u[2]) + qy * (w[1] + v[2]) + qw * (u[1] - v[0])) - _FOUR * qz * (u[0] + v[1])
    along = qw * gw + qx * gx + qy * gy + qz * gz  # a longer quaternion is the same rotation
    k = shape.inverse_norm
    return (gw - along * qw) * k, (gx - along * qx) * k, (gy - along * qy) * k, (gz - along * qz) * k


@compiled
def _gradient(
    camera: Camera,
    mean: Vec3,
    scale: Vec3,
    shape: Shape,
    splat: Vec3,
    sums: Sums,
    eps2d: float,
    antialiased: bool,
) -> Gradient:
    """Gradients of a Gaussian and its camera from the sums over pixels; `splat` is (A, r, V)."""
    view = footprint(camera_point(mean, camera), shape.columns, scale, camera)
    xx, xy, yy = _covariance_gradient(splat, sums, view, eps2d, antialiased)
    ta = _mix(_TWO * xx, view.a, xy, view.b)
    tb = _mix(_TWO * yy, view.b, xy, view.a)
    A, r, V = splat
    point = _point_gradient(view, camera, (A * sums[SUM_GU], A * r * sums[SUM_GU] + V * sums[SUM_GY]), ta, tb)

    gx, gy = _scaled(camera.fx / view.point[2], ta), _scaled(camera.fy / view.point[2], tb)
    gz = _mix(-view.sx, gx, -view.sy, gy)
    u = _plus(_mix(gx[0], camera.x, gy[0], camera.y), gz[0], camera.z)
    v = _plus(_mix(gx[1], camera.x, gy[1], camera.y), gz[1], camera.z)
    w = _plus(_mix(gx[2], camera.x, gy[2], camera.y), gz[2], camera.z)
    return Gradient(
        _plus(_mix(point[0], camera.x, point[1], camera.y), point[2], camera.z),
        _quat_gradient(shape, _scaled(scale[0], u), _scaled(scale[1], v), _scaled(scale[2], w)),
        (dot(u, shape.columns[0]), dot(v, shape.columns[1]), dot(w, shape.columns[2])),
        _view_row(point[0], mean, gx, scale, shape.columns),
        _view_row(point[1], mean, gy, scale, shape.columns),
        _view_row(point[2], mean, gz, scale, shape.columns),
    )


@compiled
def _sum_rows(rows: Floats, begin: int, end: int) -> Sums:
    """The six sums of a Gaussian over all its tiles, added in order."""
    a, b, c, d, e, f = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
    for k in range(begin, end):
        a += rows[k, 0]
        b += rows[k, 1]
        c += rows[k, 2]
        d += rows[k, 3]
        e += rows[k, 4]
        f += rows[k, 5]
    return a, b, c, d, e, f


@kernel
def project_backward(
    counter: Counter,
    gaussians: tuple[Floats, Floats, Floats, Floats],
    viewmats: Floats,  # [C, 4, 4]
    Ks: Floats,  # [C, 3, 3]
    size: tuple[float, float],
    eps2d: float,
    antialiased: bool,
    splats: Floats,  # [C, N, 6]
    first: Ints,  # [C, N, 2]
    rows: Floats,  # [pairs, 6 + D]
    grads: tuple[Floats, Floats, Floats, Floats, Floats],
    grad_views: NDArray[np.float64],  # [C, chunks, 3, 4], written
) -> None:
    """Sum each Gaussian's rows in their fixed order and carry them back; a task is `CHUNK` Gaussians.

    Args:
        gaussians: means `[N, 3]`, quats `[N, 4]`, scales `[N, 3]`, opacities `[N]`.
        first: first row of each Gaussian, and one past its last.
        rows: from the tile kernels, the six sums named above, then the gradient of the colour.
        grads: written: means, quats, scales, opacities, colours `[1 or C, N, D]`.
        grad_views: of the cameras' matrices, by chunk.
    """
    means, quats, scales, opacities = gaussians
    grad_means, grad_quats, grad_scales, grad_opacities, grad_colors = grads
    view = np.empty((3, 4), np.float64)  # its own memory: neighbours in `grad_views` belong to other threads
    while True:
        chunk = next_task(counter)
        if chunk * CHUNK >= means.shape[0]:
            return
        span = (chunk * CHUNK, min(means.shape[0], (chunk + 1) * CHUNK))
        grad_means[span[0] : span[1]] = _ZERO
        grad_quats[span[0] : span[1]] = _ZERO
        grad_scales[span[0] : span[1]] = _ZERO
        grad_opacities[span[0] : span[1]] = _ZERO
        grad_colors[:, span[0] : span[1]] = _ZERO
        for c in range(viewmats.shape[0]):
            camera = camera_at(viewmats, Ks, size, c)
            per_camera = min(c, grad_colors.shape[0] - 1)
            view[:] = 0.0
            for i in range(span[0], span[1]):
                begin, end = first[c, i, 0], first[c, i, 1]
                if begin == end:
                    continue
                for k in range(begin, end):
                    for d in range(grad_colors.shape[2]):
                        grad_colors[per_camera, i, d] += rows[k, SUM_COLUMNS + d]
                sums = _sum_rows(rows, begin, end)
                splat = (splats[c, i, COEF_A], splats[c, i, COEF_R], splats[c, i, COEF_V])
                shape = shape_at(quats, i)
                grad = _gradient(
                    camera, row3(means, i), row3(scales, i), shape, splat, sums, eps2d, antialiased
                )
                grad_opacities[i] += sums[SUM_G] / opacities[i]
                for k in range(3):
                    grad_means[i, k] += grad.mean[k]
                    grad_scales[i, k] += grad.scale[k]
                for k in range(4):
                    grad_quats[i, k] += grad.quat[k]
                    view[0, k] += grad.view_x[k]
                    view[1, k] += grad.view_y[k]
                    view[2, k] += grad.view_z[k]
            grad_views[c, chunk] = view
