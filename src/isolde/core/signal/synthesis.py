"""Spectrum frames back to samples, as a stream: overlap and add; it changes no spectrum.

The inverse of `spectrum.Analysis`, exact from the first sample to the last; the windows and why it
is exact stand there.
"""

import numpy as np

from isolde.core.errors import InputError
from isolde.core.signal.spectrum import FRAMES_AT_ONCE, Grid
from isolde.core.stage import Complex64, Float32

_TINY = np.float32(1e-12)


class Synthesis:
    """Spectra (n_channels, n_frames, n_bins) in, samples (n_channels, n) out."""

    def __init__(self, grid: Grid, n_channels: int) -> None:
        """Start a stream of `n_channels` channels on `grid`."""
        self.grid = grid
        self.n_channels = n_channels
        self._overlap = 2 * grid.reach // grid.hop
        window = grid.synthesis_window()
        self._window = window / np.float32(grid.scale)
        self._power = (grid.window()[-2 * grid.reach :] * window).reshape(self._overlap, grid.hop)
        self.reset()

    @property
    def latency(self) -> int:
        """Samples: sample s is out once the frames up to centre s + latency are in."""
        return self.grid.reach

    def reset(self) -> None:
        """Begin anew."""
        hop, kept = self.grid.hop, self._overlap - 1
        self._sum: Float32 = np.zeros((self.n_channels, kept, hop), np.float32)
        self._weight: Float32 = np.zeros((kept, hop), np.float32)
        self._skip = self.grid.reach  # samples before the first one
        self._given = 0
        self._end: int | None = None

    def end_at(self, n_samples: int) -> None:
        """Say how long the signal is, before its last frames are fed: no more will come out.

        The last frame's centre lies up to a hop beyond the end, and the short synthesis gives all
        samples up to a frame's centre at once.
        """
        self._end = n_samples

    def feed(self, spectra: Complex64, /) -> Float32:
        """Take frames (n_channels, n_frames, n_bins); give the samples that are complete.

        Raises:
            InputError: When the shape does not fit the grid or the channels.
        """
        if spectra.ndim != 3 or spectra.shape[::2] != (self.n_channels, self.grid.n_bins):
            raise InputError(
                f"spectra of shape {spectra.shape} do not fit: "
                f"give ({self.n_channels}, n_frames, {self.grid.n_bins})"
            )
        parts = [
            self._overlap_add(spectra[:, start : start + FRAMES_AT_ONCE])
            for start in range(0, spectra.shape[1], FRAMES_AT_ONCE)
        ]
        return self._give(np.concatenate([np.zeros((self.n_channels, 0), np.float32), *parts], 1))

    def flush(self, n_samples: int | None = None) -> Float32:
        """Give the rest, so that the whole stream has `n_samples` samples.

        Args:
            n_samples: Length of the signal; None: as told to `end_at`, or else up to the centre
                of the last frame.

        Raises:
            InputError: When the frames do not reach that far, or more has come out already.
        """
        kept = self._overlap // 2 - 1
        ready = self._sum[:, :kept] / np.maximum(self._weight[:kept], _TINY)
        self._end = self._end if n_samples is None else n_samples
        rest = self._give(ready.astype(np.float32).reshape(self.n_channels, -1))
        if self._end is not None and not self._given - self.grid.hop < self._end <= self._given:
            raise InputError(
                f"{self._end} samples are not what these frames hold, up to {self._given}: "
                "pass the length of the signal that was analysed"
            )
        return rest

    def _overlap_add(self, spectra: Complex64) -> Float32:
        """Add frames to what is held; give the hops that no later frame can reach."""
        n, hop, overlap = spectra.shape[1], self.grid.hop, self._overlap
        frames = np.fft.irfft(spectra, self.grid.n_fft, axis=2).astype(np.float32, copy=False)
        frames = frames[:, :, -overlap * hop :] * self._window
        frames = frames.reshape(self.n_channels, n, overlap, hop)
        total: Float32 = np.zeros((self.n_channels, n + overlap - 1, hop), np.float32)
        weight = np.zeros((n + overlap - 1, hop), np.float32)
        total[:, : overlap - 1] = self._sum
        weight[: overlap - 1] = self._weight
        for j in range(overlap):
            total[:, j : j + n] += frames[:, :, j]
            weight[j : j + n] += self._power[j]
        self._sum, self._weight = total[:, n:].copy(), weight[n:].copy()
        done: Float32 = np.divide(total[:, :n], np.maximum(weight[:n], _TINY), dtype=np.float32)
        return done.reshape(self.n_channels, n * hop)

    def _give(self, samples: Float32) -> Float32:
        """Drop what lies before the first sample, count the rest, drop what is beyond the end."""
        skip = min(self._skip, samples.shape[1])
        left = samples.shape[1] if self._end is None else max(0, self._end - self._given)
        self._skip -= skip
        self._given += samples.shape[1] - skip
        return samples[:, skip : skip + left]


def synthesise(spectra: Complex64, grid: Grid, n_samples: int) -> Float32:
    """Transform spectra back into their signal (n_channels, n_samples): invert `analyse`."""
    stage = Synthesis(grid, spectra.shape[0])
    if not n_samples:
        return np.zeros((spectra.shape[0], 0), np.float32)
    stage.end_at(n_samples)
    parts = [stage.feed(spectra), stage.flush()]
    return np.concatenate(parts, axis=1)
