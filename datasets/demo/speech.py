"""Speech from espeak-ng with the exact time of every phoneme, and the timing files that keep it."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FPS = 25
LEAD, TAIL = 0.32, 0.48
"""Seconds of silence before and after the speech."""
_RETRIEVAL = 1
_PHONEME_EVENTS, _IPA, _DONT_EXIT = 0x1, 0x2, 0x8000
_UTF8 = 1
_RATE, _VOLUME = 1, 2
_EVENT_END, _EVENT_PHONEME = 0, 7


@dataclass(frozen=True)
class Phoneme:
    """One phoneme: seconds from the start of the clip, and its IPA name ('' is silence)."""

    start: float
    end: float
    ipa: str


@dataclass(frozen=True)
class Timing:
    """What the picture needs to know about the sound."""

    clip: str
    voice: str
    engine: str
    words_per_minute: int
    text: str
    script: str
    """The text as people write it (the Mandarin voice is given pinyin)."""
    sample_rate: int
    samples: int
    phonemes: tuple[Phoneme, ...]
    energy: tuple[float, ...]
    """Loudness of each video frame, 1 = the loudest."""

    @property
    def frames(self) -> int:
        """Number of video frames."""
        return len(self.energy)

    def to_json(self) -> str:
        """Render as JSON, one phoneme a line."""
        head = {key: value for key, value in asdict(self).items() if key not in ("phonemes", "energy")}
        lines = json.dumps({"fps": FPS, **head}, ensure_ascii=False, indent=1)[:-2]
        rows = ",\n  ".join(json.dumps(asdict(p), ensure_ascii=False) for p in self.phonemes)
        return f'{lines},\n "energy": {json.dumps(list(self.energy))},\n "phonemes": [\n  {rows}\n ]\n}}\n'

    @classmethod
    def from_json(cls, text: str) -> Timing:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        data.pop("fps")
        phonemes = tuple(Phoneme(**row) for row in data.pop("phonemes"))
        return cls(**{**data, "phonemes": phonemes, "energy": tuple(data["energy"])})


class _Identity(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", _Identity),
    ]  # fmt: skip


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def synthesize(
    clip: str, text: str, voice: str, words_per_minute: int, script: str
) -> tuple[Timing, NDArray[np.int16]]:
    """Speak `text` and return its timing and the samples [N].

    Raises:
        OSError: the espeak-ng library is not installed.
    """
    library = ctypes.CDLL(ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1")
    rate = library.espeak_Initialize(_RETRIEVAL, 200, None, _PHONEME_EVENTS | _IPA | _DONT_EXIT)
    if rate <= 0:
        raise OSError("espeak-ng could not be started: its data folder is missing")
    chunks: list[NDArray[np.int16]] = []
    marks: list[tuple[int, str]] = []

    def receive(wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if wave and count > 0:
            chunks.append(np.ctypeslib.as_array(wave, (count,)).astype(np.int16).copy())
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                marks.append((event.sample, bytes(event.id.string).split(b"\0")[0].decode("utf-8", "ignore")))
            index += 1
        return 0

    callback = _Callback(receive)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise OSError(f"espeak-ng has no voice {voice}")
    library.espeak_SetParameter(_RATE, words_per_minute, 0)
    library.espeak_SetParameter(_VOLUME, 80, 0)
    encoded = text.encode()
    library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    library.espeak_Info.restype = ctypes.c_char_p
    engine = "espeak-ng " + library.espeak_Info(None).decode()
    return _assemble(clip, voice, engine, words_per_minute, text, script, rate, np.concatenate(chunks), marks)


def _assemble(
    clip: str, voice: str, engine: str, pace: int, text: str, script: str, rate: int, speech: NDArray[np.int16],
    marks: list[tuple[int, str]],
) -> tuple[Timing, NDArray[np.int16]]:  # fmt: skip
    """Add the silences, cut the phonemes, measure the loudness."""
    lead = round(LEAD * rate)
    frames = int(np.ceil((len(speech) / rate + LEAD + TAIL) * FPS))
    total = frames * rate // FPS
    samples = np.zeros(total, np.int16)
    samples[lead : lead + len(speech)] = speech
    spoken = [(LEAD + at / rate, name) for at, name in marks if not name.startswith("(")]
    starts = [0.0, *(at for at, _ in spoken)]
    names = ["", *(name.strip() for _, name in spoken)]
    ends = [*starts[1:], total / rate]
    phonemes: list[Phoneme] = []
    for start, end, name in zip(starts, ends, names, strict=True):
        if end - start < 1e-4:
            continue
        if phonemes and not name and not phonemes[-1].ipa:
            phonemes[-1] = Phoneme(phonemes[-1].start, round(end, 4), "")
        else:
            phonemes.append(Phoneme(round(start, 4), round(end, 4), name))
    block = samples[: frames * (rate // FPS)].reshape(frames, -1).astype(np.float64)
    loud = np.sqrt((block**2).mean(1))
    energy = tuple(float(x) for x in np.round(loud / loud.max(), 3))
    timing = Timing(clip, voice, engine, pace, text, script, rate, total, tuple(phonemes), energy)
    return timing, samples


def read_timing(path: Path) -> Timing:
    """Read a timing file."""
    return Timing.from_json(path.read_text(encoding="utf-8"))
