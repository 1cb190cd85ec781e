"""Detections, tracks and crops against the public pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from precision_page import versioned
from sync_weights import random_syncnet

from t2m_bench.metrics.sync_faces import (
    crop,
    load_detector,
    overlap,
    published_tracks,
    smoothed_with_zeros,
    squares,
)
from t2m_bench.metrics.syncnet import load_weights

FIXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_the_detector_is_the_published_one(tmp_path: Path, agree: Callable[..., None]) -> None:
    random_syncnet()
    from syncnet_python.detectors.s3fd import S3FD
    from syncnet_python.detectors.s3fd.nets import S3FDNet

    torch.manual_seed(0)
    net = S3FDNet(device="cpu")
    with (
        torch.no_grad()
    ):  # so that the coarsest grids are full of faces, and the network has something to say
        for layer in net.vgg:
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight)
        for head in net.conf[4:]:
            head.weight *= 0.01
            head.bias += torch.tensor([-2.0, 2.0])
    torch.save(net.state_dict(), tmp_path / "sfd_face.pth")
    picture = np.random.default_rng(0).integers(0, 256, (256, 320, 3), dtype=np.uint8)
    expected = S3FD(net=net, device="cpu").detect_faces(picture, conf_th=0.9, scales=[0.25])
    found = load_detector(tmp_path / "sfd_face.pth")(picture)
    assert len(expected) >= 2
    agree("S3FD boxes and confidences", versioned("syncnet-python"), found, expected, within=0)
    # And on what the network itself says, before any threshold.
    again = S3FDNet(device="cpu")
    load_weights(again, tmp_path / "sfd_face.pth", "the detector")
    with torch.inference_mode():
        x = torch.rand(1, 3, 64, 80) * 255 - 110
        found, expected = again(x), net.eval()(x)
    agree("S3FD raw output", versioned("syncnet-python"), found, expected, within=0)


_BOX = st.tuples(st.integers(0, 3), st.integers(-6, 6), st.integers(-6, 6), st.floats(0.9, 1))


@settings(FIXED, max_examples=60)
@given(st.lists(st.lists(_BOX, max_size=3), min_size=1, max_size=60), st.integers(0, 9))
def test_tracks_are_the_published_ones(
    agree: Callable[..., None], drawn: list[list[tuple[int, int, int, float]]], start: int
) -> None:
    random_syncnet()
    from syncnet_python.syncnet_pipeline import SyncNetPipeline

    detections = [
        np.array([[70 * k + x, y, 70 * k + x + 60, y + 66, c] for k, x, y, c in faces]).reshape(-1, 5)
        for faces in drawn
    ]
    config = SimpleNamespace(num_failed_det=25, min_track=1, min_face_size=0)
    reference = SimpleNamespace(cfg=config, _iou=SyncNetPipeline._iou)
    theirs = [
        [{"frame": start + i, "bbox": box[:4].tolist()} for box in boxes]
        for i, boxes in enumerate(detections)
    ]
    expected = SyncNetPipeline._track(reference, theirs)
    found = [track for track in published_tracks(detections, start) if track.detections > 1]
    assert [track.first for track in found] == [int(track["frame"][0]) for track in expected]
    for mine, other in zip(found, expected, strict=True):
        agree(
            "lse@legacy boxes of tracks", versioned("syncnet-python"), mine.boxes, other["bbox"], within=1e-9
        )


def test_overlap_of_boxes() -> None:
    box = np.array([0.0, 0.0, 10.0, 10.0])
    assert overlap(box, box) == pytest.approx(1)
    assert overlap(box, box + 5) == pytest.approx(25 / 175)
    assert overlap(box, box + 20) == 0


def test_smoothing_is_scipy_s(agree: Callable[..., None]) -> None:
    signal = pytest.importorskip("scipy.signal")
    values = np.random.default_rng(0).uniform(50, 100, (40, 3))
    expected = np.stack([signal.medfilt(column, 13) for column in values.T], axis=1)
    agree(
        "lse@legacy smoothing of boxes", versioned("scipy"), smoothed_with_zeros(values), expected, within=0
    )
    assert smoothed_with_zeros(values)[0, 0] == values[:7, 0].min()  # drawn to zero at the ends


@settings(FIXED, max_examples=40)
@given(st.floats(5, 90), st.floats(0, 120), st.floats(0, 100), st.integers(0, 9))
def test_crops_are_those_of_a_picture_with_a_grey_frame(
    agree: Callable[..., None], half: float, x: float, y: float, seed: int
) -> None:
    import cv2

    picture = np.random.default_rng(seed).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    pad = int(half * (1 + 2 * 0.4))
    framed = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), constant_values=110)
    y0, x0 = y + pad, x + pad
    cut = framed[
        int(y0 - half) : int(y0 + half * (1 + 2 * 0.4)),
        int(x0 - half * (1 + 0.4)) : int(x0 + half * (1 + 0.4)),
    ]
    found = crop(picture, np.array([half, x, y]))
    agree("lse@legacy crop", versioned("opencv-contrib-python"), found, cv2.resize(cut, (224, 224)), within=0)


def test_the_square_of_a_box() -> None:
    assert squares(np.array([[10.0, 20.0, 50.0, 100.0]])).tolist() == [[40.0, 30.0, 60.0]]
