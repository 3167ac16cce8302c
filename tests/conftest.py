"""What several tests share: noise, tones, and a masker that needs no network."""

from dataclasses import dataclass

import numpy as np
import pytest

from isolde.core.spectrum import N_MODEL_BINS
from isolde.core.stage import Complex64, Float32


def noise(n_channels: int, n_samples: int, *, seed: int = 0, peak: float = 0.5) -> Float32:
    """White noise (n_channels, n_samples) within [-peak, peak]."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-peak, peak, (n_channels, n_samples)).astype(np.float32)


def decibel(power: float) -> float:
    """10 log10, with silence at -300."""
    return float(10 * np.log10(max(power, 1e-30)))


def null_depth(a: Float32, b: Float32) -> float:
    """Energy of a - b against that of a, in dB."""
    return decibel(float(np.sum((a.astype(float) - b) ** 2)) / float(np.sum(a.astype(float) ** 2)))


@dataclass
class Shelf:
    """A masker that passes the bins below `edge` to the stem and knows `latency` frames."""

    edge: int = 100
    latency: int = 3
    stems: tuple[str, ...] = ("vocals",)
    residual: str = "accompaniment"

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._owed = 0

    def _masks(self, n: int) -> Float32:
        mask = np.zeros((1, 1, n, N_MODEL_BINS), np.float32)
        mask[..., : self.edge] = 1
        return mask

    def feed(self, spectra: Complex64) -> Float32:
        self._owed += spectra.shape[1]
        n = max(0, self._owed - self.latency)
        self._owed -= n
        return self._masks(n)

    def flush(self) -> Float32:
        n, self._owed = self._owed, 0
        return self._masks(n)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()
