"""What is sung as files of every format: activity's, with words where they fit, and melody's."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from isolde.activity import FORMATS as ACTIVITY_FORMATS
from isolde.activity.formats import audacity_of, check_format, lrc_of, srt_of
from isolde.core.errors import InputError
from isolde.karaoke.midi import to_midi
from isolde.karaoke.score import make_score
from isolde.karaoke.singing import Singing
from isolde.karaoke.textgrid import to_textgrid
from isolde.karaoke.words import WordLine, words_for


@dataclass(frozen=True)
class Format:
    """How a format is written.

    Attributes:
        suffix: Ending of its files.
        write: Function that takes what is sung and the track's name and gives the file's contents.
        holds_words: Whether it has a place for words.
        needs_notes: Whether it needs the melody.
        is_binary: Whether it is no text.
    """

    suffix: str
    write: Callable[[Singing, str], bytes]
    holds_words: bool = False
    needs_notes: bool = False
    is_binary: bool = False


def _activity(name: str) -> Callable[[Singing, str], bytes]:
    write = ACTIVITY_FORMATS[name][1]
    return lambda singing, track: write(singing.activity, track).encode("utf-8", "surrogateescape")


def _audacity(singing: Singing, track: str) -> bytes:
    if singing.lines is None:
        return _activity("audacity")(singing, track)
    return audacity_of(singing.lines).encode("utf-8", "surrogateescape")


def _srt(singing: Singing, track: str) -> bytes:
    if singing.lines is None:
        return _activity("srt")(singing, track)
    return srt_of(singing.lines).encode("utf-8", "surrogateescape")


def _lrc(singing: Singing, track: str) -> bytes:
    if singing.lines is None:
        return _activity("lrc")(singing, track)
    return lrc_of(singing.lines, track).encode("utf-8", "surrogateescape")


FORMATS: dict[str, Format] = {
    **{name: Format(suffix, _activity(name)) for name, (suffix, _) in ACTIVITY_FORMATS.items()},
    "audacity": Format(".txt", _audacity, holds_words=True),
    "srt": Format(".srt", _srt, holds_words=True),
    "lrc": Format(".lrc", _lrc, holds_words=True),
    "textgrid": Format(
        ".TextGrid",
        lambda singing, track: to_textgrid(singing).encode("utf-8", "surrogateescape"),
        holds_words=True,
        needs_notes=True,
    ),
    "midi": Format(
        ".mid",
        lambda singing, track: to_midi(make_score(singing), track),
        holds_words=True,
        needs_notes=True,
        is_binary=True,
    ),
}
"""All formats by name."""

SUFFIXES = {name: format_.suffix for name, format_ in FORMATS.items()}
"""Endings of the files, by format."""


def read_words_for(name: str, path: Path, *, n_songs: int = 1) -> tuple[WordLine, ...]:
    """Read the words for a file of a format.

    Args:
        name: Name of the format.
        path: Path of a text file, a line for each that is sung.
        n_songs: Number of songs that they would go to.

    Raises:
        InputError: The format is unknown or has no place for words, there are several songs, or
            the file cannot be used.
    """
    if not FORMATS[check_format(name, FORMATS)].holds_words:
        able = ", ".join(key for key, format_ in FORMATS.items() if format_.holds_words)
        raise InputError(f"the format {name} has no place for words: take one of {able}")
    return words_for(path, n_songs=n_songs)
