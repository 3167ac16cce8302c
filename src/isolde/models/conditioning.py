"""Condition the spectra that a masker is fed with; it never changes the sound of the stems.

Networks were trained on music at usual levels, with both channels in phase. So the spectra are
changed, frame by frame, by what is known of the song so far:

* loud frames are brought to the level of the model's card (`core.signal.level`);
* for a masker of vocals alone, bins below 40 Hz are emptied: a constant or rumble is no voice
  (drums and bass are there, so their maskers get these bins);
* of two channels in opposite phase one is inverted; a nearly empty channel is replaced by the
  other one.

Only the masks depend on these spectra. They are applied to the mixture as it is, so the stems still
sum to it. There is no look-ahead, and block sizes do not matter.
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
"""Level below which nothing is amplified further: the noise of 16 bits."""

LOWEST_HZ = 40.0
"""Frequency below which nothing is a voice."""

MEMORY_SECONDS = 5.0
"""Time constant of the memory of power and correlation of the channels."""

TURN, TURN_BACK = -0.3, 0.1
"""Correlation of the channels below which one is inverted, and above which that ends. In 188 songs
without such a fault it is never below -0.22, and above 0.39 in 98 of 100."""

SAID_AFTER_SECONDS = 1.0
"""Duration of a fault from which a note is made."""

SILENT_DB = -26.0
"""Level relative to the other channel below which a channel counts as nearly empty."""


def lowest_bin(grid: Grid, lowest_hz: float = LOWEST_HZ) -> int:
    """Find the first bin at or above a frequency in Hz."""
    return int(np.ceil(lowest_hz * grid.n_fft / grid.sample_rate))


def heard_from(stems: Sequence[str], lowest_hz: float) -> float:
    """Give the frequency in Hz below which the input of a network is emptied; 0 with other stems.

    Args:
        stems: Stems of its masks; none for a network that only detects vocal activity.
        lowest_hz: Frequency in Hz below which nothing is a voice, of its card.
    """
    return lowest_hz if set(stems) <= {VOCALS} else 0.0


def conditioner_of(card: Card) -> "Conditioner":
    """Make the conditioner of a model.

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
            level_db: RMS of loud frames after conditioning, in dB of full scale.
            level_seconds: Time over which the power is smoothed.
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
        """List the faults of the channels, a line each, with the time of the first one."""
        return list(self._notes.values())

    def flush(self) -> Complex64:
        """End the stream; nothing remains."""
        return np.zeros((1, 0, 0), np.complex64)

    def feed(self, spectra: Complex64, /) -> Complex64:
        """Take frames; return the conditioned ones."""
        heard = spectra.copy()
        heard[:, :, : self._lowest] = 0
        if len(heard) == 2:
            self._pair(heard)
        heard *= self._level.feed(frame_power(heard).mean(axis=0))[None, :, None]
        self._frame += heard.shape[1]
        return heard

    def _pair(self, heard: Complex64) -> None:
        """Invert or replace one of two channels, in place, frame by frame."""
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
