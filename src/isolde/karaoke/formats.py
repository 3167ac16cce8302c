"""The singing of a song in every format: the formats of `activity`, with words, and notes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from isolde.activity import FORMATS as ACTIVITY_FORMATS
from isolde.activity import Cue
from isolde.activity.formats import audacity_of, check_format, lrc_of, srt_of
from isolde.core.errors import InputError
from isolde.karaoke.midi import to_midi
from isolde.karaoke.score import make_score
from isolde.karaoke.singing import Singing
from isolde.karaoke.textgrid import to_textgrid
from isolde.karaoke.words import WordLine, words_for


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
        suffix: Suffix of its files.
        write: Function that makes a file's contents from the singing and the track's name.
        holds_words: Whether it has a place for words.
        needs_notes: Whether it needs the melody.
        is_binary: Whether it is not text.
    """

    suffix: str
    write: Callable[[Singing, str], bytes]
    holds_words: bool = False
    needs_notes: bool = False
    is_binary: bool = False


def _text(name: str, write_cues: Callable[[Sequence[Cue], str], str] | None = None) -> Format:
    """A format of `activity`; `write_cues` writes words in place of the segments."""
    suffix, write_activity = ACTIVITY_FORMATS[name]

    def write(singing: Singing, track: str) -> bytes:
        if write_cues is None or singing.lines is None:
            return _encode(write_activity(singing.activity, track))
        return _encode(write_cues(singing.lines, track))

    return Format(suffix, write, holds_words=write_cues is not None)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


FORMATS: dict[str, Format] = {
    **{name: _text(name) for name in ACTIVITY_FORMATS},
    "audacity": _text("audacity", lambda lines, track: audacity_of(lines)),
    "srt": _text("srt", lambda lines, track: srt_of(lines)),
    "lrc": _text("lrc", lrc_of),
    "textgrid": Format(
        ".TextGrid",
        lambda singing, track: _encode(to_textgrid(singing)),
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
"""Suffixes of the files, by format."""


def read_words_for(name: str, path: Path, *, n_songs: int = 1) -> tuple[WordLine, ...]:
    """Read the words for a file of a format.

    Args:
        name: Name of the format.
        path: Path of a text file with one sung line per line.
        n_songs: Number of songs that would get the words.

    Raises:
        InputError: The format is unknown or has no place for words, there are several songs, or
            the file cannot be used.
    """
    if not FORMATS[check_format(name, FORMATS)].holds_words:
        able = ", ".join(key for key, format_ in FORMATS.items() if format_.holds_words)
        raise InputError(f"the format {name} has no place for words: take one of {able}")
    return words_for(path, n_songs=n_songs)
