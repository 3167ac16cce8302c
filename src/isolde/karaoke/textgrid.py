"""The singing of a song as a Praat TextGrid of interval tiers; it writes no file."""

from collections.abc import Iterable, Sequence

from isolde.activity import Cue
from isolde.karaoke.singing import Singing


def to_textgrid(singing: Singing) -> str:
    """Make a TextGrid with the tiers `voice`, `words` if there are any, and `notes`.

    The text of an interval is "voice", a line, or a note's name like A4; pauses are empty.

    Args:
        singing: Singing of a song, with its notes.

    Returns:
        Text in Praat's long format, for a file in UTF-8.
    """
    seconds = singing.activity.seconds
    tiers = {"voice": [Cue(s.start, s.end, "voice") for s in singing.activity.segments]}
    if singing.lines is not None:
        tiers["words"] = list(singing.lines)
    tiers["notes"] = [Cue(n.start, n.end, n.name) for n in singing.notes]
    rows = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {seconds:.6f}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for k, (name, cues) in enumerate(tiers.items(), 1):
        intervals = list(_without_gaps(cues, seconds))
        rows += [
            f"    item [{k}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            "        xmin = 0",
            f"        xmax = {seconds:.6f}",
            f"        intervals: size = {len(intervals)}",
        ]
        for i, cue in enumerate(intervals, 1):
            text = cue.text.replace('"', '""')
            rows += [
                f"        intervals [{i}]:",
                f"            xmin = {cue.start:.6f}",
                f"            xmax = {cue.end:.6f}",
                f'            text = "{text}"',
            ]
    return "\n".join(rows) + "\n"


def _without_gaps(cues: Sequence[Cue], seconds: float) -> Iterable[Cue]:
    """The cues, and empty cues between them, from 0 to the end: a tier has no gaps.

    Times are whole microseconds, and no interval has length 0.
    """
    now, last = 0, round(seconds * 1e6)
    for cue in cues:
        start, end = (min(last, round(t * 1e6)) for t in (cue.start, cue.end))
        start = max(now, start)
        if end <= start:
            continue
        if start > now:
            yield Cue(now / 1e6, start / 1e6, "")
        yield Cue(start / 1e6, end / 1e6, cue.text)
        now = end
    if now < last or not last:
        yield Cue(now / 1e6, last / 1e6, "")
