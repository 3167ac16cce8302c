"""Read the words of a song from a text file; it gives them no times."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from isolde.core.errors import InputError
from isolde.core.names import JOINERS

MAX_BYTES = 1_000_000
_HEADING = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True)
class WordLine:
    """A line of the words.

    Attributes:
        text: Words with single spaces between them.
        after_break: Whether a verse ends before it.
    """

    text: str
    after_break: bool = False


def parse_words(text: str) -> tuple[WordLine, ...]:
    r"""Split a text into lines; empty lines and headings like [Chorus] are breaks.

    Args:
        text: Text of the file.

    Examples:
        >>> [line.text for line in parse_words("[Verse]\nRow,  row\n\nyour boat\n")]
        ['Row, row', 'your boat']
    """
    lines: list[WordLine] = []
    after_break = False
    for row in text.splitlines():
        words = " ".join("".join(map(_plain, row)).split())
        if not words or _HEADING.fullmatch(words):
            after_break = bool(lines)
            continue
        lines.append(WordLine(words, after_break))
        after_break = False
    return tuple(lines)


def _plain(c: str) -> str:
    """A character of a word; a space for a control character, nothing for a hidden mark."""
    if c.isprintable() or c in JOINERS:
        return c
    return "" if unicodedata.category(c) == "Cf" else " "


def words_for(path: Path, *, n_songs: int) -> tuple[WordLine, ...]:
    """Read the words of a song, which must be the only one.

    Args:
        path: Path of the file.
        n_songs: Number of songs.

    Raises:
        InputError: There are several songs, or the file cannot be used.
    """
    if n_songs != 1:
        raise InputError(f"{path}: the words of one song for {n_songs} songs: give one song")
    return read_words(path)


def read_words(path: Path) -> tuple[WordLine, ...]:
    """Read a file of words.

    Args:
        path: Path of a text file in UTF-8, with one line per line to show.

    Raises:
        InputError: There is no such file, it is not text in UTF-8, or it holds no words.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}): give a text file with the song's words"
        ) from None
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: has more than {MAX_BYTES} bytes: give the words of one song")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not text in UTF-8 (byte {error.start}): save it as UTF-8"
        ) from None
    if "\0" in text:
        raise InputError(f"{path}: is not text (it holds a zero byte): give a text file")
    lines = parse_words(text)
    if not lines:
        raise InputError(f"{path}: holds no words: write a line for each line that is sung")
    return lines
