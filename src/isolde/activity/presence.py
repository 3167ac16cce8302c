"""The probability that somebody sings from the level of the isolated voice; it isolates nothing.

A mask keeps a power of each frame between 108 and 8010 Hz. Its means over spans of one frame to
half a second around the frame, as levels in bels, go into a dense layer of a few units, whose
output are log-odds. So few numbers cannot overfit to what a network makes of its training songs,
and they fit the masks of any network.

These odds rise before a voice and fall after it, because windows, means and the memory of the
network smear. So a frame far below its surroundings is taken down, with levels l in bels:

    c[t] = min over +-hole of max over +-hole of l       l with short holes filled
    dip[t] = max over +-reach of c - c[t]
    odds[t] = head[t] - STEEP max(0, dip[t] - FALL)

The numbers stand in presence.json, which `benchmarks/activity/head.py` writes.
"""

import json
from functools import cache
from importlib import resources

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from isolde.core.signal.level import frame_power
from isolde.core.signal.spectrum import Grid
from isolde.core.stage import Complex64, Float32

FIRST_HZ, END_HZ = 108.0, 8010.0
"""Band of the voice: above rumble, and no wider than a recording at 16 kHz."""
SPANS = (0.0, 0.105, 0.29, 0.57)
"""Lengths in seconds of the means of the voice's power; the shortest is one frame."""
HOLE = 0.21
"""Seconds; holes of up to twice this length are no edges."""
REACH = 0.14
"""Seconds to either side with which a frame is compared."""
FLOOR = 1e-8
"""Added to a power; loud frames of conditioned music have 0.01 (`models.conditioning`)."""
CENTRE, SPREAD = -2.5, 1.5
"""In bels: a level less CENTRE, over SPREAD, is of the order of 1."""
FALL = 0.6
"""Bels; a frame that is further below its surroundings is at an edge of the voice or beyond."""
STEEP = 4.0
"""Log-odds for each bel more."""
SLOPE = 0.2
"""Slope of the dense layer's units below 0."""

Floats = NDArray[np.float64]


def voice_power(spectra: Complex64, masks: Float32, grid: Grid) -> Floats:
    """Measure the power of the voice in its band.

    Args:
        spectra: Frames of the mixture (n_channels, n, n_bins), scaled as in `core.signal.spectrum`.
        masks: Masks of the voice for them, (n_channels or 1, n, n_bins).
        grid: Grid of the frames.

    Returns:
        Mean square (n,) of the samples under each frame's window, the mean over the channels.
    """
    per_hz = grid.n_fft / grid.sample_rate
    band = slice(round(FIRST_HZ * per_hz), round(END_HZ * per_hz))
    power: Floats = frame_power(spectra[..., band] * masks[..., band]).mean(axis=0)
    return power


class Presence:
    """Powers of the voice (n,) in, probabilities (m,) in [0, 1] that somebody sings out."""

    def __init__(self, frame_seconds: float) -> None:
        """Start a stream of frames that are `frame_seconds` apart."""
        self._spans = [2 * int(span / frame_seconds / 2) + 1 for span in SPANS]
        self._hole, self._reach = (round(s / frame_seconds) for s in (HOLE, REACH))
        self._head = _head()
        self.reset()

    @property
    def latency(self) -> int:
        """Frames: probability k is out once power k + latency is in."""
        return max(max(self._spans) // 2, 2 * self._hole + self._reach)

    def reset(self) -> None:
        """Start another song, with silence before it."""
        self._held = np.zeros(self.latency)
        self._owed = 0

    def feed(self, powers: Floats, /) -> Float32:
        """Take powers; return the probabilities that are ready."""
        self._held = np.concatenate([self._held, powers])
        self._owed += len(powers)
        return self._answer()

    def flush(self) -> Float32:
        """Return the last probabilities, with silence after the song."""
        if self._owed:
            self._held = np.concatenate([self._held, np.zeros(self.latency)])
        return self._answer()

    def _answer(self) -> Float32:
        n = len(self._held) - 2 * self.latency
        if n <= 0:
            return np.zeros(0, np.float32)
        weight, bias, output, offset = self._head
        levels, dip = self.levels(self._held)
        hidden = levels @ weight.T + bias
        odds = np.where(hidden > 0, hidden, SLOPE * hidden) @ output + offset
        odds -= STEEP * np.maximum(dip - FALL, 0)
        self._held, self._owed = self._held[n:], self._owed - n
        found: Float32 = (1 / (1 + np.exp(-odds))).astype(np.float32)
        return found

    def levels(self, powers: Floats) -> tuple[Floats, Floats]:
        """Compute the inputs of the dense layer.

        Args:
            powers: Powers (latency + n + latency,), of n frames and those around them.

        Returns:
            levels of the order of 1, (n, n_spans), and dips (n,) in bels.
        """
        bels = [
            np.log10(sliding_window_view(self._cut(powers, span // 2), span).mean(axis=1) + FLOOR)
            for span in self._spans
        ]
        each = np.log10(self._cut(powers, 2 * self._hole + self._reach) + FLOOR)
        filled = -_greatest(-_greatest(each, self._hole), self._hole)
        inner = filled[self._reach : len(filled) - self._reach]
        dip: Floats = _greatest(filled, self._reach) - inner
        levels: Floats = (np.stack(bels, axis=1) - CENTRE) / SPREAD
        return levels, dip

    def _cut(self, powers: Floats, around: int) -> Floats:
        """Powers of the frames in the middle and of `around` frames to either side of them."""
        beyond = self.latency - around
        return powers[beyond : len(powers) - beyond]


def _greatest(values: Floats, around: int) -> Floats:
    """The greatest of each value and `around` to either side, without those at the ends."""
    greatest: Floats = sliding_window_view(values, 2 * around + 1).max(axis=1)
    return greatest


@cache
def _head() -> tuple[Floats, Floats, Floats, float]:
    """Weights (units, spans) and biases (units,) of the dense layer, and of the output."""
    file = resources.files("isolde.activity") / "presence.json"
    numbers = json.loads(file.read_text(encoding="utf-8"))
    weight, bias, output = (np.array(numbers[k]) for k in ("weight", "bias", "output"))
    return weight, bias, output, float(numbers["offset"])
