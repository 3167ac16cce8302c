"""Reading audio in blocks, all of it or a time range, to the sample; never changes rate or level.

Only NaN and infinity are changed: they become 0 and are counted. A file that ends before it said
it would is an error at the place where it ends, not a shorter file.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from isolde.audio.decoders import Decoder
from isolde.audio.formats import LOSSY_SUBTYPES, AudioInfo
from isolde.audio.opening import open_decoder
from isolde.core.errors import AudioError, InputError
from isolde.core.resample import Resampler
from isolde.core.stage import Float32

_SLACK = 4 * 1152
"""Samples by which a lossy file may miss its declared length without being called damaged: some
encoders count a few frames (of 1152 samples, in mp3) wrongly."""

_SLACK_SECONDS = 0.5
"""The same where a container merely claims a duration; then it is never more than a note."""


def info(path: str | Path) -> AudioInfo:
    """Look at a file without decoding it.

    Args:
        path: the file.

    Raises:
        AudioError: it does not exist, is empty, may not be read, or is not audio.
        MissingExtraError: it needs the extra "av".
    """
    decoder = open_decoder(path)
    decoder.close()
    return decoder.info


class AudioReader:
    """The samples of a file or stream, as an iterator of blocks; a context manager.

    Reads wav, flac, ogg, opus, mp3, aiff and what else libsndfile knows, and m4a, aac and video
    with the extra "av". A stream that cannot seek is read as it comes if it is plain wav (16, 24
    or 32 bit, or float; header sizes that say "unknown" are accepted); anything else is first
    copied to a temporary file. A legal file with no samples gives no blocks.

    Attributes:
        info: what the file says of itself.
        n_nonfinite: NaN and infinite samples replaced by 0 so far.
    """

    def __init__(
        self,
        source: str | Path | BinaryIO,
        *,
        start: float = 0.0,
        end: float | None = None,
        block_samples: int = 65536,
    ) -> None:
        """Open a file and go to the start of the range.

        Args:
            source: a path, or a binary stream (which stays open), for example standard input.
            start: in seconds; the first sample is start * sample_rate, halves rounded up.
            end: in seconds, likewise, not included; None for all.
            block_samples: samples per channel in each block; the last one may be shorter.

        Raises:
            AudioError: the source does not exist, is empty, may not be read, or is not audio.
            InputError: the range is empty, or outside of the file where its length is known.
            MissingExtraError: the file needs the extra "av".
        """
        if block_samples < 1:
            raise InputError(f"blocks of {block_samples} samples: they must have 1 or more")
        if not (math.isfinite(start) and start >= 0):
            raise InputError(f"a range from {start} s: the start must be 0 or more")
        if end is not None and not (math.isfinite(end) and end > start):
            raise InputError(f"a range from {start} s to {end} s: the end must be after the start")
        self._decoder: Decoder = open_decoder(source)
        self.info = self._decoder.info
        self.n_nonfinite = 0
        self._block_samples = block_samples
        self._first = _to_sample(start, self.info.sample_rate)
        self._stop = None if end is None else _to_sample(end, self.info.sample_rate)
        self._at: int | None = None
        self._short: str | None = None
        try:
            self._check_range(self.info.n_samples)
        except InputError:
            self.close()
            raise

    @property
    def n_samples(self) -> int | None:
        """Samples per channel in the range that was asked for; None if nobody knows yet."""
        last = self._stop if self._stop is not None else self.info.n_samples
        return None if last is None else last - self._first

    def __iter__(self) -> Iterator[Float32]:
        """Give the blocks: float32 (n_channels, n), nominally in [-1, 1]; float files may exceed.

        A second iteration goes on where the first one stopped.

        Raises:
            AudioError: the file is damaged, or ends before it said it would.
            InputError: the range is beyond the end, where that could not be known before.
        """
        while (block := self.read_block()).shape[1]:
            yield block

    def read_block(self) -> Float32:
        """Give the next block, an empty one at the end.

        Returns:
            float32 (n_channels, n), n at most `block_samples`.

        Raises:
            AudioError: the file is damaged, or ends before it said it would.
            InputError: the range is beyond the end, where that could not be known before.
        """
        if self._at is None:
            self._decoder.skip_to(self._first)
            self._at = self._first
        last = self._stop if self._stop is not None else self.info.n_samples
        want = self._block_samples if last is None else min(self._block_samples, last - self._at)
        if want <= 0:
            return np.zeros((self.info.n_channels, 0), np.float32)
        block = self._decoder.read(want)
        self._at += block.shape[1]
        if block.shape[1] < want:
            self._ended()
        if block.size and not (np.isfinite(block.max()) and np.isfinite(block.min())):
            bad = ~np.isfinite(block)
            self.n_nonfinite += int(bad.sum())
            block[bad] = 0.0
        return block

    def notes(self) -> list[str]:
        """Say, one line each, what a user should know of what has been read so far."""
        lines = [note for note in (self._decoder.note, self._short) if note is not None]
        if self.n_nonfinite:
            lines.append(
                f"{self.info.path}: {self.n_nonfinite} samples are NaN or infinite; "
                "they were replaced by 0"
            )
        return lines

    def close(self) -> None:
        """Let go of the file."""
        self._decoder.close()

    def __enter__(self) -> "AudioReader":
        """Open already; nothing to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the file."""
        self.close()

    def _check_range(self, n_samples: int | None) -> None:
        """Check the range against the length of the file."""
        if n_samples is None:
            return
        rate, name = self.info.sample_rate, self.info.path
        seconds = n_samples / rate
        if self._first and self._first >= n_samples:
            raise InputError(
                f"{name}: lasts {seconds:.3f} s, so it cannot start at {self._first / rate:.3f} s: "
                "choose an earlier start"
            )
        if self._stop is not None and self._stop > n_samples:
            raise InputError(
                f"{name}: lasts {seconds:.3f} s, so it cannot end at {self._stop / rate:.3f} s: "
                "choose an earlier end, or none"
            )
        if self._stop is not None and self._stop <= self._first:
            raise InputError(f"{name}: the range holds no sample at {rate} Hz: choose a later end")

    def _ended(self) -> None:
        """Judge an end that came before the last sample asked for."""
        assert self._at is not None
        if self.info.n_samples is None:
            self._check_range(self._decoder.position)
            missing_seconds = (self.info.about_seconds or 0) - self._at / self.info.sample_rate
            if missing_seconds > _SLACK_SECONDS:
                self._short = (
                    f"{self.info.path}: ends {missing_seconds:.1f} s before the length that it "
                    "claims, it was probably cut short"
                )
            return
        rate = self.info.sample_rate
        seconds = self._at / rate
        missing = self.info.n_samples - self._at
        if self.info.subtype in LOSSY_SUBTYPES and missing <= _SLACK:
            self._short = (
                f"{self.info.path}: ends {missing} samples before the length that it declares"
            )
            return
        raise AudioError(
            f"{self.info.path}: is cut short or damaged: it ends after {seconds:.3f} s of "
            f"{self.info.n_samples / rate:.3f} s: get another copy, or read up to "
            f"end={math.floor(seconds * 1000) / 1000:.3f}"
        )


def read(
    path: str | Path | BinaryIO,
    *,
    start: float = 0.0,
    end: float | None = None,
    sample_rate: int | None = None,
) -> tuple[Float32, int]:
    """Read a whole file, or a range of it, into memory.

    Args:
        path: the file or stream.
        start: in seconds.
        end: in seconds; None for all.
        sample_rate: resample to this rate, in Hz; None for the file's own.

    Returns:
        The audio, float32 (n_channels, n_samples), and its sample rate in Hz.

    Raises:
        AudioError: it cannot be read.
        InputError: the range is empty or outside of the file.
        MissingExtraError: it needs the extra "av".
    """
    with AudioReader(path, start=start, end=end) as reader:
        rate = reader.info.sample_rate
        target = rate if sample_rate is None else sample_rate
        resampler = Resampler(rate, target, reader.info.n_channels)
        blocks = [resampler.feed(block) for block in reader]
        blocks.append(resampler.flush())
    return np.concatenate(blocks, axis=1), target


def _to_sample(seconds: float, sample_rate: int) -> int:
    """Round a time to a sample, halves up."""
    return math.floor(seconds * sample_rate + 0.5)
