"""Activity as text for other programs: CSV, JSON, Audacity labels, RTTM, SRT, LRC; no files.

Each writer takes an `Activity` and the track's name and returns the whole text, ending in a
newline. `srt_of`, `lrc_of` and `audacity_of` write any cues.
"""

import csv
import io
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from isolde.core.errors import InputError

if TYPE_CHECKING:
    from isolde.activity.finding import Activity


@dataclass(frozen=True)
class Cue:
    """A text to show during a stretch of time.

    Attributes:
        start: Start in seconds.
        end: End in seconds.
        text: One line of text.
    """

    start: float
    end: float
    text: str


def to_csv(activity: "Activity", track: str) -> str:
    """Write CSV: track, start, end, probability; one row per segment, times in seconds."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["track", "start", "end", "probability"])
    for s in activity.segments:
        rows.writerow([track, f"{s.start:.3f}", f"{s.end:.3f}", f"{s.probability:.3f}"])
    return text.getvalue()


def to_json(activity: "Activity", track: str) -> str:
    """Write one object: track, seconds, frame_seconds, segments and every frame's probability."""
    values = {
        "track": track,
        "seconds": round(activity.seconds, 6),
        "frame_seconds": activity.frame_seconds,
        "segments": [
            {
                "start": round(s.start, 3),
                "end": round(s.end, 3),
                "probability": round(s.probability, 3),
            }
            for s in activity.segments
        ],
        "probabilities": [round(p, 3) for p in activity.probabilities.tolist()],
    }
    return json.dumps(values, ensure_ascii=False) + "\n"


def to_audacity(activity: "Activity", track: str) -> str:
    """Write labels for Audacity (File > Import > Labels): start, end and label between tabs."""
    return audacity_of(
        [Cue(s.start, s.end, f"voice {s.probability:.2f}") for s in activity.segments]
    )


def to_rttm(activity: "Activity", track: str) -> str:
    """Write SPEAKER lines of NIST's Rich Transcription Time Marked, times in seconds.

    Spaces in the track's name, which separate the columns, become underscores.
    """
    name = "_".join(track.split()) or "-"
    return "".join(
        f"SPEAKER {name} 1 {s.start:.3f} {s.duration:.3f} <NA> <NA> voice <NA> <NA>\n"
        for s in activity.segments
    )


def to_srt(activity: "Activity", track: str) -> str:
    """Write SubRip subtitles with a note sign in place of words."""
    return srt_of(_signs(activity))


def to_lrc(activity: "Activity", track: str) -> str:
    """Write LRC with a note sign where each segment starts and an empty line where it ends."""
    return lrc_of(_signs(activity), track)


def audacity_of(cues: Sequence[Cue]) -> str:
    """Write cues, in order, as labels for Audacity."""
    return "".join(f"{c.start:.6f}\t{c.end:.6f}\t{c.text.replace(chr(9), ' ')}\n" for c in cues)


def srt_of(cues: Sequence[Cue]) -> str:
    """Write cues, in order, as SubRip subtitles."""
    return "\n".join(
        f"{i}\n{_clock(c.start)} --> {_clock(c.end)}\n{c.text}\n" for i, c in enumerate(cues, 1)
    )


def lrc_of(cues: Sequence[Cue], track: str) -> str:
    """Write cues, in order, as LRC; an empty line where a cue ends before the next one starts."""
    title = " ".join(track.split()).replace("[", "(").replace("]", ")")
    lines = [f"[ti:{title}]"]
    for cue, following in zip_longest(cues, cues[1:]):
        lines.append(f"[{_minutes(cue.start)}]{cue.text}")
        if following is None or _minutes(following.start) != _minutes(cue.end):
            lines.append(f"[{_minutes(cue.end)}]")
    return "\n".join(lines) + "\n"


def _signs(activity: "Activity") -> list[Cue]:
    """A note sign for each segment."""
    return [Cue(s.start, s.end, "♪") for s in activity.segments]


FORMATS: dict[str, tuple[str, Callable[["Activity", str], str]]] = {
    "csv": (".csv", to_csv),
    "json": (".json", to_json),
    "audacity": (".txt", to_audacity),
    "rttm": (".rttm", to_rttm),
    "srt": (".srt", to_srt),
    "lrc": (".lrc", to_lrc),
}
"""Suffix of the files and writer of each format, by name."""


def render(activity: "Activity", format_: str, *, track: str) -> str:
    """Return the text of an activity in one of `FORMATS`.

    Args:
        activity: Activity of a song.
        format_: "csv", "json", "audacity", "rttm", "srt" or "lrc".
        track: The song's name.

    Raises:
        InputError: The format is unknown.
    """
    return FORMATS[check_format(format_, FORMATS)][1](activity, track)


def check_format(format_: str, known: Collection[str]) -> str:
    """Return the name of a format if it is known.

    Args:
        format_: Name of a format.
        known: Names of all formats.

    Raises:
        InputError: It is unknown.
    """
    if format_ not in known:
        raise InputError(f"format '{format_}' is unknown: take one of {', '.join(known)}")
    return format_


def _clock(seconds: float) -> str:
    """Write a time as hh:mm:ss,mmm."""
    ms = round(seconds * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def _minutes(seconds: float) -> str:
    """Write a time as mm:ss.cc; from 100 minutes on with a third digit."""
    cs = round(seconds * 100)
    return f"{cs // 6000:02d}:{cs // 100 % 60:02d}.{cs % 100:02d}"
