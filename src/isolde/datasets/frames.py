"""Power of each frame of a sound, and where a clean voice sounds; it opens no file."""

import numpy as np
from numpy.typing import NDArray

from isolde.activity.loudness import loud_frames
from isolde.core.signal.spectrum import GRID_22, Analysis
from isolde.core.stage import Complex64, Float32

BLOCK = 1 << 20
"""Samples of a channel that are transformed at once."""


def frame_power(audio: Float32, bins: slice = slice(None)) -> Float32:
    """Compute the power of each frame of `GRID_22` over all channels, in bounded memory.

    Args:
        audio: Samples (n_channels, n) at 22,050 Hz.
        bins: Bins that count.

    Returns:
        (n_frames,); a full-scale sine at a bin's centre has 1 in it.
    """

    def power(spectra: Complex64) -> Float32:
        found: Float32 = np.sum(np.abs(spectra[:, :, bins]) ** 2, axis=(0, 2))
        return found

    stage = Analysis(GRID_22, len(audio))
    starts = range(0, audio.shape[1], BLOCK)
    parts = [power(stage.feed(audio[:, start : start + BLOCK])) for start in starts]
    return np.concatenate([*parts, power(stage.flush())])


def activity_of(vocals: Float32) -> NDArray[np.bool_]:
    """Mark the frames of a clean voice within 40 dB of its loud parts (95th percentile)."""
    level = np.sqrt(frame_power(vocals))
    loud = float(np.percentile(level, 95)) if level.size else 0.0
    decibels = 20 * np.log10(np.maximum(level, 1e-12))
    return loud_frames(
        decibels, reference=20 * np.log10(max(loud, 1e-12)), within=40.0, floor=-80.0
    )
