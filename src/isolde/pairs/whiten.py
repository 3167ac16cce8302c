"""Whiten a signal until only its timing is left, so that two masters can be aligned.

Never decides anything: it mixes down, changes the rate, whitens and finds the loud windows.

Why whiten: the correlation of two whitened signals has a peak as narrow as 1 / bandwidth, however
tonal the music, however different the equaliser. Each STFT bin is divided by its own magnitude
(the phase transform, per frame instead of per file), so that level changes do not count either.
"""

import numpy as np
from numpy.typing import NDArray

from isolde.core.errors import InputError
from isolde.core.stage import Float32

Float64 = NDArray[np.float64]

FLOOR = 0.03  # of the rms bin: bins below it fade out
BLOCK = 2048  # frames at a time: memory stays small for long songs


def check_audio(audio: Float32, sample_rate: float, name: str) -> str:
    """Refuse arrays that are no audio, and say why audio holds too little to be aligned.

    Args:
        audio: Audio (n_channels, n_samples), any finite values.
        sample_rate: Sample rate in Hz.
        name: Name of it in messages.

    Returns:
        Reason why it holds too little; empty: it holds enough.

    Raises:
        InputError: Another shape, an impossible rate, NaN or infinity.
    """
    if audio.ndim != 2 or audio.shape[0] == 0:
        raise InputError(
            f"the {name} must have the shape (n_channels, n_samples), not {audio.shape}"
        )
    if not 2000 <= sample_rate <= 400_000:
        raise InputError(f"the {name} has a sample rate of {sample_rate} Hz: use 2 to 400 kHz")
    if not np.isfinite(audio).all():
        raise InputError(f"the {name} holds NaN or infinite samples: repair the file first")
    if audio.shape[1] < sample_rate:
        return f"the {name} is shorter than one second"
    return f"the {name} is silent" if float(np.abs(audio).max()) < 1e-4 else ""


def to_mono(audio: Float32, sample_rate: float, rate: float) -> Float32:
    """Mix down to one channel at another rate.

    A voice that is recorded out of phase would vanish in the sum: where the sum holds less than a
    twentieth of the power of the channels, the strongest channel speaks alone.

    Args:
        audio: Audio (n_channels, n_samples).
        sample_rate: Sample rate in Hz, of `audio`; may be fractional (this is how a clock drift is
            undone).
        rate: Sample rate in Hz, wanted.

    Returns:
        (n_samples * rate / sample_rate,) float32.
    """
    import soxr  # type: ignore[import-untyped]

    power = np.square(audio, dtype=np.float32).mean(axis=1) if audio.shape[1] else np.zeros(1)
    mono = audio.mean(axis=0, dtype=np.float32)
    if audio.shape[1] and float(np.square(mono).mean()) < 0.05 * float(power.mean()):
        mono = audio[int(power.argmax())]
    if sample_rate == rate:
        return np.ascontiguousarray(mono, np.float32)
    return np.asarray(soxr.resample(mono, sample_rate, rate, quality="HQ"), np.float32)


def whiten(
    signal: Float32,
    rate: float,
    *,
    band: tuple[float, float] = (100.0, 1900.0),
    frame_seconds: float = 0.128,
) -> Float32:
    """Give every bin of every frame the same magnitude.

    Bins below FLOOR times the signal's rms bin fade out, so that silence stays silent.

    Args:
        signal: Signal (n_samples,).
        rate: Sample rate in Hz.
        band: Band in Hz; bins outside are dropped.
        frame_seconds: Length of the analysis frame.

    Returns:
        (n_samples,) float32, same timing.
    """
    n = 2 ** round(np.log2(frame_seconds * rate))
    hop = n // 4
    window = np.hanning(n + 1)[:-1].astype(np.float32)
    padded = np.pad(signal, (n, n + hop))
    n_frames = 1 + (len(padded) - n) // hop
    frames = np.lib.stride_tricks.sliding_window_view(padded, n)[::hop]
    frequency = np.fft.rfftfreq(n, 1 / rate)
    keep = (frequency >= band[0]) & (frequency <= band[1])
    level = FLOOR * float(np.sqrt(np.square(signal).mean() * np.square(window).sum() / 2)) + 1e-9
    out = np.zeros(n_frames * hop + n, np.float32)
    for start in range(0, n_frames, BLOCK):
        part = frames[start : start + BLOCK] * window
        spectra = np.fft.rfft(part).astype(np.complex64)
        spectra *= keep / (np.abs(spectra) + level)
        part = np.fft.irfft(spectra, n).astype(np.float32) * window
        for k in range(4):  # every fourth frame: they do not overlap
            rows = part[k::4]
            at = (start + k) * hop
            out[at : at + rows.size] += rows.reshape(-1)
    return out[n : n + len(signal)]


def energy(signal: Float32, rate: float, *, seconds: float, hop: float) -> tuple[Float64, Float64]:
    """Mean power in windows.

    Returns:
        (centres in seconds, mean power), both (n_windows,); empty when the signal is shorter.
    """
    n, step = max(1, round(seconds * rate)), max(1, round(hop * rate))
    total = np.concatenate([[0.0], np.cumsum(np.square(signal, dtype=np.float64))])
    starts = np.arange(0, max(0, len(signal) - n) + 1, step)
    ends = np.minimum(starts + n, len(signal))
    if not len(signal):
        return np.zeros(0), np.zeros(0)
    power = np.asarray((total[ends] - total[starts]) / n, np.float64)
    return np.asarray((starts + n / 2) / rate, np.float64), power


def loud_windows(
    signal: Float32,
    rate: float,
    *,
    seconds: float,
    count: int,
    spacing: float,
    range_db: float = 25.0,
) -> list[float]:
    """Choose the loudest windows, spread over the signal.

    Args:
        signal: Signal (n_samples,).
        rate: Sample rate in Hz.
        seconds: Length of a window.
        count: Greatest number.
        spacing: Seconds between two of them at least.
        range_db: Windows quieter than the loudest by more than this are left out.

    Returns:
        Start times in seconds, loudest first; none if the signal is silent.
    """
    centres, power = energy(signal, rate, seconds=seconds, hop=min(0.5, seconds / 4))
    if not len(power) or power.max() < 1e-10:
        return []
    chosen: list[float] = []
    for k in np.argsort(-power, kind="stable"):
        if len(chosen) == count or power[k] < power.max() * 10 ** (-range_db / 10):
            break
        at = float(centres[k] - seconds / 2)
        if all(abs(at - other) >= spacing for other in chosen):
            chosen.append(max(0.0, at))
    return chosen
