"""`shuffled`: the real frames with sound that does not belong to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from t2m_bench.core.method import Reporter, Request
from t2m_bench.media.audio import read_audio, write_wav
from t2m_bench.methods.controls.real import Real

RATE = 16000


class Shuffled(Real):
    """Perfect pictures out of step with the sound: a sync metric must call them bad, a pixel metric perfect.

    The sound is the driving sound rolled by half its length. A method that wants another sound in its video than the
    driving one leaves it as `audio.wav` beside the video that it returns; who adds the sound takes that file.
    """

    def synthesize(self, request: Request, checkpoint: Path | None, workdir: Path, report: Reporter) -> Path:
        """As `real`, with `audio.wav` beside the video."""
        video = super().synthesize(request, checkpoint, workdir, report)
        sound = read_audio(request.audio, RATE)
        write_wav(video.with_name("audio.wav"), np.roll(sound, len(sound) // 2), RATE)
        return video
