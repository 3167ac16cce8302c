"""The melody of one voice: pitches from samples, and notes from pitches; it separates nothing.

Pitches are SwiftF0's: a small network on the spectrogram at 16,000 Hz that is robust to noise
(Nieradzik: "SwiftF0: fast and accurate monophonic pitch detection", arXiv 2508.18440, 2025). Its
segmentation finds the notes: of all ways to cut the pitches into notes of one pitch and gaps, the
one with the least sum of distances, with a cost per note that sets its shortest duration. So
vibrato stays inside a note, whose pitch is a weighted median. A note begins and ends where its
level is 20 dB below its loud parts, which cuts off remains of rooms and instruments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from isolde.activity import Segment
from isolde.core.errors import InputError
from isolde.core.signal.resample import Resampler
from isolde.core.stage import Float32, check_block, check_open, checked_form

if TYPE_CHECKING:
    from swift_f0 import PitchResult

PITCH_RATE = 16_000
HOP = 256
_LOOK_AHEAD = 11  # frames: one, and ten of the network
_SHORTEST = 0.06  # seconds of a note
_QUIET_DB = 20.0  # below a note's loud parts; quieter ends are cut off

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True)
class Note:
    """A sung note.

    Attributes:
        start: Start in seconds.
        end: End in seconds.
        pitch: Pitch in semitones, as MIDI counts them: 69.0 is 440 Hz; not rounded.
    """

    start: float
    end: float
    pitch: float

    @property
    def semitone(self) -> int:
        """The nearest note of the keyboard, as MIDI counts them."""
        return min(127, max(0, int(np.floor(self.pitch + 0.5))))

    @property
    def name(self) -> str:
        """Name in scientific pitch notation, like A4."""
        return f"{NAMES[self.semitone % 12]}{self.semitone // 12 - 1}"


class PitchTracker:
    """Samples (n_channels, n) of one voice in, pitches (m, 3) out, one row every 16 ms.

    Columns are the pitch in Hz, the confidence in [0, 1] that there is one, and the level in dB.
    Row t is centred on the sample at t * 16 ms; a song of n samples at 16,000 Hz has n // 256 rows,
    and at least one.
    """

    frame_seconds = HOP / PITCH_RATE

    def __init__(self, *, sample_rate: int, n_channels: int) -> None:
        """Start a stream.

        Args:
            sample_rate: Sample rate of the voice in Hz.
            n_channels: Number of channels of the voice.

        Raises:
            InputError: There is no channel, or the rate is too low.
        """
        from swift_f0 import SwiftF0

        sample_rate, n_channels = checked_form(sample_rate, n_channels)
        self.sample_rate, self.n_channels = sample_rate, n_channels
        self._resampler = Resampler(sample_rate, PITCH_RATE, 1)
        self._network = SwiftF0(threads=1, spin=False)
        self._stream = self._network.stream()
        self._ended = False

    @property
    def latency(self) -> int:
        """Samples: the row at sample s is out once s + latency are in."""
        inside = _LOOK_AHEAD * HOP
        if self.sample_rate == PITCH_RATE:
            return inside
        return self._resampler.latency + ceil(inside * self.sample_rate / PITCH_RATE) + 1

    def reset(self) -> None:
        """Start another voice."""
        self._resampler.reset()
        self._stream = self._network.stream()
        self._ended = False

    def feed(self, block: Float32, /) -> Float32:
        """Take samples (n_channels, n) in [-1, 1]; return the rows (m, 3) that are ready.

        Raises:
            InputError: The block is no array of floats, has another number of channels, or holds
                NaN, infinity or values beyond `LOUDEST`; or the stream has ended.
        """
        check_open(ended=self._ended)
        check_block(block, n_channels=self.n_channels, finite="voice")
        mono = block.mean(axis=0, keepdims=True, dtype=np.float32)
        return _rows(self._stream.push(self._resampler.feed(mono)[0], PITCH_RATE))

    def flush(self) -> Float32:
        """End the stream; return the remaining rows.

        Raises:
            InputError: The stream has ended already.
        """
        check_open(ended=self._ended)
        self._ended = True
        last = _rows(self._stream.push(self._resampler.flush()[0], PITCH_RATE))
        return np.concatenate([last, _rows(self._stream.flush())])


def _rows(result: "PitchResult") -> Float32:
    columns = (result.pitch_hz, result.confidence, result.loudness_db)
    return np.stack(columns, axis=1).astype(np.float32)


def find_notes(
    pitches: Float32,
    *,
    segments: Sequence[Segment] | None = None,
    hold: float = 0.08,
) -> tuple[Note, ...]:
    """Find the notes in pitches.

    Args:
        pitches: Rows (n, 3) of a `PitchTracker`, of a whole song.
        segments: Stretches of singing; a note is dropped if less than half of it lies in them; None
            for all notes.
        hold: Seconds after which another pitch, a semitone away, is a new note.

    Returns:
        Notes in order, without overlap, none shorter than 60 ms.

    Raises:
        InputError: The pitches do not have that shape.
    """
    from swift_f0 import PitchResult, segment_notes

    shape = getattr(pitches, "shape", None)
    if not isinstance(pitches, np.ndarray) or pitches.ndim != 2 or pitches.shape[1] != 3:
        raise InputError(f"pitches of shape {shape}: give the rows (n, 3) of a PitchTracker")
    if not len(pitches):
        return ()
    frame = PitchTracker.frame_seconds
    times = np.arange(len(pitches)) * frame
    hz, confidence, level = pitches.astype(np.float64).T
    result = PitchResult(times, hz, np.clip(confidence, 0, 1), level)
    notes = []
    for found in segment_notes(result, pitch_hold_ms=1000 * hold):
        rows = np.arange(round(found.start / frame), round(found.end / frame))
        loud = rows[level[rows] >= np.percentile(level[rows], 90) - _QUIET_DB]
        # a row stands for half a frame on either side
        start, end = max(0.0, (loud[0] - 0.5) * frame), (loud[-1] + 0.5) * frame
        notes.append(Note(float(start), float(end), float(69 + 12 * np.log2(found.pitch_hz / 440))))
    return tuple(
        note
        for note in notes
        if note.end - note.start >= _SHORTEST
        and (segments is None or _sung(note, segments) >= (note.end - note.start) / 2)
    )


def _sung(note: Note, segments: Sequence[Segment]) -> float:
    """Number of seconds of a note that lie in segments."""
    return sum(max(0.0, min(note.end, s.end) - max(note.start, s.start)) for s in segments)
