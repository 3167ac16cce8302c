"""Activity as text that other programs read: CSV, JSON, Audacity labels, RTTM, SRT, LRC; no files.

All take an `Activity` and the track's name and give the whole text, ending in a newline.
"""

import csv
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from isolde.core.errors import InputError

if TYPE_CHECKING:
    from isolde.activity.finding import Activity


def to_csv(activity: "Activity", track: str) -> str:
    """Columns track, start, end, probability; a row for each segment, times in seconds."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["track", "start", "end", "probability"])
    for s in activity.segments:
        rows.writerow([track, f"{s.start:.3f}", f"{s.end:.3f}", f"{s.probability:.3f}"])
    return text.getvalue()


def to_json(activity: "Activity", track: str) -> str:
    """Return one object: track, seconds, frame_seconds, segments and every frame's probability."""
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
    """Audacity's label track (File > Import > Labels): start, end and a label, tabs between."""
    lines = [f"{s.start:.6f}\t{s.end:.6f}\tvoice {s.probability:.2f}" for s in activity.segments]
    return "".join(f"{line}\n" for line in lines)


def to_rttm(activity: "Activity", track: str) -> str:
    """NIST's Rich Transcription Time Marked: SPEAKER lines with onset and duration in seconds.

    Spaces in the track's name, which separate the columns, become underscores.
    """
    name = "_".join(track.split()) or "-"
    return "".join(
        f"SPEAKER {name} 1 {s.start:.3f} {s.duration:.3f} <NA> <NA> voice <NA> <NA>\n"
        for s in activity.segments
    )


def to_srt(activity: "Activity", track: str) -> str:
    """SubRip subtitles with a note sign where the words go."""
    return "\n".join(
        f"{i}\n{_clock(s.start)} --> {_clock(s.end)}\n♪\n"
        for i, s in enumerate(activity.segments, 1)
    )


def to_lrc(activity: "Activity", track: str) -> str:
    """LRC cues, ready for words: a line where each segment starts, an empty one where it ends."""
    title = " ".join(track.split()).replace("[", "(").replace("]", ")")
    lines = [f"[ti:{title}]"]
    for s in activity.segments:
        lines += [f"[{_minutes(s.start)}]♪", f"[{_minutes(s.end)}]"]
    return "\n".join(lines) + "\n"


FORMATS: dict[str, tuple[str, Callable[["Activity", str], str]]] = {
    "csv": (".csv", to_csv),
    "json": (".json", to_json),
    "audacity": (".txt", to_audacity),
    "rttm": (".rttm", to_rttm),
    "srt": (".srt", to_srt),
    "lrc": (".lrc", to_lrc),
}
"""Name of each format: its files' suffix and its writer."""


def render(activity: "Activity", format_: str, *, track: str) -> str:
    """Return the text of an activity in one of `FORMATS`.

    Args:
        activity: Activity of a song.
        format_: "csv", "json", "audacity", "rttm", "srt" or "lrc".
        track: The song's name.

    Raises:
        InputError: When the format is unknown.
    """
    return FORMATS[check_format(format_)][1](activity, track)


def check_format(format_: str) -> str:
    """Return the format's name.

    Raises:
        InputError: When it is unknown.
    """
    if format_ not in FORMATS:
        raise InputError(f"format '{format_}' is unknown: take one of {', '.join(FORMATS)}")
    return format_


def _clock(seconds: float) -> str:
    """hh:mm:ss,mmm."""
    ms = round(seconds * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def _minutes(seconds: float) -> str:
    """mm:ss.cc; songs beyond 99 minutes get a third digit."""
    cs = round(seconds * 100)
    return f"{cs // 6000:02d}:{cs // 100 % 60:02d}.{cs % 100:02d}"
