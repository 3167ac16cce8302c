"""Grids, and samples to spectrum frames as a stream (`synthesis` is the way back); never a mask.

A grid says where frames and bins lie, and belongs to a model. The article's has windows of 46.4 ms
every 11.6 ms: 1024/256 at 22,050 Hz and 2048/512 at 44,100 Hz are the same frames and, up to
11,025 Hz, the same bins; so it is with every grid at 22,050 Hz and its double (see `Grid.at`).

Frame t is centred on sample t * hop, and a signal of n samples has 1 + ceil(n / hop) frames, zeros
standing in before its start and after its end. Analysis multiplies by a periodic Hann window w and
transforms; synthesis multiplies by w again, overlaps and adds, and divides by the sum of w^2 over
the frames that were really there, so that the inverse is exact from the first sample to the last:

    x[n] = sum_t w[n - t hop] (w[n - t hop] x[n]) / sum_t w[n - t hop]^2

That is the long synthesis. It costs a whole window of latency: half a window until a frame is
complete, half until no later frame reaches a sample. The short synthesis has the same window
length, hop and bins and costs half as much (Mauler and Martin, "A low delay, variable resolution,
perfect reconstruction spectral analysis-synthesis system", 2007). Its analysis window a leans
towards the newest samples, its synthesis window s is zero but for the last half:

    m = n_fft / 4     a frame's centre is m samples before its end, at n = n_fft - m
    a[n] = sin(pi n / (2 (n_fft - m)))^RISE      for n < n_fft - m: a slow rise
    a[n] = sin(pi (n_fft - n) / (2 m))           after it: a fall of m samples
    a[n] s[n] = hann_2m[n - (n_fft - 2m)]        in the last 2 m samples, else 0

Hann windows of 2m samples every m or fewer sum to a constant, whatever the rise: the inverse is
exact by design, and the division by the sum above does for both.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from isolde.core.errors import InputError
from isolde.core.stage import Complex64, Float32, check_block, checked_form

TOP_RATE = 44_100
"""Sample rate in Hz above which nothing is analysed."""

LARGEST_FFT = 1 << 20
"""Samples of the longest window of a transform."""

FRAMES_AT_ONCE = 1024
"""Frames transformed in one go: bounds the memory of a large block to some tens of megabytes."""

SYNTHESES = ("long", "short")

RISE = 2
"""Power of the sine by which the short synthesis's analysis window rises (docs/lab/live.md)."""


@dataclass(frozen=True)
class Grid:
    """Where frames and bins lie.

    Attributes:
        sample_rate: Sample rate in Hz.
        n_fft: Window length in samples, a multiple of twice the hop.
        hop: Samples from one frame to the next.
        synthesis: "long", or "short" for half the latency (n_fft is then 4, 8, ... hops).
    """

    sample_rate: int
    n_fft: int
    hop: int
    synthesis: str = "long"

    def __post_init__(self) -> None:
        """Refuse a grid whose overlapped windows would not line up.

        Raises:
            InputError: They would not, or a number is out of range.
        """
        if self.synthesis not in SYNTHESES:
            raise InputError(
                f"synthesis '{self.synthesis}' is unknown: take {' or '.join(SYNTHESES)}"
            )
        checked_form(self.sample_rate, 1)
        if self.n_fft > LARGEST_FFT:
            raise InputError(f"n_fft {self.n_fft}: give {LARGEST_FFT} samples or less")
        step = 2 if self.synthesis == "long" else 4
        if self.hop < 1 or self.n_fft % (step * self.hop) or self.n_fft < 4 * self.hop:
            raise InputError(
                f"n_fft {self.n_fft} with hop {self.hop} is no grid: "
                f"take n_fft as 4, {4 + step}, {4 + 2 * step}, ... times the hop"
            )

    @property
    def n_bins(self) -> int:
        """Bins of a half spectrum, DC and Nyquist included."""
        return self.n_fft // 2 + 1

    @property
    def bin_hz(self) -> float:
        """Hertz from one bin to the next."""
        return self.sample_rate / self.n_fft

    @property
    def frame_seconds(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop / self.sample_rate

    @property
    def reach(self) -> int:
        """Samples from a frame's centre to its end; the synthesis reaches as far to both sides."""
        return self.n_fft // 2 if self.synthesis == "long" else self.n_fft // 4

    @property
    def latency(self) -> int:
        """Samples by which analysis and synthesis trail together."""
        return 2 * self.reach

    @property
    def scale(self) -> float:
        """Factor that gives a full-scale sine at a bin's centre the magnitude 1."""
        if self.synthesis == "long":
            return 4.0 / self.n_fft
        return float(2.0 / self._window().sum())

    def at(self, sample_rate: int, *, synthesis: str | None = None) -> "Grid":
        """Give the same frames, and the same bins from 0 Hz up, for audio of this sample rate.

        Args:
            sample_rate: Sample rate of the audio in Hz, before it is resampled for the grid.
            synthesis: "long" or "short"; None for this grid's own.

        Returns:
            This grid for audio up to its sample rate; above it the double, with twice the sample
            rate, window and hop, where that is not beyond 44,100 Hz: no treble is lost then, and
            the commonest rate needs no resampling.

        Raises:
            InputError: The synthesis is unknown, or does not fit the hop.

        Examples:
            >>> GRID_22.at(48000)
            Grid(sample_rate=44100, n_fft=2048, hop=512, synthesis='long')
        """
        twice = sample_rate > self.sample_rate and 2 * self.sample_rate <= TOP_RATE
        return Grid(
            sample_rate=self.sample_rate * (1 + twice),
            n_fft=self.n_fft * (1 + twice),
            hop=self.hop * (1 + twice),
            synthesis=synthesis or self.synthesis,
        )

    def n_frames(self, n_samples: int) -> int:
        """Count the frames of a signal of `n_samples` samples; none for none."""
        return 1 + ceil(n_samples / self.hop) if n_samples else 0

    def window(self) -> Float32:
        """Compute the analysis window, (n_fft,) in [0, 1]; the long one is the periodic Hann."""
        return self._window().astype(np.float32)

    def synthesis_window(self) -> Float32:
        """Compute the synthesis window of a frame's last 2 * reach samples, (2 * reach,) >= 0."""
        if self.synthesis == "long":
            return self.window()
        tail = self._window()[-2 * self.reach :]
        return (_hann(2 * self.reach) / tail).astype(np.float32)

    def _window(self) -> NDArray[np.float64]:
        if self.synthesis == "long":
            return _hann(self.n_fft)
        slow, fast = self.n_fft - self.reach, self.reach
        rise = np.sin(np.pi / 2 * np.arange(slow) / slow) ** RISE
        fall = np.cos(np.pi / 2 * np.arange(fast) / fast)
        return np.concatenate([rise, fall])


def _hann(n: int) -> NDArray[np.float64]:
    """The periodic Hann window, (n,) in [0, 1]."""
    window: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    return window


GRID_22 = Grid(sample_rate=22050, n_fft=1024, hop=256)
GRID_44 = Grid(sample_rate=44100, n_fft=2048, hop=512)


def grid_for(sample_rate: int, synthesis: str = "long") -> Grid:
    """Give the article's grid for audio of this rate: GRID_22 up to 22,050 Hz, else GRID_44.

    Raises:
        InputError: When the synthesis is unknown.
    """
    return GRID_22.at(sample_rate, synthesis=synthesis)


class Analysis:
    """Samples (n_channels, n) in, spectra (n_channels, n_frames, n_bins) out."""

    def __init__(self, grid: Grid, n_channels: int) -> None:
        """Start a stream of `n_channels` channels on `grid`."""
        self.grid = grid
        self.n_channels = n_channels
        self._window = grid.window() * np.float32(grid.scale)
        self.reset()

    @property
    def latency(self) -> int:
        """Samples: the frame centred on sample s is out once s + latency samples are in."""
        return self.grid.reach

    def reset(self) -> None:
        """Begin anew; the first frame sees zeros before the first sample."""
        before = self.grid.n_fft - self.grid.reach
        self._held: Float32 = np.zeros((self.n_channels, before), np.float32)
        self._n_samples = 0
        self._n_frames = 0

    def feed(self, block: Float32, /) -> Complex64:
        """Take samples (n_channels, n); give the frames that are complete.

        Raises:
            InputError: When the block has another number of channels.
        """
        check_block(block, n_channels=self.n_channels)
        self._n_samples += block.shape[1]
        self._held = np.concatenate([self._held, block.astype(np.float32, copy=False)], axis=1)
        return self._transform()

    def flush(self) -> Complex64:
        """Give the frames that reach beyond the last sample."""
        missing = self.grid.n_frames(self._n_samples) - self._n_frames
        need = (missing - 1) * self.grid.hop + self.grid.n_fft if missing > 0 else 0
        if missing <= 0:
            return np.zeros((self.n_channels, 0, self.grid.n_bins), np.complex64)
        pad = max(0, need - self._held.shape[1])
        self._held = np.pad(self._held, ((0, 0), (0, pad)))[:, :need]
        return self._transform()

    def _transform(self) -> Complex64:
        n_fft, hop = self.grid.n_fft, self.grid.hop
        n = max(0, (self._held.shape[1] - n_fft) // hop + 1)
        spectra = np.empty((self.n_channels, n, self.grid.n_bins), np.complex64)
        if n:
            frames = sliding_window_view(self._held, n_fft, axis=1)[:, : (n - 1) * hop + 1 : hop]
            for start in range(0, n, FRAMES_AT_ONCE):
                part = slice(start, start + FRAMES_AT_ONCE)
                spectra[:, part] = np.fft.rfft(frames[:, part] * self._window, axis=2)
            self._held = self._held[:, n * hop :].copy()
            self._n_frames += n
        return spectra


def analyse(audio: Float32, grid: Grid) -> Complex64:
    """Transform a signal into all its spectra.

    Args:
        audio: (n_channels, n_samples) in [-1, 1].
        grid: Where frames and bins lie.

    Returns:
        (n_channels, n_frames, n_bins); a full-scale sine has magnitude 1 in its bin.
    """
    stage = Analysis(grid, audio.shape[0])
    return np.concatenate([stage.feed(audio), stage.flush()], axis=1)
