"""The samples behind a row of a manifest: a file, or one stream of a file; it changes no level."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from isolde.audio import AudioInfo, AudioReader, Resampler
from isolde.core.closing import Closable
from isolde.core.stage import Float32
from isolde.datasets.manifest import Row

BLOCK = 1 << 16  # samples per channel


class Source(Closable):
    """One row's samples as blocks (n_channels, n) at their own rate; a context manager.

    Attributes:
        info: What the file says of itself.
    """

    def __init__(self, row: Row) -> None:
        """Open the file.

        Raises:
            AudioError: The file is missing, empty, not audio, or lacks the stream.
        """
        self._reader = AudioReader(row.file, block_samples=BLOCK, stream=row.stream, strict=True)
        self.info: AudioInfo = self._reader.info

    @property
    def n_nonfinite(self) -> int:
        """Samples that were no number and became 0, so far."""
        return self._reader.n_nonfinite

    def __iter__(self) -> Iterator[Float32]:
        """Decode.

        Raises:
            AudioError: The file cannot be read any further.
        """
        return iter(self._reader)

    def notes(self) -> list[str]:
        """Tell what is odd about the file, a line each, as far as it has been decoded."""
        return self._reader.notes()

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()


def samples_of(row: Row) -> tuple[Float32, int]:
    """Read all samples of a row, with all channels, at its own rate.

    Returns:
        Samples (n_channels, n_samples), float32, and the sample rate in Hz.

    Raises:
        AudioError: The file cannot be decoded to its end.
        MissingExtraError: It needs the extra "av".
    """
    with Source(row) as source:
        blocks = [np.zeros((source.info.n_channels, 0), np.float32), *source]
        return np.concatenate(blocks, axis=1), source.info.sample_rate


def probe(row: Row) -> tuple[Row, Mapping[str, str]]:
    """Return the row with its file's length and rate, claimed, not decoded; and the file's tags.

    Raises:
        AudioError: The file cannot be opened.
    """
    with Source(row) as source:
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
    with Source(row) as source:
        rate, n_channels = source.info.sample_rate, min(2, source.info.n_channels)
        resampler = Resampler(rate, sample_rate, n_channels)
        pieces = [resampler.feed(np.ascontiguousarray(block[:2])) for block in source]
        audio = np.concatenate([*pieces, resampler.flush()], axis=1)
    return np.ascontiguousarray(np.broadcast_to(audio, (2, audio.shape[1]))), rate
