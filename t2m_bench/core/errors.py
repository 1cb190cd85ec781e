"""Every error a user can meet, as one tree.

    T2MError
    |-- UsageError            wrong use: an unknown name, a bad option (exit code 2)
    |   |-- ConfigError       a card, recipe or setting that does not validate
    |   `-- UnknownName       a method, dataset, metric or preset that does not exist
    |-- DataError             the input at hand cannot be used
    |   |-- MissingData       a dataset folder or clip that is not there
    |   |-- VideoError        unreadable, truncated or empty video
    |   |-- AudioError        no audio track, or audio that cannot be decoded
    |   |   `-- AudioMissing
    |   |-- FpsMismatch       not constant 25 fps where the recipe demands it
    |   `-- TrackingError     no face, or a face lost for too long
    |       `-- NoFaceFound
    |-- AssetError            a model file that is missing or has the wrong hash
    |   `-- AssetMissing
    |-- ShapeError            an array of the wrong shape, dtype or content
    |-- MethodError           a method failed to fit or to synthesize
    |-- MetricError           a metric cannot be computed on this input
    |-- OutputError           the output folder cannot be used
    |   `-- OutputBusy        another run holds it
    `-- DependencyError       a library or system package that cannot be loaded

Each carries one sentence of fact (`message`) and one of remedy (`hint`), and, where it is about one clip,
the clip's id.
"""

from __future__ import annotations

__all__ = [
    "AssetError",
    "AssetMissing",
    "AudioError",
    "AudioMissing",
    "ConfigError",
    "DataError",
    "DependencyError",
    "FpsMismatch",
    "MethodError",
    "MetricError",
    "MissingData",
    "NoFaceFound",
    "OutputBusy",
    "OutputError",
    "ShapeError",
    "T2MError",
    "TrackingError",
    "UnknownName",
    "UsageError",
    "VideoError",
]


class T2MError(Exception):
    """Base of all errors of this package.

    Args:
        message: what is wrong, with which file or clip, in one sentence without the final stop.
        hint: what to do about it, in one sentence; empty when there is nothing to do.
        clip: id of the clip concerned, where there is one.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", clip: str | None = None) -> None:
        super().__init__(message, hint, clip)
        self.message = message.rstrip(".")
        self.hint = hint.rstrip(".")
        self.clip = clip

    def __str__(self) -> str:
        text = f"{self.clip}: {self.message}" if self.clip and self.clip not in self.message else self.message
        return f"{text}. {self.hint}." if self.hint else f"{text}."

    @property
    def kind(self) -> str:
        """Name of the error class, as records store it."""
        return type(self).__name__


class UsageError(T2MError):
    """The command or call was used wrongly."""

    exit_code = 2


class ConfigError(UsageError):
    """A card, recipe or setting does not validate."""


class UnknownName(UsageError):
    """A name that no registry knows."""


class DataError(T2MError):
    """The input at hand cannot be used."""


class MissingData(DataError):
    """A dataset folder or a clip is not there."""


class VideoError(DataError):
    """A video cannot be read, is truncated or holds no frames."""


class AudioError(DataError):
    """An audio stream cannot be decoded."""


class AudioMissing(AudioError):
    """A clip has no audio track."""


class FpsMismatch(DataError):
    """A clip is not constant 25 fps where that is demanded."""


class TrackingError(DataError):
    """A face could not be tracked well enough."""


class NoFaceFound(TrackingError):
    """No face in any frame."""


class AssetError(T2MError):
    """A model file cannot be used."""


class AssetMissing(AssetError):
    """A model file is not on this machine."""


class ShapeError(T2MError):
    """An array has the wrong shape, dtype or content."""


class MethodError(T2MError):
    """A method failed."""


class MetricError(T2MError):
    """A metric cannot be computed on this input."""


class OutputError(T2MError):
    """The output folder cannot be used."""


class OutputBusy(OutputError):
    """Another run is writing to the output folder."""


class DependencyError(T2MError):
    """A library or one of its system packages cannot be loaded."""
