"""Spectrogram and peaks of a song as columns of bytes at several scales; it knows no colours.

Sound becomes columns of levels on a logarithmic frequency axis, as `isolde look` draws them, and
columns of peaks. A column of scale 0 spans two frames (23 ms at 44.1 kHz); a column of scale k is
the mean power of 4^k of them. Peaks have one scale: the page draws the highest of several. The
columns are on the disk and a tile is made of few of them, so an hour needs no more memory than a
minute.
"""

from pathlib import Path

import numpy as np

from isolde.core.errors import InputError
from isolde.core.signal.log_frequency import HIGHEST_HZ, LOWEST_HZ, log_rows, picture_grid
from isolde.core.signal.spectrum import Analysis
from isolde.core.stage import Float32
from isolde.studio.spool import Spool

ROWS = 224
TILE_COLUMNS = 256
FRAMES = 2
"""Frames in a column of scale 0."""

SCALE_STEP = 4
SCALES = 5
COARSE = 2
"""Scale that is stored beside scale 0; coarser scales are computed from it."""

LOWEST_DB, HIGHEST_DB = -100.0, 0.0
"""Levels of the bytes 0 and 255, of a full-scale sine."""

_POWERS = (10 ** (np.linspace(LOWEST_DB, HIGHEST_DB, 256) / 10)).astype(np.float32)


def column_samples(sample_rate: int) -> int:
    """Count the samples that a column of scale 0 spans."""
    return FRAMES * picture_grid(sample_rate).hop


def level_bytes(power: Float32) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Turn power relative to a full-scale sine into bytes, LOWEST_DB to HIGHEST_DB."""
    level = 10 * np.log10(np.maximum(power, 1e-14))
    share = (level - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB)
    return np.round(255 * np.clip(share, 0, 1)).astype(np.uint8)


class LevelColumns:
    """The spectrogram of a sound that is fed in blocks."""

    def __init__(self, path: Path, *, sample_rate: int, n_channels: int) -> None:
        """Start a stream.

        Args:
            path: Path of the file for the columns.
            sample_rate: Sample rate of the sound in Hz.
            n_channels: Number of channels of the sound.
        """
        grid = picture_grid(sample_rate)
        self._analysis = Analysis(grid, n_channels)
        top = min(HIGHEST_HZ, sample_rate / 2)
        self._rows = log_rows(sample_rate / grid.n_fft, grid.n_bins, LOWEST_HZ, top, ROWS)
        self._frames = np.zeros((0, ROWS), np.float32)  # of an incomplete column
        self._columns = np.zeros((0, ROWS), np.float32)  # of an incomplete coarse column
        self._fine, self._coarse = Spool(path), Spool(path.with_name(f"{path.name}.coarse"))

    def feed(self, block: Float32) -> None:
        """Take samples (n_channels, n) in [-1, 1]."""
        self._put(self._analysis.feed(block))

    def flush(self) -> None:
        """End the sound."""
        self._put(self._analysis.flush())
        if len(self._frames):
            self._put_columns(self._frames.mean(axis=0, keepdims=True))
        if len(self._columns):
            self._coarse.append(level_bytes(self._columns.mean(axis=0)).tobytes())
        self._frames, self._columns = self._frames[:0], self._columns[:0]

    def tile(self, scale: int, index: int) -> bytes:
        """Return the available columns of [index, index + 1) * TILE_COLUMNS of a scale.

        A column has ROWS bytes, the lowest frequency first.

        Raises:
            InputError: There is no such scale.
        """
        if not 0 <= scale < SCALES:
            raise InputError(f"scale {scale}: give 0 to {SCALES - 1}")
        spool, finest = (self._fine, 0) if scale < COARSE else (self._coarse, COARSE)
        span = SCALE_STEP ** (scale - finest)
        n_bytes = TILE_COLUMNS * span * ROWS
        data = spool.read(index * n_bytes, (index + 1) * n_bytes)
        columns = np.frombuffer(data, np.uint8).reshape(-1, ROWS)
        if span == 1 or not len(columns):
            return data
        starts = np.arange(0, len(columns), span)
        sums = np.add.reduceat(_POWERS[columns], starts, axis=0)
        counts = np.diff([*starts, len(columns)])[:, None]
        return level_bytes((sums / counts).astype(np.float32)).tobytes()

    def close(self) -> None:
        """Close the files."""
        self._fine.close()
        self._coarse.close()

    def _put(self, spectra: np.ndarray) -> None:
        power = (spectra.real**2 + spectra.imag**2).mean(axis=0) @ self._rows.T
        columns, self._frames = _means(np.concatenate([self._frames, power]), FRAMES)
        self._put_columns(columns)

    def _put_columns(self, columns: Float32) -> None:
        self._fine.append(level_bytes(columns).tobytes())
        coarse, self._columns = _means(np.concatenate([self._columns, columns]), SCALE_STEP**COARSE)
        self._coarse.append(level_bytes(coarse).tobytes())


class PeakColumns:
    """The highest magnitudes of several sounds that are fed in blocks."""

    def __init__(self, path: Path, *, span: int, n_sounds: int) -> None:
        """Start a stream.

        Args:
            path: Path of the file for the columns.
            span: Samples of a column of scale 0.
            n_sounds: Number of sounds that are fed together.
        """
        self._span, self._n = span, n_sounds
        self._held = np.zeros((n_sounds, 0), np.float32)
        self._spool = Spool(path)

    def feed(self, *sounds: Float32) -> None:
        """Take samples (n_channels, n) of each sound, all of the same length."""
        highest = np.stack([np.abs(sound).max(axis=0) for sound in sounds])
        held = np.concatenate([self._held, highest], axis=1)
        n = held.shape[1] // self._span
        self._put(held[:, : n * self._span].reshape(self._n, n, self._span).max(axis=2))
        self._held = held[:, n * self._span :]

    def flush(self) -> None:
        """End the sounds."""
        if self._held.shape[1]:
            self._put(self._held.max(axis=1, keepdims=True))
            self._held = self._held[:, :0]

    def columns(self, start: int) -> bytes:
        """Return the available columns from `start` on.

        A column has one byte per sound; 255 is full scale.
        """
        return self._spool.read(start * self._n, self._spool.n_bytes)

    def close(self) -> None:
        """Close the file."""
        self._spool.close()

    def _put(self, peaks: Float32) -> None:
        self._spool.append(np.round(255 * np.minimum(peaks.T, 1)).astype(np.uint8).tobytes())


def _means(columns: Float32, span: int) -> tuple[Float32, Float32]:
    """Means of every `span` columns (n, width), and the columns that are left over."""
    n = len(columns) // span
    means: Float32 = columns[: n * span].reshape(n, span, columns.shape[1]).mean(axis=1)
    return means, columns[n * span :]
