"""What happens to audio on its way: codecs, equalisers, rooms, other clocks, noise."""

import io

import numpy as np
import soundfile as sf
import soxr
from scipy import signal

from isolde.core.stage import Float32


def resample(audio: Float32, old: float, new: float) -> Float32:
    """Bring audio (n_channels, n) to another rate in Hz; a few ppm are another clock."""
    if old == new:
        return audio
    return np.asarray(soxr.resample(audio.T, old, new, quality="VHQ").T, np.float32)


def transcode(audio: Float32, rate: int, kind: str) -> Float32:
    """Send audio through `mp3` or `ogg`; it stays as long as it was."""
    store = io.BytesIO()
    audio = np.clip(audio, -1, 1)
    if kind == "mp3":
        sf.write(store, audio.T, rate, format="MP3", subtype="MPEG_LAYER_III")
    else:  # libsndfile 1.2 falls over a long block of Vorbis
        with sf.SoundFile(store, "w", rate, audio.shape[0], "VORBIS", format="OGG") as file:
            for k in range(0, audio.shape[1], 65536):
                file.write(audio[:, k : k + 65536].T)
    store.seek(0)
    out = sf.read(store, dtype="float32", always_2d=True)[0].T[:, : audio.shape[1]]
    return np.pad(out, ((0, 0), (0, audio.shape[1] - out.shape[1])))


def equalise(audio: Float32, rate: int, rng: np.random.Generator, *, most_db: float) -> Float32:
    """Apply three minimum-phase bells of 120 Hz to 6 kHz, Q 0.7 to 1.5 (the RBJ cookbook)."""
    out = audio.astype(np.float64)
    for _ in range(3):
        frequency = np.exp(rng.uniform(np.log(120), np.log(6000)))
        gain, quality = 10 ** (rng.uniform(-most_db, most_db) / 40), rng.uniform(0.7, 1.5)
        angle = 2 * np.pi * frequency / rate
        alpha, middle = np.sin(angle) / 2 / quality, -2 * np.cos(angle)
        zeros = np.array([1 + alpha * gain, middle, 1 - alpha * gain])
        poles = np.array([1 + alpha / gain, middle, 1 - alpha / gain])
        out = signal.lfilter(zeros / poles[0], poles / poles[0], out, axis=1)
    return out.astype(np.float32)


def reverberate(audio: Float32, rate: int, rng: np.random.Generator) -> Float32:
    """Add a tail of decaying noise at -10 dB, 20 ms late, RT60 0.8 s."""
    n = int(0.8 * rate)
    tail = rng.standard_normal((audio.shape[0], n)) * 10 ** (-3 * np.arange(n) / n)
    tail[:, : int(0.02 * rate)] = 0
    tail *= 10 ** (-10 / 20) / np.sqrt((tail**2).sum(axis=1, keepdims=True))
    return (audio + signal.oaconvolve(audio, tail, axes=1)[:, : audio.shape[1]]).astype(np.float32)


def add_noise(audio: Float32, rng: np.random.Generator, *, level_db: float) -> Float32:
    """Add white noise of a level in dBFS."""
    noise = rng.standard_normal(audio.shape).astype(np.float32)
    return audio + np.float32(10 ** (level_db / 20)) * noise


def swing(audio: Float32, rate: int, rng: np.random.Generator) -> Float32:
    """Let the tempo swing by 0.7 to 2 %, once in 8 to 20 s, as in another performance."""
    t = np.arange(audio.shape[1]) / rate
    period, depth, phase = rng.uniform(8, 20), rng.uniform(0.007, 0.02), rng.uniform(0, 2 * np.pi)
    bent = t + depth * period / 2 / np.pi * np.sin(2 * np.pi * t / period + phase)
    return np.stack([np.interp(bent, t, channel) for channel in audio]).astype(np.float32)


def average_channels(audio: Float32) -> Float32:
    """Average the channels; gives (1, n)."""
    return audio.mean(axis=0, keepdims=True)


def make_silence(*, seconds: float, like: Float32, rate: int) -> Float32:
    """Make zeros with the channels of `like`."""
    return np.zeros((like.shape[0], int(seconds * rate)), np.float32)
