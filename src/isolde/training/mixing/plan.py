"""Draw the settings of each example from its own seed; it touches no sound.

Example i of seed s is the same whenever, wherever and on whichever device it is made, alone or
among others: so a run that stops goes on with the same examples, and processes share a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from isolde.core.signal.spectrum import GRID_22
from isolde.training.mixing.settings import MixSettings
from isolde.training.mixing.timeline import TAPS, Song

HARMONIES = (-12, -5, -4, -3, 3, 4, 5, 7)
"""Semitones between a voice and another that sings along."""

SILENT = -400.0
"""Gain in dB of a stem that is left out."""


@dataclass(frozen=True)
class Cut:
    """A stretch of one stem.

    Attributes:
        start: First sample on the timeline.
        end: Where its song ends on the timeline.
        speed: Samples of the recording for one of the example.
        swap: Whether left and right change places.
        gain_db: Of the stem.
    """

    start: int
    end: int
    speed: float = 1.0
    swap: bool = False
    gain_db: float = 0.0


@dataclass(frozen=True)
class Width:
    """Where a voice is panned, and a second take that sings along.

    Attributes:
        place: From -1, left, to 1, right; None: where it was recorded.
        second: The second take; None: there is none.
        second_place: Where the second take stands.
    """

    place: float | None
    second: Cut | None
    second_place: float = 0.0


@dataclass(frozen=True)
class Plan:
    """One example.

    Attributes:
        cuts: One for each stem.
        apart: Whether the voice's gain is over the level of its backing, not over its own.
        width: Of the voice; None: as it was recorded.
        mono: Whether all channels become their mean.
        invert: Whether the right channel is turned around.
        level_db: Of the mixture, RMS.
        over_db: By how much a limiter works under the loudest frame; 0: none.
        low_hz: Nothing sounds below.
        top_hz: Nothing sounds above.
        equaliser_db: (n_stems, 5) gains over the logarithm of frequency.
        activity: (n_frames of `GRID_22`,) where the voice sounds.
    """

    cuts: tuple[Cut, ...]
    apart: bool
    width: Width | None
    mono: bool
    invert: bool
    level_db: float
    over_db: float
    low_hz: float
    top_hz: float
    equaliser_db: NDArray[np.float64]
    activity: NDArray[np.bool_]


class Planner:
    """Draws plans of examples from songs."""

    def __init__(self, songs: Sequence[Song], settings: MixSettings, *, seed: int) -> None:
        """Prepare to draw.

        Args:
            songs: Of a timeline, some with a voice and some with a backing.
            settings: How examples are made.
            seed: Of all that is random.
        """
        self.songs, self.settings, self.seed = songs, settings, seed
        lengths = np.array([s.length for s in songs], float)
        voice = np.array([s.voice and s.activity.any() for s in songs])
        backing = np.array([s.backing for s in songs])
        weights = lengths * backing
        plain = weights[~voice].sum()
        if plain and weights[voice].sum():
            share = settings.plain / max(1e-9, 1 - settings.plain) * weights[voice].sum() / plain
            weights[~voice] *= min(1.0, share)
        self._voices = np.cumsum(lengths * voice) / (lengths * voice).sum()
        self._backings = np.cumsum(weights) / weights.sum()
        self._sounding = [np.flatnonzero(s.activity) for s in songs]
        counts = [len(f) if v else 0 for f, v in zip(self._sounding, voice, strict=True)]
        self._ends = np.cumsum(counts)

    def plan(self, index: int, n: int, *, stems: int) -> Plan:
        """Plan an example.

        Args:
            index: Of the example, from 0.
            n: Samples at 22,050 Hz.
            stems: 2, a voice and a backing, or 4: vocals, drums, bass and other.
        """
        rng, s = np.random.default_rng([self.seed, index]), self.settings
        song, start = self._voice(rng, n)
        speed, swap = self._speed(rng), bool(rng.random() < 0.5)
        together = song.backing and bool(rng.random() < s.same_song)
        cuts, tops = [Cut(start, song.end, speed, swap)], [song.top_hz]
        for _ in range(stems - 1):
            if together:
                cuts.append(Cut(start, song.end, speed, swap))
                continue
            other = self._pick(rng, self._backings)
            place = self._anywhere(rng, other, n)
            cuts.append(Cut(place, other.end, self._speed(rng), bool(rng.random() < 0.5)))
            tops.append(other.top_hz)
        apart = stems == 2 and not together
        gains = rng.normal(0, s.jitter_db, stems)
        if stems == 2:
            gains[0], gains[1] = rng.normal(*s.balance_db) if apart else gains[0], 0.0
        silent = bool(rng.random() < s.no_voice)
        gains[0] = SILENT if silent else gains[0]
        cuts = [_at(c, g) for c, g in zip(cuts, gains.tolist(), strict=True)]
        low, top = self._band(rng, min(tops))
        uneven = rng.random(stems) < s.equalise
        wide = stems == 2 and rng.random() < s.wide
        return Plan(
            cuts=tuple(cuts),
            apart=apart,
            width=self._width(rng, cuts[0], song.start) if wide else None,
            mono=bool(rng.random() < s.mid),
            invert=bool(rng.random() < s.invert),
            level_db=float(rng.uniform(*s.level_db)),
            over_db=float(rng.uniform(2, 9)) if rng.random() < s.limit else 0.0,
            low_hz=low,
            top_hz=top,
            equaliser_db=rng.normal(0, s.equalise_db, (stems, 5)) * uneven[:, None],
            activity=_activity(song, start, speed, n) & (not silent),
        )

    def _pick(self, rng: np.random.Generator, shares: NDArray[np.float64]) -> Song:
        """A song by the cumulative shares of all."""
        return self.songs[int(np.searchsorted(shares, rng.random(), "right"))]

    def _speed(self, rng: np.random.Generator) -> float:
        semitones = rng.uniform(-self.settings.tune_semitones, self.settings.tune_semitones)
        return float(2 ** (semitones / 12)) if rng.random() < self.settings.tune else 1.0

    def _last(self, song: Song, n: int) -> int:
        """Number of places to start from, at the highest speed."""
        return max(1, song.length - ceil(n * 2 ** (self.settings.tune_semitones / 12)) - TAPS)

    def _anywhere(self, rng: np.random.Generator, song: Song, n: int) -> int:
        return song.start + int(rng.integers(self._last(song, n)))

    def _voice(self, rng: np.random.Generator, n: int) -> tuple[Song, int]:
        """A song, and a place in it: around a frame in which the voice sounds, or anywhere."""
        if rng.random() >= self.settings.voiced:
            song = self._pick(rng, self._voices)
            return song, self._anywhere(rng, song, n)
        chosen = int(rng.integers(self._ends[-1]))
        which = int(np.searchsorted(self._ends, chosen, "right"))
        song, frames = self.songs[which], self._sounding[which]
        centre = int(frames[chosen - self._ends[which]]) * GRID_22.hop
        start = np.clip(centre - int(rng.integers(n)), 0, self._last(song, n) - 1)
        return song, song.start + int(start)

    def _width(self, rng: np.random.Generator, voice: Cut, first: int) -> Width:
        """Where a voice stands, and who sings along: itself, out of tune by cents, or a harmony."""
        place = float(rng.uniform(-1, 1)) if rng.random() < 0.5 else None
        if rng.random() >= 0.7:
            return Width(place, None)
        cents = rng.normal(0, 0.1) if rng.random() < 0.6 else float(rng.choice(HARMONIES))
        late = int(rng.uniform(0.008, 0.04) * GRID_22.sample_rate)
        gain = float(20 * np.log10(rng.uniform(0.4, 1.0)))
        speed = voice.speed * 2 ** (cents / 12)
        second = Cut(max(first, voice.start - late), voice.end, speed, gain_db=gain)
        return Width(place, second, float(rng.uniform(-1, 1)))

    def _band(self, rng: np.random.Generator, top_hz: float) -> tuple[float, float]:
        """Below and above which nothing sounds; for all stems alike, or treble is never voice."""
        s, low = self.settings, 0.0
        if rng.random() < s.band:
            top_hz = min(top_hz, float(rng.uniform(3000, GRID_22.sample_rate / 2)))
        if rng.random() < s.phone:
            top_hz = min(top_hz, float(rng.uniform(2800, 4000)))
            low = float(rng.uniform(150, 500))
        return low, top_hz


def _at(cut: Cut, gain_db: float) -> Cut:
    return Cut(cut.start, cut.end, cut.speed, cut.swap, gain_db)


def _activity(song: Song, start: int, speed: float, n: int) -> NDArray[np.bool_]:
    """Where the voice sounds in a stretch of a song, frame by frame of `GRID_22`."""
    steps = np.arange(GRID_22.n_frames(n))
    frames = np.round((start - song.start) / GRID_22.hop + speed * steps).astype(int)
    found: NDArray[np.bool_] = song.activity[np.clip(frames, 0, len(song.activity) - 1)]
    return found & (frames < len(song.activity))
