"""The formats that isolde writes, by name, and what is known of a file; opens nothing.

Their limits are those of libsndfile 1.2 and FFmpeg 8; module `limits` checks them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from isolde.audio.encoding.base import Encoder, Sound
from isolde.core.errors import InputError
from isolde.core.packages import given_by_packages

GROUP = "isolde.formats"
"""Entry point group by which other packages give formats, as `Container`s with an encoder."""

TAG_NAMES = (
    "title",
    "artist",
    "album",
    "date",
    "genre",
    "tracknumber",
    "comment",
    "copyright",
    "license",
)
"""The tags that are copied from file to file; a container that has no place for one drops it."""

AUDIO_SUFFIXES = tuple(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .m4a .w64 .rf64 .au .caf .aac .wma .wave .aifc "
    ".snd .mp2 .mpga .m4b .alac .mka .spx .wv .ape .tta .tak .mpc .ac3 .eac3 .dts .amr .awb .ra "
    ".dsf .dff".split()
)
"""Of files that hold sound alone; the preferred first where one sound is there twice."""

VIDEO_SUFFIXES = tuple(
    ".mp4 .mkv .webm .mov .avi .m4v .mpg .mpeg .ts .flv .ogv .wmv .asf .3gp .3g2 .rm".split()
)
"""Of files that hold a picture too, mostly."""

BIT_DEPTHS = {"16": "PCM_16", "24": "PCM_24", "32": "PCM_32", "32f": "FLOAT"}
"""Bit depths as a user writes them, and the subtype that each one is."""

INTEGER_BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}

ALAC = ("ALAC_16", "ALAC_24")
LOSSLESS = (*INTEGER_BITS, "FLOAT", *ALAC)
"""Subtypes that give back the samples; all others are lossy."""


@dataclass(frozen=True)
class AudioInfo:
    """What is known of a file before it is decoded.

    Attributes:
        path: The name as it was given, or the name of the stream.
        sample_rate: Sample rate in Hz.
        n_channels: Number of channels.
        n_samples: Samples per channel; None where only decoding can tell (pipes, and all that
            FFmpeg reads).
        container: Container of the file, upper case ("WAV", "FLAC", "OGG", "MP3", "MP4", ...).
        subtype: Subtype of the samples, as libsndfile names them ("PCM_16", "FLOAT", "VORBIS",
            ...); for files read through FFmpeg, its name of the codec in upper case ("AAC").
        tags: Title, artist and so on: the names are those of `TAG_NAMES`.
        about_seconds: The duration that the container claims, where `n_samples` is None; good
            for a progress bar only.
        bit_depth: Bit depth of a lossless source that FFmpeg reads, one of `BIT_DEPTHS`; None where
            the subtype tells it, or there is none.
        late_samples: Samples of silence put before the sound of a video that begins after the
            picture.
    """

    path: str
    sample_rate: int
    n_channels: int
    n_samples: int | None
    container: str
    subtype: str
    tags: Mapping[str, str] = field(default_factory=dict)
    about_seconds: float | None = None
    bit_depth: str | None = None
    late_samples: int = 0

    @property
    def about_samples(self) -> int | None:
        """Samples per channel, exact where `n_samples` is known, else claimed, else None."""
        if self.n_samples is not None or self.about_seconds is None:
            return self.n_samples
        return round(self.about_seconds * self.sample_rate)

    @property
    def seconds(self) -> float | None:
        """The duration in seconds, exact where `n_samples` is known, else claimed, else None."""
        if self.n_samples is None:
            return self.about_seconds
        return self.n_samples / self.sample_rate


@dataclass(frozen=True)
class Container:
    """One kind of file that can be written, with its limits.

    Attributes:
        name: As a user writes it.
        suffix: Of the files' names.
        subtypes: How samples can be stored, the usual way first: "PCM_16", "PCM_24", "PCM_32",
            "FLOAT", or the name of a lossy codec.
        max_channels: Largest number of channels.
        rates: Sample rates in Hz that it holds; empty for all up to `max_rate`.
        max_rate: Highest sample rate in Hz.
        muxer: FFmpeg's name of it; empty where FFmpeg does not write it.
        encoder: Maker of an encoder to a stream that can seek, for a format of another package;
            None for isolde's own.
    """

    name: str
    suffix: str
    subtypes: tuple[str, ...]
    max_channels: int
    rates: tuple[int, ...] = ()
    max_rate: int = 2**31 - 1
    muxer: str = ""
    encoder: Callable[[BinaryIO, Sound], Encoder] | None = None

    @property
    def lossy(self) -> bool:
        """Whether the decoded samples differ from the written ones, unless one asks for more."""
        return self.subtypes[0] not in LOSSLESS

    @property
    def is_mp4(self) -> bool:
        """Whether its files are of MP4's family."""
        return self.muxer in ("ipod", "mp4")

    def rate_for(self, sample_rate: int) -> int:
        """Return the sample rate in Hz at which sound is stored.

        Its own if the container holds it, else the next higher one that it holds, or its highest.
        """
        if not self.rates or sample_rate in self.rates or sample_rate < 1:
            return sample_rate
        return min((rate for rate in self.rates if rate > sample_rate), default=max(self.rates))


_OPUS_RATES = (48000,)
"""Opus runs at 48 kHz; other rates in its header are hearsay."""
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_RATES = (*_MP3_RATES, 7350, 64000, 88200, 96000)

CONTAINERS = {
    kind.name: kind
    for kind in (
        Container("wav", ".wav", ("PCM_16", "PCM_24", "PCM_32", "FLOAT"), 65535),
        Container("flac", ".flac", ("PCM_16", "PCM_24"), 8, max_rate=655350, muxer="flac"),
        Container("ogg", ".ogg", ("VORBIS",), 255, max_rate=200000),
        Container("opus", ".opus", ("OPUS",), 8, rates=_OPUS_RATES),
        Container("mp3", ".mp3", ("MPEG_LAYER_III",), 2, rates=_MP3_RATES, muxer="mp3"),
        Container("m4a", ".m4a", ("AAC", *ALAC), 8, rates=_AAC_RATES, muxer="ipod"),
        Container("alac", ".m4a", ALAC, 8, max_rate=384000, muxer="ipod"),
    )
}
"""The formats that isolde writes itself, by name."""

_ALIASES = {"wave": "wav", "rf64": "wav", "wavex": "wav", "oga": "ogg", "aac": "m4a"}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@cache
def _packages() -> tuple[list[Container], list[str]]:
    return given_by_packages(GROUP, _checked, what="formats")


def _checked(kind: Any) -> Container:
    """Refuse what a package gives if it is no format that can be written."""
    if not isinstance(kind, Container):
        raise TypeError(f"{kind!r} is no isolde.audio.Container")
    if kind.encoder is None or not kind.subtypes:
        raise ValueError(f"format '{kind.name}' has no encoder or no subtype")
    if not _NAME.fullmatch(kind.name) or not _NAME.fullmatch(kind.suffix.removeprefix(".")):
        raise ValueError(f"format '{kind.name}' with the suffix '{kind.suffix}': take a-z, 0-9")
    if kind.name in {*CONTAINERS, *_ALIASES} or not kind.suffix.startswith("."):
        raise ValueError(f"format '{kind.name}' has a name of isolde's, or a suffix without a dot")
    return kind


def installed_formats() -> dict[str, Container]:
    """Find the formats that other installed packages write, by name."""
    return {kind.name: kind for kind in _packages()[0]}


def format_faults() -> list[str]:
    """Return a line for each package whose formats cannot be used."""
    return list(_packages()[1])


def container_named(name: str) -> Container:
    """Find the container for a name or a suffix: isolde's own, or that of another package.

    Args:
        name: "wav", ".flac", "MP3"...: case and a leading dot do not matter.

    Raises:
        InputError: Neither isolde nor an installed package writes that container.
    """
    if not isinstance(name, str):
        raise InputError(f"the format is {name!r}: give its name, like 'wav'")
    key = name.lower().lstrip(".")
    kind = CONTAINERS.get(_ALIASES.get(key, key))
    if kind is not None:
        return kind
    others = installed_formats()
    if key in others:
        return others[key]
    for kind in others.values():
        if kind.suffix == f".{key}":
            return kind
    known = ", ".join([*CONTAINERS, *others])
    lost = "".join(f"; {fault}" for fault in format_faults())
    raise InputError(f"cannot write audio files of kind '{name}': choose one of {known}{lost}")


def container_for(path: str | Path) -> Container:
    """Find the container for the suffix of a file name.

    Raises:
        InputError: The name has no suffix, or one that isolde cannot write.
    """
    suffix = Path(path).suffix
    if not suffix:
        known = ", ".join(f".{name}" for name in CONTAINERS)
        raise InputError(f"{path}: the name has no suffix to tell the format: add one of {known}")
    return container_named(suffix)
