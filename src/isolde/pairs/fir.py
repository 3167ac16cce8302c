"""Filter a long signal block by block; it designs no filter.

scipy's overlap-add holds the spectra of the whole signal at once (1 GB for ten minutes of stereo).
Here the tail of a block is added to the next one, so only a block is held.
"""

import numpy as np

from isolde.core.stage import Float32
from isolde.pairs.whiten import Float64

BLOCK = 1 << 18  # samples at a time


def convolve(audio: Float32, taps: Float64, *, block: int = BLOCK) -> Float32:
    """Convolve every channel with its own filter.

    Args:
        audio: Audio (n_channels, n_samples).
        taps: Taps (n_channels or 1, n_taps); computed in float64.
        block: Samples at a time.

    Returns:
        (n_channels, n_samples + n_taps - 1) float32, the full convolution.
    """
    from scipy.signal import oaconvolve

    n_channels, n = audio.shape
    out = np.zeros((n_channels, n + taps.shape[1] - 1), np.float32)
    for start in range(0, n, block):
        part = audio[:, start : start + block].astype(np.float64)
        full = oaconvolve(part, taps, axes=1)
        out[:, start : start + full.shape[1]] += full
    return out
