"""Reduce sound to the pixels of a picture while it streams by, and draw them on axes.

However long a song is, a `Canvas` holds at most 2 * `columns` columns of `rows` levels: when it is
full, neighbouring columns are averaged in pairs and every later column spans twice the time. The
mean is that of power, so the total energy of a picture is the song's at every scale.
"""

from typing import TYPE_CHECKING

import numpy as np

from isolde.core.errors import InputError
from isolde.core.signal.log_frequency import HIGHEST_HZ, LOWEST_HZ, log_rows, picture_grid
from isolde.core.signal.spectrum import Analysis
from isolde.core.stage import Float32
from isolde.figures.style import LEVELS, time_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

ROWS = 288
COLUMNS = 1200
TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
BLOCK = 1 << 16

RANGE_DB = 80.0


class Columns:
    """A growing row of columns, at most twice as many as a picture shows."""

    def __init__(self, rows: int, *, columns: int = COLUMNS) -> None:
        """Start empty.

        Args:
            rows: Number of values in a column.
            columns: Number of columns that the picture has room for.
        """
        self._columns, self.span = columns, 1
        self._done: Float32 = np.zeros((0, rows), np.float32)
        self._held: Float32 = np.zeros((0, rows), np.float32)

    def put(self, values: Float32) -> None:
        """Append frames (n, rows)."""
        self._held = np.concatenate([self._held, values])
        whole = len(self._held) // self.span * self.span
        pooled = self._held[:whole].reshape(-1, self.span, self._held.shape[1]).mean(axis=1)
        self._done, self._held = np.concatenate([self._done, pooled]), self._held[whole:]
        while len(self._done) >= 2 * self._columns:
            odd = len(self._done) % 2
            if odd:  # a column without a neighbour waits, spread over its frames
                back = np.repeat(self._done[-1:], self.span, axis=0)
                self._held = np.concatenate([back, self._held])
            pairs = self._done[: len(self._done) - odd]
            self._done = pairs.reshape(-1, 2, pairs.shape[1]).mean(axis=1)
            self.span *= 2

    def values(self) -> Float32:
        """Return the columns so far, (rows, n); each spans `span` frames, the last maybe fewer."""
        last = self._held.mean(axis=0, keepdims=True) if len(self._held) else self._held
        return np.concatenate([self._done, last]).T


class Canvas:
    """A picture of sound in the making: samples in, levels out."""

    def __init__(
        self, sample_rate: int, n_channels: int, *, rows: int = ROWS, columns: int = COLUMNS
    ) -> None:
        """Start a picture.

        Args:
            sample_rate: Sample rate in Hz.
            n_channels: Number of channels of the sound.
            rows: Rows on the frequency axis.
            columns: Columns on the time axis; the picture gets between 1 and 2 times as many.
        """
        self.grid = picture_grid(sample_rate)
        self.low, self.high = LOWEST_HZ, min(HIGHEST_HZ, sample_rate / 2)
        self._analysis = Analysis(self.grid, n_channels)
        self._rows = log_rows(
            sample_rate / self.grid.n_fft, self.grid.n_bins, self.low, self.high, rows
        )
        self._columns = Columns(rows, columns=columns)
        self.n_rows = rows
        self._n_samples = 0

    @property
    def seconds(self) -> float:
        """Length of the sound so far."""
        return self._n_samples / self.grid.sample_rate

    @property
    def column_seconds(self) -> float:
        """Seconds of one column."""
        return self._columns.span * self.grid.frame_seconds

    def feed(self, block: Float32, /) -> None:
        """Take samples (n_channels, n) in [-1, 1]."""
        for start in range(0, block.shape[1], BLOCK):
            self._put(self._analysis.feed(block[:, start : start + BLOCK]))
        self._n_samples += block.shape[1]

    def flush(self) -> None:
        """End the sound."""
        self._put(self._analysis.flush())

    def power(self) -> Float32:
        """(rows, n): mean power over channels and time, relative to a full-scale sine."""
        return self._columns.values()

    def level(self) -> Float32:
        """(rows, n) in dB of a full-scale sine, at least -140."""
        return (10 * np.log10(np.maximum(self.power(), 1e-14))).astype(np.float32)

    def _put(self, spectra: np.ndarray) -> None:
        power = (spectra.real**2 + spectra.imag**2).mean(axis=0)
        self._columns.put(power @ self._rows.T)


def canvas_of(audio: Float32, sample_rate: int, *, columns: int = COLUMNS) -> Canvas:
    """Return the finished canvas of a signal (n_channels, n_samples) in [-1, 1].

    Raises:
        InputError: When there is no sound in the array, or it has another number of dimensions.
    """
    if audio.ndim != 2 or not audio.size:
        raise InputError(f"audio of shape {audio.shape}: give (n_channels, n_samples), not empty")
    canvas = Canvas(sample_rate, audio.shape[0], columns=columns)
    canvas.feed(audio)
    canvas.flush()
    return canvas


def height(hertz: "Float32 | float") -> Float32:
    """Convert a frequency in Hz to its place on the axis: octaves above 1 Hz."""
    return np.log2(np.maximum(np.asarray(hertz, np.float32), np.float32(1)))


def level_limits(level: Float32) -> tuple[float, float]:
    """Choose the levels in dB of the darkest and of the brightest colour."""
    top = float(np.ceil(np.percentile(level, 99.9) / 5) * 5)
    return top - RANGE_DB, top


def show(
    axes: "Axes",
    values: Float32,
    canvas: Canvas,
    *,
    start: float,
    limits: tuple[float, float],
    colours: str = LEVELS,
) -> "AxesImage":
    """Draw an image over time and logarithmic frequency.

    Args:
        axes: Axes to draw on.
        values: Values (rows, columns), the lowest frequency first.
        canvas: Finished canvas, whose length and frequencies the axes get.
        start: Time of the left edge in seconds.
        limits: Values of the darkest and of the brightest colour.
        colours: Colour map.
    """
    low, high, end = canvas.low, canvas.high, start + canvas.seconds
    image = axes.imshow(
        values,
        origin="lower",
        aspect="auto",
        extent=(start, end, float(height(low)), float(height(high))),
        vmin=limits[0],
        vmax=limits[1],
        cmap=colours,
        interpolation="antialiased",
    )
    ticks = [f for f in TICKS_HZ if low <= f <= high]
    axes.set_yticks([float(height(f)) for f in ticks])
    axes.set_yticklabels([f"{f // 1000}k" if f >= 1000 else str(f) for f in ticks])
    axes.set_ylim(float(height(low)), float(height(high)))
    clock(axes, start, end)
    return image


def clock(axes: "Axes", start: float, end: float) -> None:
    """Set a time axis from `start` to `end` seconds, labelled in seconds or minutes:seconds."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    long = end >= 60
    steps = [1, 1.5, 2, 3, 6, 10] if long else [1, 2, 2.5, 5, 10]
    axes.set_xlim(start, end)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=steps))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: f"{int(x // 60)}:{x % 60:02.0f}" if long else time_label(x))
    )
    axes.set_xlabel("time (min:s)" if long else "time (s)")
