from __future__ import annotations

import os
import threading

import pytest

from t2m_bench.tracking.native_log import chatter_dropped

CHATTER = b"W0000 00:00:1795371178.159878    6564 face_landmarker_graph.cc:181] Sets acceleration.\n"


def test_known_lines_are_dropped_and_others_pass(capfd: pytest.CaptureFixture[str]) -> None:
    with chatter_dropped():
        os.write(2, CHATTER)
        os.write(2, b"E0000 00:00:1795371178.159878 6564 graph.cc:1] cannot open the model\n")
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == (
        "E0000 00:00:1795371178.159878 6564 graph.cc:1] cannot open the model\nafter\n"
    )


def test_everything_is_shown_when_the_block_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="no model"), chatter_dropped():
        os.write(2, CHATTER)
        raise RuntimeError("no model")
    assert capfd.readouterr().err == CHATTER.decode()


def test_threads_do_not_lose_the_descriptor(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        for _ in range(20):
            with chatter_dropped():
                os.write(2, CHATTER)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"still here\n")
    assert capfd.readouterr().err == "still here\n"
