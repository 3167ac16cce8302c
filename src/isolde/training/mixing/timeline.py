"""All songs of a training in the device's memory, one after another, as int16; it mixes nothing.

A stretch of a stem is cut from there, at another speed if wanted: sample i of the result lies at
p = start + speed i of the recording, and is read between its samples by a windowed sinc,

    y[i] = sum_k x[k] c h(c (p - k)),   h(d) = sinc(d) cos^2(pi d / (2 TAPS)) for |d| < TAPS,

whose corner c = min(1, 1 / speed) keeps what would alias out (Smith, "Digital audio resampling",
CCRMA). At speed 1 the samples are taken as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isolde.core.errors import InputError
from isolde.core.signal.spectrum import GRID_22
from isolde.datasets.mixing.library import FULL_SCALE, Entry, Int16

TAPS = 8
"""Samples to either side that an interpolated sample is made of."""

MARGIN = 32
"""Silent samples before, between and behind the songs: no cut reads a neighbour."""

QUARTET = ("vocals", "drums", "bass", "other")
PAIR = ("vocals", "accompaniment")


@dataclass(frozen=True)
class Song:
    """The place of a song on the timeline, and what it holds.

    Attributes:
        start: First sample on the timeline.
        length: Samples.
        voice: Whether it has a voice.
        backing: Whether it has what accompanies one.
        top_hz: Highest frequency that the recording holds.
        activity: (n_frames,) of `GRID_22`: where the voice sounds.
    """

    start: int
    length: int
    voice: bool
    backing: bool
    top_hz: float
    activity: NDArray[np.bool_]

    @property
    def end(self) -> int:
        """First sample after the song."""
        return self.start + self.length


class Timeline:
    """Songs in the memory of a device.

    Attributes:
        stems: Names of the stems: `PAIR` or `QUARTET`.
        songs: Where each song lies.
        samples: (n_stems, 2, n) int16 at 22,050 Hz.
    """

    def __init__(
        self, entries: Sequence[Entry], *, stems: Sequence[str], device: torch.device | str = "cpu"
    ) -> None:
        """Copy songs to a device; an hour of two stems takes 0.64 GB.

        Args:
            entries: Songs; of `QUARTET` those that have all four stems.
            stems: `PAIR` or `QUARTET`.
            device: Where the samples are kept and cut.

        Raises:
            InputError: When no song has a voice, or none a backing.
        """
        self.stems, self.device = tuple(stems), torch.device(device)
        whole = self.stems == QUARTET
        kept = [e for e in entries if all(_length(e, s) for s in stems) or not whole]
        lengths = [max(_length(e, s) for s in stems) for e in kept]
        n = sum(lengths) + MARGIN * (len(kept) + 1)
        self.samples = torch.zeros(len(self.stems), 2, n, dtype=torch.int16, device=self.device)
        self.songs: list[Song] = []
        start = MARGIN
        for entry, length in zip(kept, lengths, strict=True):
            for stem, name in enumerate(self.stems):
                part = _part(entry, name)
                if part is not None:
                    there = slice(start, start + part.shape[1])
                    self.samples[stem, :, there] = torch.from_numpy(np.array(part))
            voice, backing = (_length(entry, s) > 0 for s in self.stems[:2])
            song = Song(start, length, voice, backing, entry.top_hz, np.array(entry.activity))
            self.songs.append(song)
            start += length + MARGIN
        if whole and not kept:
            raise InputError(f"no song has all of {', '.join(stems)}: add some")
        if not any(s.voice and s.activity.any() for s in self.songs):
            raise InputError(f"no song has {stems[0]} that sound: add some")
        if not any(s.backing for s in self.songs):
            raise InputError("a library needs voices and backings: add folders with both")

    @property
    def hours(self) -> float:
        """Hours of music."""
        return sum(s.length for s in self.songs) / GRID_22.sample_rate / 3600

    def cut(self, stem: int, start: Tensor, end: Tensor, speed: Tensor, n: int) -> Tensor:
        """Cut stretches of one stem.

        Args:
            stem: Its number.
            start: (b,) int64, first samples on the timeline.
            end: (b,) int64, where each one's song ends; behind it is silence.
            speed: (b,) float64, samples of the recording for one of the result.
            n: Samples of each stretch.

        Returns:
            (b, 2, n) float32 in [-1, 1], on the device.
        """
        steps = torch.arange(n, device=self.device)
        out = torch.empty(len(start), 2, n, device=self.device)
        tuned = speed != 1
        for rows in (torch.nonzero(~tuned)[:, 0], torch.nonzero(tuned)[:, 0]):
            if not len(rows):
                continue
            first, last, pace = (x[rows].to(self.device)[:, None] for x in (start, end, speed))
            if float(speed[rows[0]]) == 1:
                at = first + steps
                sound = self._read(stem, at, last)
            else:
                sound = self._between(stem, first, last, pace, steps)
            out[rows.to(self.device)] = sound
        return out / FULL_SCALE

    def _read(self, stem: int, at: Tensor, end: Tensor) -> Tensor:
        """Samples at places (b, n), silence from `end` on: (b, 2, n) float32."""
        inside = at.clamp(0, self.samples.shape[2] - 1)
        found = self.samples[stem][:, inside].transpose(0, 1).float()
        return found * (at < end)[:, None]

    def _between(
        self, stem: int, start: Tensor, end: Tensor, speed: Tensor, steps: Tensor
    ) -> Tensor:
        """The same at places between samples."""
        place = start + speed * steps
        base = place.floor()
        fraction = (place - base).float()
        corner = (1 / speed).clamp(max=1).float()
        total = torch.zeros(len(start), 2, len(steps), device=self.device)
        for k in range(1 - TAPS, TAPS + 1):
            d = fraction - k
            weight = corner * torch.sinc(corner * d) * torch.cos(pi / (2 * TAPS) * d).square()
            total += self._read(stem, base.long() + k, end) * (weight * (d.abs() < TAPS))[:, None]
        return total


def _part(entry: Entry, stem: str) -> Int16 | None:
    """A stem of a song; an accompaniment may be stored as its parts."""
    found: Int16 | None = entry.backing if stem == PAIR[1] else getattr(entry, stem)
    return found


def _length(entry: Entry, stem: str) -> int:
    """Samples of a stem; 0: the song has none."""
    found: Int16 | None = getattr(entry, stem)
    if found is None and stem == PAIR[1]:
        return min(_length(entry, name) for name in QUARTET[1:])
    return 0 if found is None else found.shape[1]
