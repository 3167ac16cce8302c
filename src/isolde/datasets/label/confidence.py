"""Estimate how reliable a teacher's labels are, second by second, without ground truth.

Three things can be seen without the truth. What the stems leave of the mixture: a separator that
lost or invented something does not sum. How much the voice's and the backing's estimates are alike:
two sources are not, bleed is. And how loud the voice is: labels of a voice near silence say little.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isolde.core.atomic import write_text
from isolde.core.stage import Float32

CAP_DB = 60.0
"""Residuals beyond this are rounding."""

GOOD_DB = 15.0
"""A residual from which on the sum counts as exact: a good separator whose stems are made one by
one, HT-Demucs, leaves 16 to 17 dB of a song."""

SILENCE_DB = -70.0
"""A second of mixture below this, in dB of full scale, teaches silence, whatever the stems."""

COLUMNS = ("second", "mixture_db", "residual_db", "vocals_db", "correlation", "confidence")


@dataclass(frozen=True)
class Confidence:
    """Values per second; the last second may be shorter.

    Attributes:
        mixture_db: Level (RMS) of the song, dB of full scale.
        residual_db: 10 log10 of the mixture's energy over that of what the stems leave, at most
            `CAP_DB`.
        vocals_db: Level of the vocals beside the mixture, dB, at least -80.
        correlation: Correlation of vocals with the rest, -1 to 1.
        confidence: Min(1, residual_db / GOOD_DB), at least 0, times 1 - |correlation|; 1 where the
            mixture is silent.
    """

    mixture_db: Float32
    residual_db: Float32
    vocals_db: Float32
    correlation: Float32
    confidence: Float32

    def write(self, path: Path) -> None:
        """Write the values as CSV, a line per second."""
        text = io.StringIO(newline="")
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(COLUMNS)
        for second in range(len(self.confidence)):
            values = (getattr(self, name)[second] for name in COLUMNS[1:])
            lines.writerow([second, *(f"{value:.3f}" for value in values)])
        write_text(path, text.getvalue())


def confidence_of(mixture: Float32, stems: Mapping[str, Float32], sample_rate: int) -> Confidence:
    """Estimate the confidence of a teacher's stems from the mixture.

    Args:
        mixture: Mixture (n_channels, n) in [-1, 1].
        stems: Name -> array of the same shape; "vocals" and what else sums to the mixture.
        sample_rate: Sample rate in Hz.
    """
    vocals = stems["vocals"]
    rest = np.sum([a for name, a in stems.items() if name != "vocals"], axis=0)
    starts = range(0, max(1, mixture.shape[1]), sample_rate)
    values = np.zeros((5, len(starts)), np.float32)
    for i, start in enumerate(starts):
        x, v, a = (
            s[:, start : start + sample_rate].astype(np.float64) for s in (mixture, vocals, rest)
        )
        energy, voice = float(np.sum(x**2)), float(np.sum(v**2))
        left = float(np.sum((x - v - a) ** 2))
        level = 10 * np.log10(max(energy / max(1, x.size), 1e-12))
        residual = min(CAP_DB, 10 * np.log10(max(energy, 1e-12) / max(left, 1e-18)))
        loudness = max(-80.0, 10 * np.log10(max(voice, 1e-18) / max(energy, 1e-12)))
        alike = float(np.sum(v * a)) / max(np.sqrt(voice * float(np.sum(a**2))), 1e-12)
        trust = float(np.clip(residual / GOOD_DB, 0, 1)) * (1 - abs(alike))
        trust = 1.0 if level < SILENCE_DB else trust
        values[:, i] = level, residual, loudness, np.clip(alike, -1, 1), np.clip(trust, 0, 1)
    return Confidence(*values)
