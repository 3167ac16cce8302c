"""Draws where the rules break, from synthetic singing: two voices at once, and a large hall.

From a checkout: `PYTHONPATH=src:tools python -m rules_pictures FOLDER`.
"""

from pathlib import Path

import numpy as np

from isolde.core.signal.spectrum import GRID_22, analyse
from isolde.core.signal.synthesis import synthesise
from isolde.core.stage import Float32
from isolde.evaluation.metrics.ratios import usdr
from isolde.figures.canvas import canvas_of
from isolde.figures.separation import mask_columns, separation_figure
from isolde.figures.spectrogram import Marks, mark
from isolde.figures.style import save
from isolde.rules import Rules
from isolde.rules.masker import listen, weigh_bins

RATE = GRID_22.sample_rate
SECONDS = 4.0
MELODY = (220.0, 246.94, 261.63, 293.66, 329.63, 293.66, 261.63, 220.0)
HALL_SECONDS = 2.5
"""Time in which the hall's sound falls by 60 dB."""


def sing(notes: tuple[float, ...]) -> Float32:
    """Return a voice of harmonics, vibrato on every note, (1, n) with RMS 0.1, SECONDS long."""
    n = int(SECONDS * RATE)
    t = np.arange(n) / RATE
    note = np.minimum((t / SECONDS * len(notes)).astype(int), len(notes) - 1)
    pitch = np.asarray(notes)[note] * 2 ** (30 / 1200 * np.sin(2 * np.pi * 5.5 * t))
    turns = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(h * turns) / h for h in range(1, 21))
    level = np.sqrt(np.mean(np.square(voice)))
    return np.asarray(0.1 * voice / level, np.float32)[None]


def in_a_hall(voice: Float32) -> Float32:
    """Return the voice (1, n) and its reverberation: noise that decays exponentially."""
    rng = np.random.default_rng(0)
    n = int(HALL_SECONDS * RATE)
    tail = rng.normal(size=n) * 10 ** (-3 * np.arange(n) / n)
    tail *= 1.0 / np.sqrt(np.sum(tail**2))
    size = voice.shape[1] + n
    wet = np.fft.irfft(np.fft.rfft(voice[0], size) * np.fft.rfft(tail, size), size)
    return (voice + wet[: voice.shape[1]]).astype(np.float32)


def kept(voice: Float32) -> tuple[Float32, Float32, Float32]:
    """Say what the rules keep of voices alone (1, n), their mask (n_frames, 513), and the pitch."""
    spectra = analyse(voice, GRID_22)
    mask, track = listen(*weigh_bins(spectra, Rules()), Rules())
    return synthesise(spectra * mask, GRID_22, voice.shape[1]), mask, track.f0


def draw_failures(folder: str | Path) -> list[Path]:
    """Draw both pictures into a folder.

    Raises:
        AudioError: When a file cannot be written.
        MissingExtraError: When matplotlib or librosa is not installed.
    """
    second = tuple(2 ** (4 / 12) * f for f in MELODY)
    scenes = {
        "two-voices": ("Two voices a third apart", sing(MELODY) + sing(second)),
        "hall": (f"One voice in a hall of {HALL_SECONDS} s", in_a_hall(sing(MELODY))),
    }
    paths = []
    for name, (title, voice) in scenes.items():
        estimate, mask, f0 = kept(voice)
        figure = separation_figure(
            canvas_of(voice, RATE),
            canvas_of(estimate, RATE),
            mask_columns(mask, RATE),
            title=f"{title}, nothing else: "
            f"the rules keep {usdr(voice, estimate):.1f} dB uSDR of it",
        )
        times = np.arange(len(f0), dtype=np.float32) * np.float32(GRID_22.frame_seconds)
        marks = Marks(times, f0, np.zeros(len(f0), np.bool_), GRID_22.frame_seconds)
        mark(figure.axes[0], marks, high=RATE / 2, harmonics=1)
        paths.append(save(figure, Path(folder) / f"rules-{name}.png", dpi=80))
    return paths
