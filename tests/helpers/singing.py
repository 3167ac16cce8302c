"""Songs whose stems are known, for the tests of measurements."""

import numpy as np

from isolde.evaluation.songs import Stems

RATE = 22_050


def song_of(seed: int, *, seconds: float = 2.0, rate: int = RATE) -> Stems:
    """A gliding harmonic voice, panned to the middle, over noise bursts that differ by channel."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 200 + 30 * seed + 12 * np.sin(2 * np.pi * 5 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 12)) * 0.08
    voice = np.stack([voice, voice])
    bursts = (np.sin(2 * np.pi * 2 * time) > 0.3) * 0.15 + 0.01
    rest = generator.standard_normal((2, time.size)) * bursts
    vocals, accompaniment = voice.astype(np.float32), rest.astype(np.float32)
    return Stems(vocals + accompaniment, vocals, accompaniment, rate)
