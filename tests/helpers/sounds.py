"""Sounds made of arithmetic, and how far two sounds are apart."""

import numpy as np

from isolde.core.stage import Float32

PAIR_RATE = 16_000
"""Sample rate of the songs of pairs, in Hz: low, because they are long."""


def noise(n_channels: int, n_samples: int, *, seed: int = 0, peak: float = 0.5) -> Float32:
    """White noise (n_channels, n_samples) within [-peak, peak]."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-peak, peak, (n_channels, n_samples)).astype(np.float32)


def sweep(rate: int, n: int, channels: int = 2) -> Float32:
    """A tone that never repeats, so that each sample tells its place; different per channel."""
    t = np.arange(n) / rate
    rows = [
        0.4 * np.sin(2 * np.pi * (200 + 60 * c) * t * (1 + t)) + 0.01 * np.sin(9000 * t)
        for c in range(channels)
    ]
    return np.stack(rows).astype(np.float32)


def musical_noise(
    seed: int, *, rate: int = 8000, seconds: float = 4.0, n_channels: int = 2
) -> np.ndarray:
    """Coloured noise with a moving envelope, about -20 dBFS: enough like music for ratios."""
    generator = np.random.default_rng(seed)
    n = round(seconds * rate)
    white = generator.standard_normal((n_channels, n + 7))
    smooth = sum(white[:, k : k + n] for k in range(8)) / np.sqrt(8)
    envelope = 1 + 0.8 * np.sin(np.arange(n) / rate * 2 * np.pi * 0.7 + seed)
    return 0.1 * smooth * envelope


def decibel(power: float) -> float:
    """10 log10, with silence at -300."""
    return float(10 * np.log10(max(power, 1e-30)))


def null_depth(a: Float32, b: Float32) -> float:
    """Energy of a - b against that of a, in dB."""
    return decibel(float(np.sum((a.astype(float) - b) ** 2)) / float(np.sum(a.astype(float) ** 2)))


def lag(a: np.ndarray, b: np.ndarray) -> int:
    """Samples by which b, (n,), is later than a."""
    n = 2 * max(len(a), len(b))
    c = np.fft.irfft(np.fft.rfft(b, n) * np.conj(np.fft.rfft(a, n)))
    at = int(np.argmax(c))
    return at if at < n // 2 else at - n


def voice(seconds: float, seed: int, rate: int = PAIR_RATE, *, rests: float = 0.25) -> np.ndarray:
    """A singer of sorts: harmonics of a gliding pitch with vibrato, in phrases, with breath."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    t = np.arange(n) / rate
    notes = np.repeat(rng.integers(-7, 8, int(seconds * 3) + 2), rate // 3)[:n]
    glide = np.convolve(notes, np.hanning(rate // 12) / np.hanning(rate // 12).sum(), "same")
    pitch = 220 * 2 ** (glide / 12) * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * t + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tone = sum(
        np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 12) if k * 400 < rate / 2
    )
    breath = np.convolve(rng.standard_normal(n + 3), [0.15, 0.15, -0.15, -0.15], "valid")
    phrases = np.repeat(rng.uniform(size=int(seconds * 2) + 1) >= rests, rate // 2)[:n]
    level = np.convolve(phrases, np.ones(400) / 400, "same")
    return (0.15 * level * (tone + breath)).astype(np.float32)[None]


def band(seconds: float, seed: int, rate: int = PAIR_RATE) -> np.ndarray:
    """A band of sorts: bass notes, chords and noise bursts on a beat."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    t = np.arange(n) / rate
    out = np.zeros(n)
    beat = 0.5
    for k in range(int(seconds / beat)):
        a, b = int(k * beat * rate), min(n, int((k + 1) * beat * rate))
        s = t[a:b] - t[a]
        root = 55 * 2 ** (rng.integers(0, 12) / 12)
        out[a:b] += 0.5 * np.sin(2 * np.pi * root * s) * np.exp(-2 * s)
        for m in rng.choice([4, 5, 6, 8, 9, 10, 12], 3, replace=False):
            out[a:b] += 0.15 * np.sin(2 * np.pi * root * m * s + rng.uniform(0, 6))
        out[a:b] += 0.3 * rng.standard_normal(b - a) * np.exp(-30 * s)
    return (0.3 * out).astype(np.float32)[None]
