"""Read the samples of a row of a manifest, a file or one stream of it; it changes no level."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from isolde.audio import AudioReader, Resampler
from isolde.core.stage import Float32
from isolde.datasets.manifest import Row

BLOCK = 1 << 16  # samples per channel


def open_row(row: Row) -> AudioReader:
    """Open the file of a row as blocks (n_channels, n) at its own rate; a context manager.

    Raises:
        AudioError: The file is missing, empty, not audio, or lacks the stream.
    """
    return AudioReader(row.file, block_samples=BLOCK, stream=row.stream, strict=True)


def samples_of(row: Row) -> tuple[Float32, int]:
    """Read all samples of a row, with all channels, at its own rate.

    Returns:
        Samples (n_channels, n_samples), float32, and the sample rate in Hz.

    Raises:
        AudioError: The file cannot be decoded to its end.
        MissingExtraError: It needs the extra "av".
    """
    with open_row(row) as source:
        blocks = [np.zeros((source.info.n_channels, 0), np.float32), *source]
        return np.concatenate(blocks, axis=1), source.info.sample_rate


def probe(row: Row) -> tuple[Row, Mapping[str, str]]:
    """Return the row with the length and rate that its file claims, undecoded, and the file's tags.

    Raises:
        AudioError: The file cannot be opened.
    """
    with open_row(row) as source:
        told = source.info
    return replace(row, seconds=told.seconds or 0.0, rate=told.sample_rate), told.tags


def stereo_at(row: Row, sample_rate: int) -> tuple[Float32, int]:
    """Return all samples of a row at another rate, and its own rate.

    Args:
        row: Row whose file is read.
        sample_rate: Sample rate in Hz.

    Returns:
        (2, n) float32: a mono file twice, the first two channels of more; and Hz.

    Raises:
        AudioError: The file cannot be decoded to its end.
    """
    with open_row(row) as source:
        rate, n_channels = source.info.sample_rate, min(2, source.info.n_channels)
        resampler = Resampler(rate, sample_rate, n_channels)
        pieces = [resampler.feed(np.ascontiguousarray(block[:2])) for block in source]
        audio = np.concatenate([*pieces, resampler.flush()], axis=1)
    return np.ascontiguousarray(np.broadcast_to(audio, (2, audio.shape[1]))), rate
