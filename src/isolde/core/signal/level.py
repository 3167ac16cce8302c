"""How loud the music is now, frame by frame; it changes nothing and never looks ahead.

Frame power p = sum |X|^2 / 3 is the mean square of the samples under the window (Hann, magnitudes
scaled as in `spectrum`: white noise of mean square s^2 has E sum |X|^2 = (4/N)^2 (3/8 N) (N/2) s^2
= 3 s^2). The level rises with the power, smoothed over some time, and falls slowly. Where the power
of the newest frames, f, jumps by more than j, music has begun, and the level is there at once:

    f[t] = f[t-1] + b (p[t] - f[t-1])
    e[t] = max(e[t-1] + a (p[t] - e[t-1]), f[t] / j)
    L[t] = max(e[t], r L[t-1], floor)

Frames divided by sqrt(L) are alike loud: a gain on the music is a gain on p, f, e and L and drops
out, as long as the music is above the floor.
"""

from math import exp, log

import numpy as np
from numpy.typing import NDArray

from isolde.core.signal.spectrum import GRID_22
from isolde.core.stage import Complex64, Float32

LEVEL_DB = -20.0
"""RMS in dB of full scale at which networks hear loud frames, where nothing else is said."""

RISE_SECONDS = GRID_22.frame_seconds / -log(0.6)
"""Time over which the power is smoothed, where nothing else is said: 23 ms, so that two fifths of
the smoothed power are the newest of the article's frames."""

JUMP_DB = 6.0
"""What the newest frames' power may be above the smoothed one; what is more is followed at once."""

FALL_SECONDS = 5.0
"""After so long the level has fallen to 1/e, 4.3 dB."""


def frame_power(spectra: Complex64) -> NDArray[np.float64]:
    """Compute the mean square of the samples under each frame's window.

    Args:
        spectra: Frames (..., n_frames, n_bins), scaled as in `spectrum`.

    Returns:
        powers (..., n_frames).
    """
    powers: NDArray[np.float64] = np.sum(np.abs(spectra).astype(np.float64) ** 2, axis=-1) / 3
    return powers


class LevelTracker:
    """Powers of frames in, gains to an even level out; latency 0."""

    latency = 0

    def __init__(
        self,
        frame_seconds: float,
        *,
        target_db: float,
        floor_db: float,
        rise_seconds: float = RISE_SECONDS,
    ) -> None:
        """Start a stream.

        Args:
            frame_seconds: Time from one frame to the next in seconds.
            target_db: RMS of the loud frames after the gain, in dB of full scale.
            floor_db: RMS below which nothing is amplified further, in dB of full scale.
            rise_seconds: Time over which the power is smoothed.
        """
        self._fall = exp(-frame_seconds / FALL_SECONDS)
        self._rise = 1 - exp(-frame_seconds / rise_seconds)
        self._jump = 10 ** (JUMP_DB / 10)
        self._follow = 1 - exp(-frame_seconds / RISE_SECONDS)
        self._target, self._floor = 10 ** (target_db / 10), 10 ** (floor_db / 10)
        self.reset()

    def reset(self) -> None:
        """Forget the level."""
        self._newest: float | None = None
        self._smooth = self._level = 0.0

    def feed(self, powers: NDArray[np.float64], /) -> Float32:
        """Take frame powers (n,); give the gain of each frame, (n,)."""
        levels = np.empty(len(powers))
        for i, p in enumerate(powers.tolist()):
            if self._newest is None:
                self._newest = self._smooth = p
            self._newest += self._follow * (p - self._newest)
            risen = self._smooth + self._rise * (p - self._smooth)
            self._smooth = max(risen, self._newest / self._jump)
            self._level = max(self._smooth, self._fall * self._level, self._floor)
            levels[i] = self._level
        return np.sqrt(self._target / levels).astype(np.float32)

    def flush(self) -> Float32:
        """Nothing is owed."""
        return np.zeros(0, np.float32)
