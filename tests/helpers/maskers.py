"""Maskers that need no network."""

from dataclasses import dataclass

import numpy as np

from isolde.core.signal.spectrum import GRID_22, Grid
from isolde.core.stage import Complex64, Float32


@dataclass
class Shelf:
    """A masker that passes the bins below `edge` to the stem and knows `latency` frames."""

    edge: int = 100
    latency: int = 3
    stems: tuple[str, ...] = ("vocals",)
    residual: str = "accompaniment"
    grid: Grid = GRID_22
    bins: int = 0  # that it sees; 0: all of the grid

    @property
    def n_bins(self) -> int:
        return self.bins or self.grid.n_bins

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._owed = 0

    def _masks(self, n: int) -> Float32:
        mask = np.zeros((1, 1, n, self.n_bins), np.float32)
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
