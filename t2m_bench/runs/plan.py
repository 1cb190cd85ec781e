"""Which units a request asks for: pure functions from names to a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from t2m_bench.core.card import MethodCard
from t2m_bench.core.clip import Clip
from t2m_bench.core.errors import ConfigError, DataError, UnknownName, UsageError
from t2m_bench.core.method import DRIVES
from t2m_bench.core.registry import Registry, suggest
from t2m_bench.runs.label import MethodChoice, folder_name, make_choice, parse_label
from t2m_bench.runs.request import PROTOCOLS, Protocol, RunRequest

NO_DRIVE = "-"
"""Drive of a method that has no expression and pose inputs."""
_DEFAULT_DRIVES: dict[str, tuple[str, ...]] = {"reconstruction": ("P1", "P2"), "audio_driven": ("P4",)}
_ALLOWED_DRIVES: dict[str, tuple[str, ...]] = {"reconstruction": ("P1", "P2", "P3"), "audio_driven": ("P4",)}


@dataclass(frozen=True)
class Unit:
    """One video to be made and scored."""

    method: MethodChoice
    clip: Clip
    sound: Clip
    """Whose held-out sound drives: `clip` itself in `reconstruction`, another clip in `audio_driven`."""
    protocol: Protocol
    drive: str
    """P1 to P4, or `-`."""
    seed: int

    @property
    def sources(self) -> tuple[str, str]:
        """Where expression and pose come from: `reference`, `generated` or, without a drive, `-`."""
        return ("-", "-") if self.drive == NO_DRIVE else DRIVES[self.drive]  # type: ignore[index]

    @property
    def title(self) -> str:
        """For progress lines: `talk2me P1, clip Hill`."""
        drive = "" if self.drive == NO_DRIVE else f" {self.drive}"
        return f"{self.method.label}{drive}, clip {self.clip.id}"

    @property
    def folders(self) -> tuple[str, str, str]:
        """Folder names under the dataset's: protocol and drive, method label, clip."""
        drive = "" if self.drive == NO_DRIVE else f"-{self.drive}"
        return self.protocol + drive, folder_name(self.method.label), folder_name(self.clip.id)


def choose_methods(request: RunRequest, registry: Registry[MethodCard]) -> tuple[MethodChoice, ...]:
    """The methods of a request with their presets and settings, in the order asked, each once.

    A preset named in a label must exist; `request.preset` goes to every method that has it. `request.settings` go to
    every method that is no control; whether a method knows a setting is for the method to say.

    Raises:
        UnknownName: no such method, or a preset that none of them has.
        UsageError: there is no method, or settings for controls alone.
    """
    if not request.methods:
        raise UsageError("No method is named", hint="Name one with --method")
    parsed = [(registry.get(name), preset, own) for name, preset, own in map(parse_label, request.methods)]
    if request.preset is not None and not any(request.preset in card.presets for card, _, _ in parsed):
        known = {name for card, _, _ in parsed for name in card.presets}
        raise UnknownName(
            f"None of the chosen methods has a preset {request.preset!r}", hint=suggest(request.preset, known)
        )
    if request.settings and all(card.category == "control" for card, _, _ in parsed):
        raise UsageError(
            "Settings are given, but controls have none", hint="Leave out --set or name a method"
        )
    choices: dict[str, MethodChoice] = {}
    for card, preset, own in parsed:
        if preset is not None and preset not in card.presets:
            raise UnknownName(f"{card.name} has no preset {preset!r}", hint=suggest(preset, card.presets))
        general = request.preset if request.preset in card.presets else None
        settings = own if card.category == "control" else {**request.settings, **own}
        choice = make_choice(card, preset or general or card.default_preset, settings)
        choices.setdefault(choice.label, choice)
    return tuple(choices.values())


def choose_clips(clips: Sequence[Clip], request: RunRequest) -> tuple[Clip, ...]:
    """The clips of a request in the dataset's order.

    Raises:
        DataError: the dataset is empty.
        UnknownName: there is no clip of that id.
        UsageError: the limit is not positive.
    """
    if request.limit is not None and request.limit < 1:
        raise UsageError(f"A limit of {request.limit} clips leaves nothing to do", hint="Give 1 or more")
    if not clips:
        raise DataError(f"Dataset {request.dataset!r} holds no clips", hint="Check the folder of --data-root")
    known = {clip.id for clip in clips}
    for name in request.clips:
        if name not in known:
            raise UnknownName(f"Dataset {request.dataset!r} has no clip {name!r}", hint=suggest(name, known))
    chosen = [clip for clip in clips if not request.clips or clip.id in request.clips]
    return tuple(chosen[: request.limit])


def drives_of(card: MethodCard, request: RunRequest) -> tuple[str, ...]:
    """Drives in which a method runs under a request; empty where it has no part in it.

    `reconstruction`: P1 and P2 unless others are named; a method without drives runs once. `audio_driven`: P4; a
    method without drives runs once, and controls are left out, for other sound means nothing to them.

    Raises:
        ConfigError: the card offers a drive with reference motion but does not declare that it sees it.
    """
    if not card.drives:
        left_out = request.protocol == "audio_driven" and card.category == "control"
        return () if left_out else (NO_DRIVE,)
    asked = request.drives or _DEFAULT_DRIVES[request.protocol]
    drives = tuple(dict.fromkeys(drive for drive in asked if drive in card.drives))
    for drive in drives:
        if "reference" in DRIVES[drive] and "test_motion" not in card.sees:
            raise ConfigError(
                f"The card of {card.name} offers {drive} but does not declare that it sees test_motion",
                hint="Add test_motion to its `sees`",
            )
    return drives


def plan_units(
    choices: Sequence[MethodChoice], chosen: Sequence[Clip], every: Sequence[Clip], request: RunRequest
) -> tuple[Unit, ...]:
    """All units of a request: by clip, then by method, then by drive.

    In `audio_driven` the sound comes from the next clip of the dataset, the first one after the last.

    Args:
        choices: methods.
        chosen: clips to run on.
        every: all clips of the dataset, in its order.
        request: protocol, drives and seed.

    Raises:
        UsageError: drives that do not belong to the protocol, no method left, or no second clip to take sound from.
    """
    check_drives(request)
    if request.protocol == "audio_driven" and len(every) < 2:
        raise UsageError(
            f"audio_driven takes the sound of another clip, and dataset {request.dataset!r} has only one",
            hint="Use --protocol reconstruction",
        )
    drives = {choice.label: drives_of(choice.card, request) for choice in choices}
    if not any(drives.values()):
        names = ", ".join(drives)
        asked = ", ".join(request.drives or _DEFAULT_DRIVES[request.protocol])
        raise UsageError(
            f"None of the chosen methods ({names}) can run {request.protocol} with {asked}",
            hint="`t2m-bench methods list` tells the drives of each",
        )
    place = {clip.id: number for number, clip in enumerate(every)}
    units = []
    for clip in chosen:
        other = every[(place[clip.id] + 1) % len(every)]
        sound = other if request.protocol == "audio_driven" else clip
        for choice in choices:
            for drive in drives[choice.label]:
                units.append(Unit(choice, clip, sound, request.protocol, drive, request.seed))
    return tuple(units)


def check_drives(request: RunRequest) -> None:
    """Refuse a protocol or a drive that does not exist, and drives of another protocol.

    Raises:
        UnknownName, UsageError: which and what there is instead.
    """
    if request.protocol not in PROTOCOLS:
        raise UnknownName(f"Unknown protocol {request.protocol!r}", hint=suggest(request.protocol, PROTOCOLS))
    allowed = _ALLOWED_DRIVES[request.protocol]
    for drive in request.drives:
        if drive not in DRIVES:
            raise UnknownName(f"Unknown drive {drive!r}", hint=suggest(drive, allowed))
        if drive not in allowed:
            home = next(name for name, drives in _ALLOWED_DRIVES.items() if drive in drives)
            raise UsageError(
                f"Drive {drive} does not belong to the protocol {request.protocol}",
                hint=f"Use --protocol {home}",
            )
