"""The person's alpha: cut a talking head out of its background, and put it on a plain one."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core import assets
from t2m_bench.core.errors import AssetError, DependencyError, ShapeError
from t2m_bench.tracking.native_log import chatter_dropped
from t2m_bench.tracking.planes import Planes, box_mean, guided_filter, resized

ASSET = "selfie_segmentation"
MATTE_SIZE = 256

Image = NDArray[np.uint8]

# Chosen by eye on two talking-head clips: the network's edge lies one to two pixels outside the person, where the
# background's colour would be learnt as a fringe. The guide pulls it to the edge of the picture; the ramp then
# drops what is less than half a person and fills what is nearly one.
_GUIDE_RADIUS = 3
_GUIDE_SMOOTHNESS = 1e-3
_RAMP = (0.45, 0.95)
# Neighbourhood, in pixels of the matte, whose colours stand for person and background at the edge.
_COLOUR_RADIUS = 6
# The second look sees the picture in the inner 208 pixels of the network's 256.
_MARGIN = 24


class SelfieMatting:
    """MediaPipe's selfie segmentation (general model), one picture at a time, with its edge refined.

    Args:
        model: the `selfie_segmentation.tflite` file; resolved as the asset `selfie_segmentation` if None.

    Raises:
        AssetMissing, AssetError: the model file is missing or not the expected one.
        DependencyError: the interpreter cannot be loaded.
    """

    def __init__(self, model: Path | None = None) -> None:
        path = model or assets.resolve(ASSET)
        try:
            from ai_edge_litert.interpreter import Interpreter
        except (ImportError, OSError) as error:
            raise DependencyError(
                f"The matting interpreter cannot be imported ({error})",
                hint="Run `pip install ai-edge-litert`",
            ) from error
        try:
            with chatter_dropped():
                self._interpreter: Any = Interpreter(model_path=str(path), num_threads=1)
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError, OSError) as error:
            raise AssetError(f"{path} cannot be used as a segmentation model ({error})") from error
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        shapes = (list(self._input["shape"]), list(self._output["shape"]))
        if shapes != ([1, MATTE_SIZE, MATTE_SIZE, 3], [1, MATTE_SIZE, MATTE_SIZE, 1]):
            raise AssetError(f"{path} maps {shapes[0]} to {shapes[1]}, not a 256x256 picture to its alpha")

    def __enter__(self) -> SelfieMatting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interpreter = None

    def matte(self, frame: Image) -> Image:
        """Alpha of the person in a picture.

        Args:
            frame: [H, W, 3] uint8 RGB, of any size; squeezed to 256x256 whatever its shape, as the model expects.

        Returns:
            [256, 256] uint8, 255 = person, of the whole frame.

        Raises:
            ShapeError: another shape or dtype, or the matting is closed.
        """
        if self._interpreter is None:
            raise ShapeError("this SelfieMatting is closed")
        picture = _planes(frame)
        whole = resized(picture, MATTE_SIZE, MATTE_SIZE)  # [3, 256, 256] in [0, 1]
        mean = np.float32(0.5) * (self._alpha(whole) + self._alpha_of_mirrored(picture))
        return _bytes(refine_alpha(whole, mean))[0]

    def _alpha_of_mirrored(self, picture: Planes) -> Planes:
        """A second look, mirrored and from further away: its errors differ, so their mean flickers less."""
        inner = MATTE_SIZE - 2 * _MARGIN
        around = ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))
        smaller = np.pad(resized(picture, inner, inner), around, mode="edge")[..., ::-1]
        alpha = self._alpha(smaller)[..., ::-1][:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        return resized(alpha, MATTE_SIZE, MATTE_SIZE)

    def _alpha(self, picture: Planes) -> Planes:
        """What the network says to [3, 256, 256] in [0, 1]: [1, 256, 256]."""
        batch = np.ascontiguousarray(picture.transpose(1, 2, 0)[None])
        self._interpreter.set_tensor(self._input["index"], batch)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output["index"])[..., 0])


def refine_alpha(picture: Planes, alpha: Planes) -> Planes:
    """Pull the edge of a coarse alpha to the picture's own edge and tighten it.

    Args:
        picture: [3, H, W] in [0, 1].
        alpha: [1, H, W] in [0, 1].

    Returns:
        [1, H, W] in [0, 1].
    """
    guided = guided_filter(picture, alpha, _GUIDE_RADIUS, _GUIDE_SMOOTHNESS)
    low, high = _RAMP
    x = ((guided - low) / (high - low)).clip(0, 1)
    return x * x * (3 - 2 * x)


def upsample_matte(matte: Image, width: int, height: int) -> Image:
    """Resize a matte [h, w] uint8 to [height, width] uint8: bilinear, with antialiasing where it shrinks.

    Raises:
        ShapeError: wrong shape or dtype.
    """
    return _bytes(resized(_plane(matte), height, width))[0]


def composite(frame: Image, matte: Image, background: int = 255) -> Image:
    """Put the person of `frame` on a plain grey background.

    A pixel on the edge shows person and old background mixed. Its own share is estimated from the colours of the
    person and of the background around it (blur fusion, Forte 2021), so that the old background does not stay as a
    coloured fringe. Pixels with alpha 255 are not touched.

    Args:
        frame: [H, W, 3] uint8 RGB.
        matte: [h, w] uint8, resized to the frame.
        background: grey level 0 to 255.

    Returns:
        [H, W, 3] uint8.

    Raises:
        ShapeError: wrong shapes or dtypes.
    """
    picture = _planes(frame)
    alpha = _plane(upsample_matte(matte, frame.shape[1], frame.shape[0]))
    mixed = _own_colour(picture, alpha) * alpha + np.float32(background / 255) * (1 - alpha)
    return np.ascontiguousarray(_bytes(mixed).transpose(1, 2, 0))


def _own_colour(picture: Planes, alpha: Planes) -> Planes:
    """Colour of the person [3, H, W] where it is seen mixed with the background, the picture's elsewhere."""
    height, width = picture.shape[1:]
    size = (min(height, MATTE_SIZE), min(width, MATTE_SIZE))  # colours of a neighbourhood need no fine detail
    small, weight = resized(picture, *size), resized(alpha, *size)
    sure = (
        np.concatenate([weight, 1 - weight]) ** 4
    )  # mixed pixels must hardly count: they are what is in question
    mean = box_mean(np.concatenate([sure, small * sure[:1], small * sure[1:]]), _COLOUR_RADIUS)
    person = resized(mean[2:5] / mean[:1].clip(min=1e-6), height, width)
    behind = resized(mean[5:] / mean[1:2].clip(min=1e-6), height, width)
    own = person + alpha * (picture - alpha * person - (1 - alpha) * behind)
    return np.where(alpha < 1, own.clip(0, 1), picture)


def _plane(matte: Image) -> Planes:
    if matte.ndim != 2 or matte.dtype != np.uint8:
        raise ShapeError(f"matte must be uint8 [h, w], got {matte.dtype} {list(matte.shape)}")
    return matte.astype(np.float32)[None] / np.float32(255)


def _planes(frame: Image) -> Planes:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ShapeError(f"frame must be uint8 [H, W, 3], got {frame.dtype} {list(frame.shape)}")
    return np.ascontiguousarray(frame.transpose(2, 0, 1)).astype(np.float32) / np.float32(255)


def _bytes(planes: Planes) -> Image:
    """[C, H, W] in [0, 1] to uint8 [C, H, W]."""
    return np.asarray(np.rint(planes * 255).clip(0, 255), dtype=np.uint8)
