"""Find the delay of a stem in its mixture, and the residual of stems; it changes nothing.

The mixture is a sum, so the stem's own phase differences are in it, under those of the others. The
cross-spectrum of the whole, with all magnitudes set to 1 (GCC-PHAT, Knapp and Carter 1976), adds
them up over millions of bins: a stem 20 dB below the rest still stands out, and only the delay at
which the very recording is in the mixture gives a peak.

`pairs.timing.offset` answers another question by correlation: where two MASTERS of a song agree,
window by window, because clocks drift and takes are edited, so whitening is per frame there and
many places may be right. Here stem and mixture are of one session: one delay holds throughout, its
sign of polarity matters, and the whole is whitened at once, which hears stems 20 dB deeper. What is
the same, the top between three samples, is `core.signal.peaks`.
"""

from dataclasses import dataclass

import numpy as np

from isolde.core.signal.peaks import vertex
from isolde.core.stage import Complex64, Float32

LOW_HZ, HIGH_HZ = 100.0, 4000.0
MAX_SECONDS = 300.0
"""Of longer songs, the first five minutes are compared."""

SURE = 25.0
"""A peak of so many times the correlation's root mean square. Measured on 155 stems of real songs,
7 to 75 s long, at random delays: 93 and more, every delay right; for stems of other songs: 13 at
most."""


@dataclass(frozen=True)
class Lag:
    """Delay and polarity of a stem in its mixture.

    Attributes:
        seconds: Seconds by which the mixture has it later than the stem's file.
        inverted: Whether it has the other polarity there.
        height: Height of the peak, in standard deviations.
    """

    seconds: float
    inverted: bool
    height: float


def lag_of(stem: Float32, mixture: Float32, sample_rate: int) -> Lag | None:
    """Find the delay of a stem in its mixture.

    Args:
        stem: Stem (n_channels, n).
        mixture: Mixture of the same shape.
        sample_rate: Sample rate in Hz.

    Returns:
        The delay; None if there is no clear peak.
    """
    n = min(stem.shape[1], round(MAX_SECONDS * sample_rate))
    if n < sample_rate // 10:
        return None
    size = 1 << (2 * n - 1).bit_length()  # zeros behind: a delay does not come round
    low, high = (round(f / sample_rate * size) for f in (LOW_HZ, min(HIGH_HZ, sample_rate / 2)))

    def band(audio: Float32) -> Complex64:
        return np.fft.rfft(audio[:, :n].mean(axis=0), size)[low:high].astype(np.complex64)

    cross = band(mixture) * np.conj(band(stem))
    power = np.abs(cross)
    if not power.any():
        return None
    # what is 60 dB below the mean is rounding, and is left out
    cross = np.where(power > 1e-6 * power.mean(), cross / np.maximum(power, 1e-30), 0)
    short = 2 << (high - 1).bit_length()  # the rate that this band needs, not the file's
    correlation = np.fft.irfft(np.pad(cross, (low, 0)), short)
    place = int(np.argmax(np.abs(correlation)))
    peak = float(correlation[place])
    height = abs(peak) / float(np.sqrt(np.mean(np.square(correlation))))
    if height < SURE:
        return None
    before, after = float(correlation[place - 1]), float(correlation[(place + 1) % short])
    place_exact = place + vertex(before, peak, after)
    steps = place_exact - short if place >= short // 2 else place_exact
    return Lag(steps * size / short / sample_rate, peak < 0, height)


def residual_db(mixture: Float32, stems: Float32) -> float:
    """10 log10 of the mixture's energy over that of what the stems leave, at most 120 dB.

    Args:
        mixture: Mixture (n_channels, n).
        stems: Their sum, of the same shape.
    """
    energy = float(np.sum(np.square(mixture, dtype=np.float64)))
    left = float(np.sum(np.square(mixture.astype(np.float64) - stems)))
    return float(10 * np.log10(max(energy, 1e-12) / max(left, 1e-12 * max(energy, 1e-12))))
