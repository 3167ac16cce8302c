"""What a masker hears instead of the mixture as it came: even, in phase, without rumble.

Networks have learnt from music at usual levels with both channels wired alike. So the spectra that
a masker is fed with are changed, frame by frame, by what the song has shown until then:

* the loud frames come at the level that the model's card names, whatever the song's
  (`core.signal.level`);
* for a masker of vocals alone, bins below 40 Hz, where nobody sings, are empty: a constant or
  rumble says nothing (drums and bass are there, so a masker of those hears them);
* of two channels in opposite phase one is turned; of one that holds nearly nothing, the other
  stands for both.

Only masks are drawn from it: they are applied to the mixture as it is, so the sound itself is never
changed, and all stems keep their sum. It looks ahead by nothing, and blocks do not matter.
"""

from collections.abc import Sequence
from math import exp

import numpy as np

from isolde.core.signal.level import LEVEL_DB, RISE_SECONDS, LevelTracker, frame_power
from isolde.core.signal.spectrum import Grid
from isolde.core.stage import Complex64
from isolde.core.stems import VOCALS
from isolde.models.card import Card

FLOOR_DB = -100.0
"""Below this nothing is amplified further: it is the noise of 16 bits."""

LOWEST_HZ = 40.0
"""Below this nothing is a voice."""

MEMORY_SECONDS = 5.0
"""After so long what the channels have in common is forgotten to 1/e."""

TURN, TURN_BACK = -0.3, 0.1
"""Correlation of the channels below which one is turned, and above which it is turned back. In 188
songs with both channels right it is never below -0.22, and above 0.39 in 98 of 100."""

SAID_AFTER_SECONDS = 1.0
"""Time that a fault must last before a note tells of it."""

SILENT_DB = -26.0
"""Level of a channel against the other below which it holds nearly nothing."""


def lowest_bin(grid: Grid, lowest_hz: float = LOWEST_HZ) -> int:
    """Find the number of the first bin at or above a frequency in Hz."""
    return int(np.ceil(lowest_hz * grid.n_fft / grid.sample_rate))


def heard_from(stems: Sequence[str], lowest_hz: float) -> float:
    """Give the frequency in Hz from which a network hears: drums and bass are below every voice.

    Args:
        stems: What its masks give; none for one that only finds voices.
        lowest_hz: Frequency below which nothing is a voice, as its card says.
    """
    return lowest_hz if set(stems) <= {VOCALS} else 0.0


def conditioner_of(card: Card) -> "Conditioner":
    """Make what changes spectra into what a model hears, as its card says.

    Args:
        card: Card of the model.
    """
    return Conditioner(
        card.grid,
        level_db=card.level_db,
        level_seconds=card.level_seconds,
        lowest_hz=heard_from(card.stems, card.lowest_hz),
    )


class Conditioner:
    """Spectra (n_channels, n, n_bins) in, as many out; latency 0."""

    latency = 0

    def __init__(
        self,
        grid: Grid,
        *,
        level_db: float = LEVEL_DB,
        level_seconds: float = RISE_SECONDS,
        lowest_hz: float = LOWEST_HZ,
    ) -> None:
        """Start a stream.

        Args:
            grid: Frames and bins of the spectra.
            level_db: RMS of the loud frames that come out, in dB of full scale.
            level_seconds: Time over which their power is smoothed.
            lowest_hz: Frequency in Hz below which bins are emptied; 0 for none.
        """
        self._grid, self._lowest = grid, lowest_bin(grid, lowest_hz)
        self._level = LevelTracker(
            grid.frame_seconds,
            target_db=level_db,
            floor_db=FLOOR_DB,
            rise_seconds=level_seconds,
        )
        self._keep = exp(-grid.frame_seconds / MEMORY_SECONDS)
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._level.reset()
        self._powers, self._product = np.zeros(2), 0.0
        self._turned, self._alone = False, -1
        self._frame, self._fault, self._since = 0, "", 0
        self._notes: dict[str, str] = {}

    def notes(self) -> list[str]:
        """Say what was found about the channels: a line each, with the time of the first time."""
        return list(self._notes.values())

    def flush(self) -> Complex64:
        """Nothing is owed."""
        return np.zeros((1, 0, 0), np.complex64)

    def feed(self, spectra: Complex64, /) -> Complex64:
        """Take frames; give what the masker is to be fed with."""
        heard = spectra.copy()
        heard[:, :, : self._lowest] = 0
        if len(heard) == 2:
            self._pair(heard)
        heard *= self._level.feed(frame_power(heard).mean(axis=0))[None, :, None]
        self._frame += heard.shape[1]
        return heard

    def _pair(self, heard: Complex64) -> None:
        """Turn one of two channels or let one stand for both, in place, frame by frame."""
        powers = frame_power(heard)
        products = np.sum((heard[0] * heard[1].conj()).real.astype(np.float64), axis=-1) / 3
        for i in range(heard.shape[1]):
            self._powers = self._keep * self._powers + powers[:, i]
            self._product = self._keep * self._product + products[i]
            self._decide(self._frame + i)
            if self._alone >= 0:
                heard[1 - self._alone, i] = heard[self._alone, i]
            elif self._turned:
                heard[1, i] *= -1

    def _decide(self, frame: int) -> None:
        left, right = self._powers
        if min(left, right) <= 10 ** (SILENT_DB / 10) * max(left, right):
            self._alone = int(right > left) if max(left, right) > 0 else -1
        else:
            self._alone = -1
            correlation = self._product / np.sqrt(left * right)
            self._turned = correlation < (TURN_BACK if self._turned else TURN)
        fault = ""
        if self._alone >= 0:
            other, heard = (("right", "left"), ("left", "right"))[self._alone]
            fault = f"the {other} channel holds nearly nothing: the voice is sought in the {heard}"
        elif self._turned:
            fault = "the channels are in opposite phase: the right one is turned to find the voice"
        if fault != self._fault:
            self._fault, self._since = fault, frame
        seconds = self._grid.frame_seconds
        if fault and (frame - self._since) * seconds >= SAID_AFTER_SECONDS:
            self._notes.setdefault(fault, f"{fault} (from {self._since * seconds:.1f} s)")
