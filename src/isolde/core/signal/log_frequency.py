"""Spectra on a logarithmic frequency axis, for pictures; it draws nothing."""

from functools import cache

import numpy as np

from isolde.core.signal.mel import triangles
from isolde.core.signal.spectrum import Grid
from isolde.core.stage import Float32

LOWEST_HZ = 60.0
HIGHEST_HZ = 16_000.0


def picture_grid(sample_rate: int) -> Grid:
    """Give the article's grid for looking: windows of 2048 samples that overlap by 75 %.

    Above 48 kHz the window grows with the rate, so that harmonics stay apart.
    """
    n_fft = 2048
    while sample_rate > 48_000 * n_fft // 2048:
        n_fft *= 2
    return Grid(sample_rate=sample_rate, n_fft=n_fft, hop=n_fft // 4)


@cache
def log_rows(bin_hz: float, n_bins: int, low: float, high: float, rows: int) -> Float32:
    """Make rows at equal distances on a logarithmic axis, from bins at equal distances in Hz.

    Args:
        bin_hz: Distance in Hz from one bin to the next.
        n_bins: Number of bins from 0 Hz up.
        low: Frequency of the first row in Hz.
        high: Frequency in Hz of the last one.
        rows: Number of rows, 2 or more.

    Returns:
        Weights (rows, n_bins), see `triangles`.
    """
    return triangles(np.geomspace(low, high, rows) / bin_hz, n_bins)
