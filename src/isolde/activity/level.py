"""Frames at an even level, so that a detector hears all music alike loud; it never looks ahead."""

import numpy as np

from isolde.core.level import LevelTracker, frame_power
from isolde.core.spectrum import GRID_22
from isolde.core.stage import Complex64

TARGET_DB = -16.0
"""RMS at which the loud frames are heard, in dB of full scale: mid-range in training."""

FLOOR_DB = -72.0
"""Below this nothing is amplified further: it is the noise of 12 bits."""


class Leveller:
    """Frames (n_channels, n, n_bins) in, the same at an even level out; latency 0."""

    latency = 0

    def __init__(self, frame_seconds: float = GRID_22.frame_seconds) -> None:
        """Start a stream of frames that are `frame_seconds` apart."""
        self._level = LevelTracker(frame_seconds, target_db=TARGET_DB, floor_db=FLOOR_DB)

    def reset(self) -> None:
        """Forget the level."""
        self._level.reset()

    def feed(self, spectra: Complex64, /) -> Complex64:
        """Take frames; give as many, levelled. The level is that of the mean of the channels."""
        gains = self._level.feed(frame_power(spectra.mean(axis=0)))
        return spectra * gains[None, :, None]

    def flush(self) -> Complex64:
        """Nothing is owed."""
        return np.zeros((1, 0, 0), np.complex64)
