"""Place lines of words on the sung phrases of a song, without recognising words.

The result is a first alignment for a person to correct. Lines keep their order, and begin and end
where somebody sings. Sung time is the integral of the probability of singing over the phrases. A
line is expected to take a share of it by its syllables, if 60, 75 or 90 % of all sung time has
words, whichever is cheapest: detectors take guitars for voices, and singers sing without words.
Dynamic programming over the places where lines may begin and end finds the alignment with the
least cost, the sum of

* 3 log(seconds / expected seconds)^2 for each line;
* 0.3 exp(-pause / 0.5 s) at each beginning and each end of a line: 0.3 inside of a phrase;
* exp(-pause / 2 s) there instead, if the text has a break;
* 2 (1 - exp(-pause / 1 s)) for each pause inside a line;
* 0.5, and 0.3 for each second, for sung time without words between lines, before and after them.

The constants were chosen on songs with manual times: docs/guide/karaoke.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isolde.activity import Activity, Cue, Segment
from isolde.core.errors import InputError
from isolde.karaoke.syllables import count_syllables, is_english
from isolde.karaoke.words import WordLine

SHORTEST = 0.3
"""Least mean of sung seconds per line; more lines are refused."""

SHARES = (0.6, 0.75, 0.9)
"""Shares of the sung time that may have words."""

_STEP = 0.2  # seconds between places inside a phrase
_LEAST = 0.05  # least probability that sung time is weighted with
_MAX_STRETCH = 5.0  # longest line, as a multiple of its expected seconds, or...
_MAX_SECONDS = 3.0  # ...in seconds, whichever is more

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Places:
    """Places where lines may begin and end, (n,) each, from the start to the end of all singing.

    Attributes:
        sung: Sung time in seconds before it.
        pause: Seconds of silence at it: 0 inside a phrase, infinite at the first and the last.
        end: End in seconds of a line that ends here.
        start: Start in seconds of a line that begins here.
    """

    sung: Floats
    pause: Floats
    end: Floats
    start: Floats


def place_lines(lines: Sequence[WordLine], activity: Activity) -> tuple[Cue, ...]:
    """Give every line a time when somebody sings.

    Args:
        lines: Lines of the words.
        activity: Where somebody sings: its segments are the phrases.

    Returns:
        A cue for each line, in order, without overlap; each starts and ends in a segment or at its
        edge.

    Raises:
        InputError: Nobody sings, or too little for so many lines.

    Examples:
        >>> sung = (Segment(1.0, 3.0, 1.0), Segment(4.0, 6.0, 1.0))
        >>> activity = Activity(np.ones(700, np.float32), 0.01, sung, 7.0)
        >>> lines = [WordLine("Row your boat"), WordLine("down the stream")]
        >>> for cue in place_lines(lines, activity):
        ...     print(cue.start, cue.end, cue.text)
        1.0 3.0 Row your boat
        4.0 6.0 down the stream
    """
    if not lines:
        return ()
    segments = [s for s in activity.segments if s.duration > 0]
    total = sum(s.duration for s in segments)
    if total <= 0:
        raise InputError("no singing was found: there is no place for the words")
    if total < SHORTEST * len(lines):
        raise InputError(
            f"{len(lines)} lines of words for {total:.1f} s of singing are too many: give the "
            f"words of this song, at most {int(total / SHORTEST)} lines"
        )
    places = _places_in(activity, segments, min(_STEP, total / (4 * len(lines))))
    english = is_english(line.text for line in lines)
    syllables = np.array([count_syllables(line.text, english=english) for line in lines])
    breaks = [line.after_break for line in lines]
    found = [
        _cheapest(share * places.sung[-1] * syllables / syllables.sum(), breaks, places)
        for share in SHARES
    ]
    _, spans = min(found, key=lambda costed: costed[0])
    return tuple(
        Cue(float(places.start[a]), float(places.end[b]), line.text)
        for line, (a, b) in zip(lines, spans, strict=True)
    )


def _places_in(activity: Activity, segments: Sequence[Segment], step: float) -> _Places:
    """The edges of all segments and places about every `step` seconds inside them."""
    frame = activity.frame_seconds
    edges = (np.arange(len(activity.probabilities) + 1) - 0.5) * frame
    weights = np.maximum(activity.probabilities.astype(np.float64), _LEAST)
    integral = np.concatenate([[0.0], np.cumsum(weights * frame)])
    sung, pause, end, start = [0.0], [np.inf], [segments[0].start], [segments[0].start]
    for k, segment in enumerate(segments):
        n = max(1, round(segment.duration / step))
        times = segment.start + segment.duration * np.arange(n + 1) / n
        sung += [*(sung[-1] + np.cumsum(np.diff(np.interp(times, edges, integral))))]
        is_last = k + 1 == len(segments)
        following = segment.end if is_last else segments[k + 1].start
        end += [*times[1:-1], segment.end]
        start += [*times[1:-1], following]
        pause += [*np.zeros(n - 1), np.inf if is_last else following - segment.end]
    return _Places(*(np.asarray(values, np.float64) for values in (sung, pause, end, start)))


def _cheapest(
    expected: Floats, breaks: Sequence[bool], places: _Places
) -> tuple[float, list[tuple[int, int]]]:
    """The least cost, and the places where each line begins and ends.

    Args:
        expected: Expected seconds (n_lines,) of each line.
        breaks: Whether the text has a break before each line.
        places: Where lines may begin and end.
    """
    n = len(places.sung)
    edge = 0.3 * np.exp(-places.pause / 0.5), np.exp(-places.pause / 2)  # usually; at breaks
    over = 2 * (1 - np.exp(-places.pause))
    upto = np.cumsum(over)
    wordless = 0.3 * places.sung
    begun = wordless.copy()  # cost up to each place if a line begins there
    begun[1:] += 0.5
    begun += edge[0]
    begins: list[Ints] = []  # where a line that ends at each place begins
    ends: list[Ints] = []  # where the line before one that begins at each place ends
    for i, seconds in enumerate(expected):
        ended, begin = _lines_from(begun, seconds, places.sung, upto, over)
        begins.append(begin)
        at_edge = edge[i + 1 < len(expected) and breaks[i + 1]]
        ended += at_edge
        if i + 1 < len(expected):
            begun, end = _after(ended, wordless)
            begun += at_edge
            ends.append(end)
    ended += wordless[-1] - wordless + 0.5 * (np.arange(n) < n - 1)
    b = int(ended.argmin())
    cost, spans = float(ended[b]), list[tuple[int, int]]()
    for i in reversed(range(len(expected))):
        a = int(begins[i][b])
        spans.append((a, b))
        b = int(ends[i - 1][a]) if i else 0
    return cost, spans[::-1]


def _lines_from(
    begun: Floats, seconds: float, sung: Floats, upto: Floats, over: Floats
) -> tuple[Floats, Ints]:
    """The cost of a line that ends at each place, and where it begins."""
    n = len(sung)
    best, begin = np.full(n, np.inf), np.zeros(n, np.int64)
    reach = max(_MAX_STRETCH * seconds, _MAX_SECONDS)
    inside = upto - over  # of the pauses before each place
    for k in range(1, n):
        length = sung[k:] - sung[:-k]
        if k > 1 and length.min() > reach:
            break
        here = begun[:-k] + 3 * np.log(length / seconds) ** 2 + inside[k:] - upto[:-k]
        better = here < best[k:]
        best[k:][better] = here[better]
        begin[k:][better] = np.arange(n - k)[better]
    return best, begin


def _after(ended: Floats, wordless: Floats) -> tuple[Floats, Ints]:
    """The cost up to each place if the next line begins there, and where the line before ends.

    That is the same place, or an earlier one with wordless singing between them.
    """
    n = len(ended)
    ahead = ended - wordless
    least = np.minimum.accumulate(ahead)
    where = np.maximum.accumulate(np.where(ahead <= least, np.arange(n), 0))
    begun, end = ended.copy(), np.arange(n)
    later = least[:-1] + wordless[1:] + 0.5
    better = later < begun[1:]
    begun[1:][better] = later[better]
    end[1:][better] = where[:-1][better]
    return begun, end
