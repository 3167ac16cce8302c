"""Transform one whole window to spectra and back, with reflected ends; it keeps no stream."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from isolde.core.stage import Complex64, Float32


class Transform:
    """The short-time Fourier transform that window networks were trained with.

    The window is a periodic Hann window; the samples are reflected at both ends. The inverse
    multiplies by the window again and divides by the sum of its squares.
    """

    def __init__(self, n_samples: int, *, n_fft: int, hop: int, before: int, n_frames: int) -> None:
        """Prepare the transform for windows of one length.

        Args:
            n_samples: Number of samples of a window.
            n_fft: Length of a frame in samples.
            hop: Hop in samples.
            before: Number of reflected samples before the first.
            n_frames: Number of frames.
        """
        self.n_samples, self.n_fft, self.hop, self.n_frames = n_samples, n_fft, hop, n_frames
        self.before = before
        self.after = (n_frames - 1) * hop + n_fft - before - n_samples
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
        power = np.zeros(before + n_samples + self.after)
        for frame in range(n_frames):
            power[frame * hop : frame * hop + n_fft] += window**2
        self._window = window.astype(np.float32)
        self._gain = (1 / np.maximum(power, 1e-8)).astype(np.float32)

    def forward(self, samples: Float32) -> Complex64:
        """Transform samples (n_channels, n) to spectra (n_channels, n_frames, n_fft / 2 + 1)."""
        padded = np.pad(samples, ((0, 0), (self.before, self.after)), mode="reflect")
        frames = sliding_window_view(padded, self.n_fft, axis=1)[:, :: self.hop]
        return np.fft.rfft(frames * self._window, axis=2).astype(np.complex64)

    def inverse(self, spectra: Complex64) -> Float32:
        """Turn spectra (n_channels, n_frames, n_fft / 2 + 1) into (n_channels, n_samples)."""
        frames = np.fft.irfft(spectra, self.n_fft, axis=2).astype(np.float32) * self._window
        total = np.zeros((spectra.shape[0], len(self._gain)), np.float32)
        for frame in range(self.n_frames):
            start = frame * self.hop
            total[:, start : start + self.n_fft] += frames[:, frame]
        inside = slice(self.before, self.before + self.n_samples)
        return total[:, inside] * self._gain[inside]
