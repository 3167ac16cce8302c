"""A detector that hears spectra on another grid than its own, as a stream; it decides nothing.

The spectra become samples and are analysed anew on the detector's grid; its probabilities are then
read at the times of the frames that were fed, between two of its own frames on the line.
"""

from dataclasses import replace
from math import ceil, floor
from pathlib import Path

import numpy as np

from isolde.activity.detector import MODEL, FrameDetector, load_frame_detector
from isolde.audio import Resampler
from isolde.core.spectrum import Analysis, Grid
from isolde.core.stage import Complex64, Float32
from isolde.core.synthesis import Synthesis


class RegriddedDetector:
    """Spectra (n_channels, n, n_bins) on a given grid in, a probability for each frame out."""

    def __init__(self, detector: FrameDetector, *, grid: Grid, n_channels: int) -> None:
        """Start a stream.

        Args:
            detector: Detector on a grid of its own; must not be shared with another stream.
            grid: Grid of the spectra, of which any number of bins from 0 Hz up may be fed.
            n_channels: Number of channels of the music.
        """
        self.grid, self._detector, inside = grid, detector, detector.grid
        self._synthesis = Synthesis(grid, n_channels)
        self._resampler = Resampler(grid.sample_rate, inside.sample_rate, n_channels)
        self._analysis = Analysis(inside, n_channels)
        self._ratio = grid.frame_seconds / inside.frame_seconds  # of its frames for one of ours
        self._start()

    @property
    def latency(self) -> int:
        """Frames: probability k is out once frame k + latency is in."""
        inside = self._detector.grid
        own = self._analysis.latency + (self._detector.latency + 1) * inside.hop
        samples = self._synthesis.latency + self._resampler.latency
        samples += ceil(own * self.grid.sample_rate / inside.sample_rate) + 1
        return ceil(samples / self.grid.hop) + 1

    def reset(self) -> None:
        """Begin a song."""
        for stage in (self._synthesis, self._resampler, self._analysis, self._detector):
            stage.reset()
        self._start()

    def _start(self) -> None:
        self._held = np.zeros(0, np.float32)
        self._first = 0  # the detector's frame that `_held` begins with
        self._n_fed = self._n_given = 0

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames; give the probabilities that are ready."""
        self._n_fed += spectra.shape[1]
        missing = self.grid.n_bins - spectra.shape[2]
        whole = np.pad(spectra, ((0, 0), (0, 0), (0, missing)))
        self._hear(self._resampler.feed(self._synthesis.feed(whole)))
        last = self._first + len(self._held) - 1
        ready = floor(last / self._ratio + 1e-9) + 1 if last >= 0 else 0
        return self._read(min(ready, self._n_fed))

    def flush(self) -> Float32:
        """Give the last probabilities; where no sound was, they are 0."""
        if self._n_fed:
            self._hear(self._resampler.feed(self._synthesis.flush()))
            self._hear(self._resampler.flush())
            found = [self._detector.feed(self._analysis.flush()), self._detector.flush()]
            self._held = np.concatenate([self._held, *found])
        if not len(self._held):
            self._held = np.zeros(1, np.float32)
        return self._read(self._n_fed)

    def _hear(self, samples: Float32) -> None:
        found = self._detector.feed(self._analysis.feed(samples))
        self._held = np.concatenate([self._held, found])

    def _read(self, end: int) -> Float32:
        """Probabilities of our frames up to `end`; forget what no later one needs."""
        if end <= self._n_given:
            return np.zeros(0, np.float32)
        at = np.arange(self._n_given, end) * self._ratio - self._first
        found: Float32 = np.interp(at, np.arange(len(self._held)), self._held).astype(np.float32)
        self._n_given = end
        drop = min(max(0, floor(end * self._ratio) - 1 - self._first), len(self._held) - 1)
        self._held, self._first = self._held[drop:], self._first + drop
        return found


def detector_on(
    grid: Grid, model: str | Path = MODEL, *, n_channels: int, threads: int = 1
) -> FrameDetector | RegriddedDetector:
    """Return a detector that hears spectra on a given grid, whatever its own is.

    Args:
        grid: Grid of the spectra. The detector hears either synthesis's windows as they are.
        model: Name or path of an activity model.
        n_channels: Number of channels of the music.
        threads: Threads for the network.

    Raises:
        ModelError: When there is no such model, or it tells no activity.
    """
    detector = load_frame_detector(model, n_channels=n_channels, threads=threads)
    if replace(grid, synthesis=detector.grid.synthesis) == detector.grid:
        return detector
    return RegriddedDetector(detector, grid=grid, n_channels=n_channels)
