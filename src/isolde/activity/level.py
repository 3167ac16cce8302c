"""How loud the music is now, so that a detector hears all music alike loud; it never looks ahead.

Frame power p = sum |X|^2 / 3 is the mean square of the samples under the window (Hann, magnitudes
scaled as in `spectrum`: white noise of mean square s^2 has E sum |X|^2 = (4/N)^2 (3/8 N) (N/2) s^2
= 3 s^2). The level rises at once with the power, smoothed over some 30 ms, and falls slowly:

    e[t] = e[t-1] + a (p[t] - e[t-1]),    L[t] = max(e[t], r L[t-1], floor)

Frames are then multiplied by sqrt(target / L). A gain on the music is a gain on p, e and L and
drops out, as long as the music is above the floor.
"""

from math import exp

import numpy as np

from isolde.core.spectrum import GRID_22
from isolde.core.stage import Complex64, Float32

TARGET_DB = -16.0
"""RMS at which the loud frames are heard, in dB of full scale: mid-range in training."""

FLOOR_DB = -72.0
"""Below this nothing is amplified further: it is the noise of 12 bits."""

RISE = 0.4
"""Share of a new frame's power in the smoothed power, of the article's frames."""

FALL_SECONDS = 5.0
"""After so long the level has fallen to 1/e, 4.3 dB."""


class Leveller:
    """Frames (n_channels, n, n_bins) in, the same at an even level out; latency 0."""

    latency = 0

    def __init__(self, frame_seconds: float = GRID_22.frame_seconds) -> None:
        """Start a stream of frames that are `frame_seconds` apart."""
        self._fall = exp(-frame_seconds / FALL_SECONDS)
        self._rise = RISE
        if frame_seconds != GRID_22.frame_seconds:
            self._rise = 1 - (1 - RISE) ** (frame_seconds / GRID_22.frame_seconds)
        self.reset()

    def reset(self) -> None:
        """Forget the level."""
        self._smooth: float | None = None
        self._level = 0.0

    def feed(self, spectra: Complex64, /) -> Complex64:
        """Take frames; give as many, levelled. The level is that of the mean of the channels."""
        return spectra * self._gains(spectra.mean(axis=0))[None, :, None]

    def flush(self) -> Complex64:
        """Nothing is owed."""
        return np.zeros((1, 0, 0), np.complex64)

    def _gains(self, frames: Complex64) -> Float32:
        floor = 10 ** (FLOOR_DB / 10)
        power = np.sum(np.abs(frames).astype(np.float64) ** 2, axis=1) / 3
        levels = np.empty(len(power))
        for i, p in enumerate(power.tolist()):
            before = p if self._smooth is None else self._smooth
            self._smooth = before + self._rise * (p - before)
            self._level = max(self._smooth, self._fall * self._level, floor)
            levels[i] = self._level
        return np.sqrt(10 ** (TARGET_DB / 10) / levels).astype(np.float32)
