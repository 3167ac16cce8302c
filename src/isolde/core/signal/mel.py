"""The Mel scales: frequencies as they are told apart, and what interpolates to them; no sound.

Two scales bear the name. O'Shaughnessy's is the article's, one formula; Slaney's is that of the
published fullness and of librosa, linear up to 1 kHz and logarithmic above.
"""

from functools import cache, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isolde.core.signal.spectrum import GRID_22
from isolde.core.stage import Float32

Float64 = NDArray[np.float64]


def mel(hertz: Float32 | float) -> Float32:
    """Give the Mel of a frequency in Hz, 2595 log10(1 + f / 700) (O'Shaughnessy 1987).

    Examples:
        >>> round(float(mel(1000.0)))
        1000
    """
    return np.asarray(2595 * np.log10(1 + np.asarray(hertz) / 700), np.float32)


@cache
def _mel_places(n_bins: int) -> tuple[Float32, Float32]:
    """Where Mel point i lies among the bins, and where bin k lies among the Mel points."""
    top = GRID_22.sample_rate / 2
    bins = np.linspace(0, top, n_bins)
    points = 700 * (10 ** (np.linspace(0, float(mel(top)), n_bins) / 2595) - 1)
    point_in_bins = points / bins[1]
    bin_in_points = mel(bins.astype(np.float32)) / float(mel(top)) * (n_bins - 1)
    return point_in_bins.astype(np.float32), bin_in_points.astype(np.float32)


def triangles(places: Float32 | Float64, n_bins: int) -> Float32:
    """Make rows that interpolate bins at some places.

    Each row is a triangle as wide as the places are apart, but one bin at least: where places are
    denser than bins they interpolate, where they are sparser they average.

    Args:
        places: Places (n_rows,) in bins, ascending, 2 or more.
        n_bins: Number of bins.

    Returns:
        (n_rows, n_bins); each row sums to 1, or is 0 where its place is beyond the bins.
    """
    width = np.maximum(np.gradient(places), 1.0)[:, None]
    rows = np.maximum(0, 1 - np.abs(np.arange(n_bins) - places[:, None]) / width)
    shares: Float32 = (rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-9)).astype(np.float32)
    return shares


@cache
def to_mel(n_bins: int) -> Float32:
    """(n_bins, n_bins): linear bins up to 11,025 Hz to Mel points; each row sums to 1."""
    return triangles(_mel_places(n_bins)[0], n_bins)


@cache
def from_mel(n_bins: int) -> Float32:
    """(n_bins, n_bins): a mask on Mel points to linear bins; each row sums to 1: [0, 1] stays."""
    return triangles(_mel_places(n_bins)[1], n_bins)


def hz_to_mel(frequency: ArrayLike) -> Float64:
    """Give Slaney's Mel of a frequency in Hz: 3 per 200 Hz up to 1 kHz, logarithmic above."""
    f = np.asarray(frequency, dtype=np.float64)
    step = np.log(6.4) / 27.0
    return np.where(f < 1000.0, f * 3.0 / 200.0, 15.0 + np.log(np.maximum(f, 1.0) / 1000.0) / step)


def mel_to_hz(mels: ArrayLike) -> Float64:
    """Give the frequency in Hz, the inverse of `hz_to_mel`."""
    m = np.asarray(mels, dtype=np.float64)
    step = np.log(6.4) / 27.0
    return np.where(m < 15.0, m * 200.0 / 3.0, 1000.0 * np.exp(step * (m - 15.0)))


@lru_cache(maxsize=4)
def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> Float64:
    """Make Slaney's triangular filters of equal area, (n_mels, n_fft // 2 + 1), as librosa."""
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    edges = mel_to_hz(np.linspace(0.0, hz_to_mel(sample_rate / 2), n_mels + 2))
    rising = (bins[None, :] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins[None, :]) / np.diff(edges)[1:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    return np.maximum(0.0, np.minimum(rising, falling)) * area[:, None]
