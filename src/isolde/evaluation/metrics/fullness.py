"""Bleedless and fullness, as the open leaderboards publish them; our code from the definition.

Definition: Music-Source-Separation-Training (ZFTurbo), utils/metrics.py, `bleed_full`. Mel spectra
in dB of estimate and reference are subtracted. Where the estimate is louder that is bleed, where
it is softer something is missing: bleedless = 100 / (1 + mean positive difference), fullness =
100 / (1 - mean negative difference), at best 100. Published numbers are at 44.1 kHz. At
other rates the window, the hop and the number of bands follow the rate, so that seconds and Mel
per band stay the same, but the top octave is missing: compare numbers at one rate only.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from isolde.core.signal.mel import hz_to_mel, mel_filters
from isolde.evaluation.metrics.ratios import SILENT_DBFS, Float64, as_pair, level_dbfs

PUBLISHED_RATE = 44_100
PUBLISHED_N_FFT = 4096
PUBLISHED_N_MELS = 512
AMPLITUDE_FLOOR = 1e-10  # amplitudes below this are raised to it before the logarithm
RANGE_DB = 80.0  # each spectrogram is held to this far below its own maximum
BLOCK = 256  # frames at a time: their spectra need far more memory than the Mel bands


@dataclass(frozen=True)
class Fullness:
    """Bleedless and fullness in (0, 100], higher is better; nan where the reference is silent."""

    bleedless: float
    fullness: float


def settings_for(sample_rate: int) -> tuple[int, int, int]:
    """Window, hop and number of Mel bands that keep the published seconds and band widths."""
    octave = round(np.log2(PUBLISHED_RATE / sample_rate))
    n_fft = max(256, PUBLISHED_N_FFT >> octave if octave >= 0 else PUBLISHED_N_FFT << -octave)
    share = float(hz_to_mel(sample_rate / 2) / hz_to_mel(PUBLISHED_RATE / 2))
    return n_fft, n_fft // 4, max(1, round(PUBLISHED_N_MELS * share))


def mel_decibels(audio: ArrayLike, *, sample_rate: int) -> Float64:
    """Mel amplitudes in dB, held to RANGE_DB below the maximum over all channels.

    Args:
        audio: Audio (n_channels, n_samples).
        sample_rate: Sample rate in Hz.

    Returns:
        (n_channels, n_frames, n_mels); frame t is centred on sample t * hop, zeros beyond the ends.
    """
    n_fft, hop, n_mels = settings_for(sample_rate)
    samples = np.atleast_2d(np.asarray(audio, dtype=np.float64))
    padded = np.pad(samples, ((0, 0), (n_fft // 2, n_fft // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=1)[:, ::hop]
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)
    filters = mel_filters(sample_rate, n_fft, n_mels).T
    mels = np.empty((*frames.shape[:2], n_mels))
    for start in range(0, frames.shape[1], BLOCK):
        part = slice(start, start + BLOCK)
        mels[:, part] = np.abs(np.fft.rfft(frames[:, part] * window, axis=2)) @ filters
    decibels = 20.0 * np.log10(np.maximum(mels, AMPLITUDE_FLOOR))
    return np.asarray(np.maximum(decibels, decibels.max() - RANGE_DB))


@lru_cache(maxsize=1)
def _of_reference(content: bytes, n_channels: int, sample_rate: int) -> Float64:
    """`mel_decibels` of a reference, kept for the estimates that follow."""
    reference = np.frombuffer(content).reshape(n_channels, -1)
    return mel_decibels(reference, sample_rate=sample_rate)


def bleed_and_fullness(reference: ArrayLike, estimate: ArrayLike, *, sample_rate: int) -> Fullness:
    """Bleedless and fullness of one stem.

    Args:
        reference: Reference (n_channels, n_samples).
        estimate: The same shape.
        sample_rate: Sample rate in Hz.

    Raises:
        InputError: See `metrics.as_pair`.
    """
    ref, est = as_pair(reference, estimate)
    if level_dbfs(ref) < SILENT_DBFS:
        return Fullness(float("nan"), float("nan"))
    difference = mel_decibels(est, sample_rate=sample_rate)
    difference = difference - _of_reference(ref.tobytes(), ref.shape[0], sample_rate)
    louder, softer = difference[difference > 0], difference[difference < 0]
    return Fullness(
        bleedless=100.0 / (1.0 + (float(louder.mean()) if louder.size else 0.0)),
        fullness=100.0 / (1.0 - (float(softer.mean()) if softer.size else 0.0)),
    )
