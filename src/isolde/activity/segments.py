"""Turn probabilities into times where singing starts and stops, as a stream; it reads no audio.

The rules and their names are pyannote's; Silero's are in brackets:

1. hysteresis: a segment begins at the first frame at or above `onset` (threshold) and ends at the
   first below `offset` (neg_threshold);
2. each segment grows by `pad_onset` and `pad_offset` (speech_pad_ms);
3. pauses shorter than `min_duration_off` (min_silence_duration_ms) are bridged;
4. segments shorter than `min_duration_on` (min_speech_duration_ms) are dropped.

Frame t stands for the time from (t - 1/2) to (t + 1/2) frames. Each segment's probability is the
mean over its frames, those of bridged pauses included.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from isolde.core.errors import InputError
from isolde.core.stage import Float32


@dataclass(frozen=True)
class SegmentRule:
    """Rule for the start and the end of singing. Thresholds in [0, 1], times in seconds.

    Attributes:
        onset: Probability at which a segment begins.
        offset: Probability below which it ends; not above `onset`.
        min_duration_on: Duration below which a segment is dropped.
        min_duration_off: Duration below which a pause is bridged.
        pad_onset: Time added before each segment.
        pad_offset: Time added after each segment.
    """

    onset: float = 0.5
    offset: float = 0.4
    min_duration_on: float = 0.15
    min_duration_off: float = 0.2
    pad_onset: float = 0.0
    pad_offset: float = 0.0

    def __post_init__(self) -> None:
        """Refuse invalid settings."""
        if not 0 <= self.offset <= self.onset <= 1:
            raise InputError(
                f"onset {self.onset}, offset {self.offset}: a segment must not end above the "
                "probability at which it begins: give 0 <= offset <= onset <= 1"
            )
        for name in ("min_duration_on", "min_duration_off", "pad_onset", "pad_offset"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name} {getattr(self, name)} is no duration: give 0 s or more")


@dataclass(frozen=True)
class Segment:
    """A stretch of singing.

    Attributes:
        start: Start in seconds.
        end: End in seconds.
        probability: Mean over its frames.
    """

    start: float
    end: float
    probability: float

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


@dataclass
class _Open:
    """An unfinished segment: frames [first, stop), and its padded start and end in seconds."""

    first: int
    stop: int
    start: float
    end: float


class Segmenter:
    """Probabilities (n,) in, finished segments out."""

    def __init__(self, frame_seconds: float, *, rule: SegmentRule | None = None) -> None:
        """Start a stream of frames that are `frame_seconds` apart."""
        self.frame_seconds, self.rule = frame_seconds, rule or SegmentRule()
        self.reset()

    def reset(self) -> None:
        """Start another song."""
        self._n = 0
        self._sum = [0.0]  # of all probabilities before each frame since the open segment's first
        self._first = 0  # the frame that _sum[0] stands before
        self._on = False
        self._last: _Open | None = None  # may still be bridged to the next

    @property
    def pending(self) -> tuple[float, float] | None:
        """Start and present end in seconds of the segment that may still grow, if any."""
        return None if self._last is None else (self._last.start, self._last.end)

    @property
    def settled(self) -> float:
        """Time in seconds before which no later segment can begin; may be below 0."""
        return (self._n - 0.5) * self.frame_seconds - self.rule.pad_onset

    def feed(self, probabilities: Float32, /) -> list[Segment]:
        """Take probabilities (n,) of the next frames; return the segments that cannot change."""
        done: list[Segment] = []
        for p in np.asarray(probabilities, np.float64).tolist():
            if not self._on and p >= self.rule.onset:
                self._begin(done)
            elif self._on and p < self.rule.offset:
                self._on = False
            self._sum.append(self._sum[-1] + p)
            self._n += 1
            if self._on:
                self._reach(self._n)
            self._settle(done)
        return done

    def flush(self, seconds: float | None = None) -> list[Segment]:
        """End the stream.

        Args:
            seconds: Length of the song, after which no segment ends; None for the centre of the
                last frame.

        Returns:
            The unfinished segment, if any.
        """
        length = max(0, self._n - 1) * self.frame_seconds if seconds is None else seconds
        done: list[Segment] = []
        if self._last is not None:
            self._last.end = min(self._last.end, length)
            self._finish(done)
        return done

    def _begin(self, done: list[Segment]) -> None:
        self._on = True
        start = max(0.0, (self._n - 0.5) * self.frame_seconds - self.rule.pad_onset)
        if self._last is not None:
            if start - self._last.end < self.rule.min_duration_off:
                return
            self._finish(done)
        self._sum, self._first = [0.0], self._n
        self._last = _Open(self._n, self._n, start, start)

    def _reach(self, stop: int) -> None:
        assert self._last is not None
        self._last.stop = stop
        self._last.end = (stop - 0.5) * self.frame_seconds + self.rule.pad_offset

    def _settle(self, done: list[Segment]) -> None:
        """Finish the last segment if no later frame can be joined to it."""
        if self._last is None:
            self._sum, self._first = [0.0], self._n
        elif not self._on:
            if self.settled - self._last.end >= self.rule.min_duration_off:
                self._finish(done)

    def _finish(self, done: list[Segment]) -> None:
        last, self._last = self._last, None
        assert last is not None
        if last.end > last.start and last.end - last.start >= self.rule.min_duration_on:
            total = self._sum[last.stop - self._first] - self._sum[last.first - self._first]
            done.append(Segment(last.start, last.end, total / (last.stop - last.first)))


def find_segments(
    probabilities: Float32,
    frame_seconds: float,
    *,
    seconds: float | None = None,
    rule: SegmentRule | None = None,
) -> tuple[Segment, ...]:
    """Return all segments of a song.

    Args:
        probabilities: Probabilities (n_frames,) in [0, 1].
        frame_seconds: Time from one frame to the next in seconds.
        seconds: Length of the song; None for the centre of the last frame.
        rule: Rule for the start and the end of singing.

    Returns:
        The segments, in order, without overlap.

    Examples:
        >>> probabilities = np.repeat(np.float32([0.1, 0.9, 0.1]), 100)
        >>> [found] = find_segments(probabilities, 0.01, seconds=3.0)
        >>> round(found.start, 1), round(found.end, 1)
        (1.0, 2.0)
    """
    stage = Segmenter(frame_seconds, rule=rule)
    return (*stage.feed(probabilities), *stage.flush(seconds))


def frames_of(
    segments: tuple[Segment, ...], n_frames: int, frame_seconds: float
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return which frames' centres lie in a segment, (n_frames,) bool.

    Raises:
        InputError: The segments are not in order or overlap.
    """
    if any(b.start < a.end for a, b in pairwise(segments)):
        raise InputError("segments overlap or are out of order: sort and join them first")
    times = np.arange(n_frames) * frame_seconds
    flags = np.zeros(n_frames, np.bool_)
    for s in segments:
        flags |= (times >= s.start) & (times < s.end)
    return flags
