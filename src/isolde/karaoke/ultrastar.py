"""The score of a song as an UltraStar text, version 1 of the format; it writes no file.

https://usdx.eu/format: a beat is a quarter of a beat of #BPM, and here 40 ms, whatever the song's
own tempo; beat 0 is #GAP milliseconds after the start; pitches are in semitones from C4.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from isolde.core.errors import InputError
from isolde.karaoke.score import ScoreNote

VERSION = "1.1.0"
BEAT = 0.04
"""Seconds of a beat."""

BPM = round(60 / (4 * BEAT))
MIDDLE_C = 60
CONTINUED = "~"
"""Text of a syllable that continues or is unknown."""

_LATEST_BREAK = round(1.0 / BEAT)  # beats after a line until it disappears
_COMMENT = "first alignment by isolde, to be corrected by hand"


@dataclass(frozen=True)
class SongFiles:
    """Names of the sound files beside the text.

    Attributes:
        audio: Name of the file of the song.
        vocals: Name of the file of the voice.
        instrumental: Name of the file of the accompaniment.
        cover: Name of the picture; None without.
    """

    audio: str
    vocals: str
    instrumental: str
    cover: str | None = None


def to_ultrastar(
    score: Sequence[Sequence[ScoreNote]], files: SongFiles, tags: Mapping[str, str], *, track: str
) -> str:
    """Make the text of a song.

    Args:
        score: Lines of notes, at least one; those without a pitch become freestyle notes.
        files: Names of the sound files.
        tags: Title, artist, date and genre of the song, if it has them.
        track: Name of the song, used as its title if it has none.

    Returns:
        Text of a file in UTF-8.

    Raises:
        InputError: There is no note.
    """
    if not score:
        raise InputError("no singing was found: there are no notes to write")
    gap = round(1000 * score[0][0].start)
    year = re.search(r"\d{4}", tags.get("date", ""))
    header = {
        "VERSION": VERSION,
        "TITLE": tags.get("title", "") or track,
        "ARTIST": tags.get("artist", "") or "Unknown artist",
        "MP3": files.audio,
        "AUDIO": files.audio,
        "VOCALS": files.vocals,
        "INSTRUMENTAL": files.instrumental,
        "COVER": files.cover or "",
        "BPM": str(BPM),
        "GAP": str(gap),
        "GENRE": tags.get("genre", ""),
        "YEAR": year[0] if year else "",
        "COMMENT": _COMMENT,
    }
    rows = [f"#{key}:{' '.join(value.split())}" for key, value in header.items() if value.strip()]
    lines = _in_beats(score, gap / 1000)
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        for note in line:
            kind, pitch = (":", note.semitone - MIDDLE_C) if note.semitone is not None else ("F", 0)
            text = note.text or CONTINUED
            rows.append(f"{kind} {note.start} {note.end - note.start} {pitch} {text}")
        if following is not None:
            end, start = line[-1].end, following[0].start
            rows.append(f"- {end + min((start - end) // 2, _LATEST_BREAK)}")
    return "\n".join([*rows, "E"]) + "\n"


def _in_beats(score: Sequence[Sequence[ScoreNote]], gap: float) -> list[list[ScoreNote]]:
    """Round times to whole beats: in order, without overlap, each note at least one beat long.

    Between lines a beat stays free for the break if the last note is longer than a beat.
    """
    lines: list[list[ScoreNote]] = []
    now = 0
    for line in score:
        notes: list[ScoreNote] = []
        for note in line:
            start = max(now, round((note.start - gap) / BEAT))
            now = max(start + 1, round((note.end - gap) / BEAT))
            notes.append(replace(note, start=start, end=now))
        last = lines[-1][-1] if lines else None
        if last is not None and last.end == notes[0].start and last.end - last.start > 1:
            lines[-1][-1] = replace(last, end=last.end - 1)
        lines.append(notes)
    return lines
