"""A small world to run in: drawn clips, fast methods, one metric. Everything goes through the real executor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.card import DatasetCard, MethodCard, SplitCard
from t2m_bench.core.clip import Clip
from t2m_bench.core.digest import digest_of
from t2m_bench.core.errors import MethodError, NoFaceFound, UnknownName
from t2m_bench.core.method import Reporter, Request
from t2m_bench.core.metric import MetricInfo
from t2m_bench.core.recipe import Recipe, recipes
from t2m_bench.core.record import MetricValue
from t2m_bench.core.registry import Registry
from t2m_bench.core.subject import Footage, Subject
from t2m_bench.core.track import Track
from t2m_bench.media.video import VideoWriter, iter_frames
from t2m_bench.metrics.score import NO_REFERENCE
from t2m_bench.runs.wiring import Wiring

SIZE = (32, 32)
FPS = 25.0
TRAIN, TEST = 30, 10
STEPS = 4
METRIC = "psnr@rgb"


class Lines:
    """A reporter that keeps everything."""

    def __init__(self) -> None:
        self.logs: list[str] = []
        self.stages: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        self.stages.append(name)

    def advance(self, steps: int = 1, note: str = "") -> None:
        pass

    def log(self, text: str) -> None:
        self.logs.append(text)


def make_clip(name: str, frames: int = TRAIN + TEST) -> Clip:
    return Clip(
        id=name, dataset="toy", speaker=f"speaker of {name}", language="en", video=Path(f"{name}.mp4"), fps=FPS,
        frames=frames, width=SIZE[0], height=SIZE[1], sha256=digest_of(name, 64), synthetic=True,
    )  # fmt: skip


def make_track(frames: int, shift: float = 0.0) -> Track:
    rng = np.random.default_rng(7)
    return Track(
        landmarks=(rng.random((frames, 478, 3)) * 30 + shift).astype(np.float32),
        blendshapes=rng.random((frames, 52)).astype(np.float32),
        pose=np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1)),
        ear=np.full((frames, 2), 0.3, np.float32),
        box=np.tile(np.array([2, 2, 30, 30], np.float32), (frames, 1)),
        valid=np.ones(frames, np.bool_),
        size=SIZE,
        fps=FPS,
        fov_deg=20.0,
        source="ground-truth",
    )


@dataclass(frozen=True)
class ToyFootage:
    clip_id: str
    start: int
    length: int
    fps: float = FPS
    size: tuple[int, int] = SIZE
    salt: str = ""

    @property
    def track(self) -> Track:
        return make_track(self.length, self.start / 10)

    @property
    def digest(self) -> str:
        return digest_of([self.clip_id, self.start, self.length, self.salt])

    def __len__(self) -> int:
        return self.length

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[NDArray[np.uint8]]:
        for number in range(self.start, self.start + self.length):
            frame = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
            frame[8:24, 4 + number % 16 : 12 + number % 16] = (len(self.clip_id) * 9) % 256
            yield frame

    def audio(self, rate: int = 16000) -> NDArray[np.float32]:
        samples = np.arange(int(self.length * rate / self.fps)) / rate
        return (0.3 * np.sin(2 * np.pi * (200 + 40 * len(self.clip_id)) * samples)).astype(np.float32)


@dataclass(frozen=True)
class ToyPrepared:
    subject: Subject
    held_out: Footage
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToyScore:
    values: dict[str, MetricValue]
    unavailable: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = SIZE
    rendered_size: tuple[int, int] = SIZE
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToyDataset:
    card: DatasetCard
    names: tuple[str, ...]

    def clips(self, root: Path | None = None) -> list[Clip]:
        return [make_clip(name) for name in self.names]

    def digests(self, clips: Sequence[Clip]) -> dict[str, Any]:
        return {"available": ",".join(clip.id for clip in clips), "clips": len(clips)}


class ToyMethod:
    """Paints each frame in a grey that follows all it was given; `learner` trains in steps that it keeps on disk."""

    def __init__(self, world: World, card: MethodCard, preset: str, settings: Mapping[str, str]) -> None:
        if unknown := set(settings) - {"lpe"}:
            raise UnknownName(f"Unknown setting {unknown.pop()!r}", hint="Did you mean 'lpe'")
        self.world, self.card, self.preset, self.settings = world, card, preset, dict(settings)

    def identity(self) -> dict[str, Any]:
        return {"preset": self.preset, "settings": self.settings, "salt": self.world.salt}

    def fit(self, subject: Subject, workdir: Path, seed: int, report: Reporter) -> Path:
        self.world.fits.append(f"{self.card.name} {subject.id}")
        if self.card.name == "untrainable":
            raise RuntimeError("loss is not finite")
        state = workdir / "state.txt"
        report.stage("train", STEPS)
        done = state.read_text().split() if state.exists() else []
        for step in range(len(done), STEPS):
            self.world.event(f"fit step {step}")
            time.sleep(self.world.step_seconds)
            done.append(str(step * 7 + seed))
            state.with_suffix(".new").write_text(" ".join(done))
            state.with_suffix(".new").rename(state)
            report.advance(1, f"loss {step}")
            report.log(f"trained step {step}")
        target = workdir / "checkpoint"
        target.mkdir(exist_ok=True)
        (target / "weights.txt").write_text(f"{self.preset} {sum(map(int, done))}")
        return target

    def synthesize(self, request: Request, checkpoint: Path | None, workdir: Path, report: Reporter) -> Path:
        self.world.requests.append((self.card.name, request))
        self.world.event("synthesize")
        if self.card.name == "broken":
            raise MethodError("the renderer gave up", hint="Use another one", clip=request.subject.id)
        if self.card.name == "buggy":
            raise ValueError("shapes (3,) and (4,) do not match\nsecond line")
        weights = (checkpoint / "weights.txt").read_text() if checkpoint else ""
        seen = [
            weights,
            request.expression,
            request.pose,
            request.seed,
            request.motion is None,
            self.card.name,
        ]
        grey = int(digest_of([str(item) for item in seen], 2), 16)
        path = workdir / "made.mkv"
        frames = request.frames - 1 if self.card.name == "short" else request.frames
        with VideoWriter(path, request.fps, request.size, lossless=True) as video:
            for number in range(frames):
                video.write(np.full((SIZE[1], SIZE[0], 3), (grey + number) % 256, np.uint8))
                if number == 5:
                    self.world.event("mid synthesize")
        return path


def card(name: str, **values: Any) -> MethodCard:
    defaults: dict[str, Any] = {
        "title": name.title(), "summary": "A toy.", "license": "Apache-2.0", "entry": "none:None",
        "category": "control", "fits": False, "sees": ("train_frames",), "code": ("t2m_bench.core.digest",),
    }  # fmt: skip
    return MethodCard(name=name, **{**defaults, **values})


LEARNS: dict[str, Any] = {
    "category": "3DGS",
    "fits": True,
    "drives": ("P1", "P2", "P3", "P4"),
    "sees": ("train_frames", "test_motion"),
    "presets": ("tiny", "small"),
    "default_preset": "small",
}
CARDS = (
    card("steady"),
    card("oracle", oracle=True, sees=("test_frames",)),
    card("watcher", sees=("test_motion",)),
    card("speaker", category="GAN", sees=()),
    card("learner", **LEARNS),
    card("other", **LEARNS),
    card("untrainable", **LEARNS),
    card("broken", category="GAN"),
    card("buggy", category="NeRF"),
    card("short", category="GAN"),
)


@dataclass
class World:
    """The parts of a run, what they saw, and knobs to make them fail."""

    clips: tuple[str, ...] = ("ann", "berta")
    salt: str = ""
    """Changes the identity of all methods."""
    footage_salt: str = ""
    step_seconds: float = 0.0
    on_event: Callable[[int, str], None] = lambda number, name: None
    no_face: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lacking: dict[str, str] = field(default_factory=dict)
    """Metrics that lack something on this machine."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """Metrics that the scorer could not compute."""
    requests: list[tuple[str, Request]] = field(default_factory=list)
    fits: list[str] = field(default_factory=list)
    scored: list[Path] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def event(self, name: str) -> None:
        self.events.append(name)
        self.on_event(len(self.events), name)

    def wiring(self) -> Wiring:
        return Wiring(
            methods=lambda: _registry("method", {item.name: item for item in CARDS}),
            make_method=lambda card, preset, settings: ToyMethod(self, card, preset, settings),
            dataset=lambda name: _registry("dataset", {"toy": ToyDataset(_toy_card(), self.clips)}).get(name),
            recipe=lambda name: recipes().get(name).model_copy(update={"metrics": (METRIC,)}),
            prepare=self.prepare,
            score=self.score,
            metric_infos=lambda: {METRIC: MetricInfo(METRIC, "PSNR", "higher", "dB", "A toy.", 2)},
            lacking=lambda recipe: self.lacking,
            cache=lambda: Path("nowhere"),
        )

    def prepare(
        self, clip: Clip, card: DatasetCard, recipe: Recipe, *, cache: Path, report: Reporter
    ) -> ToyPrepared:
        self.event(f"prepare {clip.id}")
        if clip.id in self.no_face:
            raise NoFaceFound("no frame shows a face", hint="Use another clip", clip=clip.id)
        train = ToyFootage(clip.id, 0, TRAIN, salt=self.footage_salt)
        subject = Subject(clip.id, clip.speaker, clip.language, train, synthetic=True)
        return ToyPrepared(subject, ToyFootage(clip.id, TRAIN, TEST, salt=self.footage_salt), self.notes)

    def score(
        self,
        prediction: Path,
        held_out: Footage | None,
        recipe: Recipe,
        report: Reporter,
        *,
        sound: Path,
        cache: Path,
        lacking: Mapping[str, str],
    ) -> ToyScore:
        self.event("score")
        self.scored.append(prediction)
        assert sound.is_file()
        if self.unavailable or held_out is None:
            return ToyScore({}, dict(self.unavailable) or {METRIC: NO_REFERENCE})
        pairs = zip(iter_frames(prediction), held_out.frames(), strict=True)
        each = tuple(float(np.abs(a.astype(int) - b.astype(int)).mean()) for a, b in pairs)
        value = MetricValue(
            value=sum(each) / len(each), unit="dB", direction="higher", frames=len(each), frames_asked=len(each),
            per_frame=each,
        )  # fmt: skip
        return ToyScore({METRIC: value})


def _toy_card() -> DatasetCard:
    return DatasetCard(
        name="toy", title="Toy", summary="Drawn.", license="Apache-2.0", entry="none:none", languages=("en",),
        synthetic=True, recipe="native", split=SplitCard(train_fraction=0.75), how_to_get="It is here",
    )  # fmt: skip


def _registry(kind: str, items: Mapping[str, Any]) -> Registry[Any]:
    registry: Registry[Any] = Registry(kind)
    for name, item in items.items():
        registry.register(name, lambda item=item: item, origin="the toy world")
    return registry


def comparable(out: Path) -> dict[str, Any]:
    """All records under a folder, without their cost."""
    from t2m_bench.runs.store import read_records

    return {
        f"{record.dataset}/{record.protocol}-{record.drive}/{record.method}/{record.clip}": record.comparable()
        for record in read_records(out)
    }
