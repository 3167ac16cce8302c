"""Lines of words spread over the sung phrases of a song; it hears neither words nor voice.

Nothing is recognised: this is a first alignment for a person to correct. Lines keep their order,
and every sung second belongs to one line. A line is expected to take its share of the sung seconds
by its syllables. Lines meet in pauses or, where there are more lines than phrases, inside a phrase;
where there are fewer, a line goes on over a pause. Of all ways to do so the cheapest is taken, by
dynamic programming over the places where lines may meet, the sum of

* log(seconds / expected seconds)^2 for each line,
* exp(-pause / 0.5 s) where two lines meet, 1 inside a phrase,
* 2 exp(-pause / 2 s) there instead, where the text has a break,
* 1.5 (1 - exp(-pause / 1 s)) for each pause inside of a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isolde.activity import Cue, Segment
from isolde.core.errors import InputError
from isolde.karaoke.syllables import count_syllables, is_english
from isolde.karaoke.words import WordLine

SHORTEST = 0.3
"""Sung seconds that a line needs in the mean, so that more lines than that are no song's words."""

_STEP = 0.2  # seconds between places inside a phrase where lines may meet
_MAX_STRETCH = 6.0  # times the expected seconds that a line may take, or...
_MAX_SECONDS = 3.0  # ...this, where that is more


@dataclass(frozen=True)
class _Places:
    """Where lines may meet, (n,) each: first and last are the beginning and end of all singing.

    Attributes:
        sung: Sung seconds before it.
        pause: Seconds of silence at it, 0 inside a phrase.
        end: Time in seconds at which a line ends that ends here.
        start: Time in seconds at which a line begins that begins here.
    """

    sung: NDArray[np.float64]
    pause: NDArray[np.float64]
    end: NDArray[np.float64]
    start: NDArray[np.float64]


def place_lines(lines: Sequence[WordLine], segments: Sequence[Segment]) -> tuple[Cue, ...]:
    """Give every line a time at which somebody sings.

    Args:
        lines: Lines of the words.
        segments: Stretches of singing, in order, without overlap.

    Returns:
        A cue for each line, in order, without overlap: each starts and ends in a segment or at its
        edge, and together they cover all segments.

    Raises:
        InputError: Nobody sings, or too little for so many lines.

    Examples:
        >>> sung = [Segment(1.0, 3.0, 1.0), Segment(4.0, 6.0, 1.0)]
        >>> for cue in place_lines([WordLine("Row your boat"), WordLine("down the stream")], sung):
        ...     print(cue.start, cue.end, cue.text)
        1.0 3.0 Row your boat
        4.0 6.0 down the stream
    """
    if not lines:
        return ()
    segments = [s for s in segments if s.duration > 0]
    total = sum(s.duration for s in segments)
    if total <= 0:
        raise InputError("nobody is heard singing: there is no place for the words")
    if total < SHORTEST * len(lines):
        raise InputError(
            f"{len(lines)} lines of words for {total:.1f} s of singing are too many: give the "
            f"words of this song, at most {int(total / SHORTEST)} lines"
        )
    places = _places_in(segments, min(_STEP, total / (4 * len(lines))))
    chosen = _cheapest(lines, places)
    return tuple(
        Cue(float(places.start[a]), float(places.end[b]), line.text)
        for line, a, b in zip(lines, chosen, chosen[1:], strict=False)
    )


def _places_in(segments: Sequence[Segment], step: float) -> _Places:
    """The edges of all segments and, inside them, a place every `step` seconds or so."""
    sung, pause, end, start = [0.0], [0.0], [segments[0].start], [segments[0].start]
    for k, segment in enumerate(segments):
        n = max(1, round(segment.duration / step))
        inner = segment.start + segment.duration * np.arange(1, n) / n
        sung += [*(sung[-1] + (inner - segment.start)), sung[-1] + segment.duration]
        end += [*inner, segment.end]
        following = segments[k + 1].start if k + 1 < len(segments) else segment.end
        start += [*inner, following]
        pause += [*np.zeros(n - 1), following - segment.end]
    return _Places(*(np.asarray(values, np.float64) for values in (sung, pause, end, start)))


def _cheapest(lines: Sequence[WordLine], places: _Places) -> list[int]:
    """The places at which lines meet, and the first and the last: one more than lines."""
    n = len(places.sung)
    english = is_english(line.text for line in lines)
    weights = np.array([count_syllables(line.text, english=english) for line in lines])
    expected = weights * places.sung[-1] / weights.sum()
    upto = np.cumsum(1.5 * (1 - np.exp(-places.pause)))  # of the pauses, this one included
    before = np.concatenate([[0.0], upto[:-1]])
    meeting = np.exp(-places.pause / 0.5), 2 * np.exp(-places.pause / 2)
    cost = np.full(n, np.inf)
    cost[0] = 0.0
    back = np.zeros((len(lines), n), np.int64)
    for i, seconds in enumerate(expected):
        reach = max(_MAX_STRETCH * seconds, _MAX_SECONDS)
        best = np.full(n, np.inf)
        for k in range(1, n):
            length = places.sung[k:] - places.sung[:-k]
            if length.min() > reach and k > 1:
                break
            here = cost[:-k] + np.log(length / seconds) ** 2 + before[k:] - upto[:-k]
            better = here < best[k:]
            best[k:][better] = here[better]
            back[i, k:][better] = np.arange(n - k)[better]
        if i + 1 < len(lines):
            best += meeting[lines[i + 1].after_break]
        cost = best
    chosen = [n - 1]
    for i in reversed(range(len(lines))):
        chosen.append(int(back[i, chosen[-1]]))
    return chosen[::-1]
