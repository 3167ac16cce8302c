"""Reads audio in blocks, all of it or a range, exact to the sample; never changes rate or level.

Only NaN, infinity and what is louder than any sound (`core.stage.LOUDEST`) is changed: it becomes 0
and is counted. Of a damaged or cut file, all that can be decoded is read, with silence where
something was lost in between, and a note tells what and where; a strict reader raises an error
there instead.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from isolde.audio.decoding.base import NO_SAMPLES, Decoder, loss_note
from isolde.audio.formats import AudioInfo
from isolde.audio.opening import open_decoder
from isolde.core.closing import Closable
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import LOUDEST, Float32, silence_faults


def info(path: str | Path) -> AudioInfo:
    """Return what is known of a file, decoding no more than its start.

    Args:
        path: The file.

    Raises:
        AudioError: It does not exist, is empty, may not be read, is not audio, or has no sound.
    """
    with ExitStack() as resources:
        return open_decoder(path, resources).info


_LATEST = 1e9
"""Seconds that no file reaches, and up to which a time is a number of samples."""


class AudioReader(Closable):
    """The samples of a file or stream, as an iterator of blocks; a context manager.

    Reads wav, aiff, w64, caf and flac by libsndfile, and everything else that FFmpeg knows: mp3,
    ogg, opus, m4a, wma, the sound of video... A stream is read as it comes if it is plain wav (16,
    24 or 32 bit, or float; header sizes that say "unknown" are accepted); anything else is first
    copied to a temporary file.

    Attributes:
        info: What the file says of itself.
        block_samples: Samples per channel in each block, which may change while it reads.
        n_nonfinite: NaN, infinite and impossibly loud samples replaced by 0 so far.
    """

    def __init__(
        self,
        source: str | Path | BinaryIO,
        *,
        start: float = 0.0,
        end: float | None = None,
        block_samples: int = 65536,
        strict: bool = False,
        stream: int | None = None,
    ) -> None:
        """Open a file and go to the start of the range.

        Args:
            source: A path, or a binary stream (which stays open), for example standard input.
            start: Start in seconds; the first sample is start * sample_rate, halves rounded up.
            end: End in seconds, likewise, not included; None, or one beyond the end, for all.
            block_samples: Samples per channel in each block; the last one may be shorter.
            strict: Damage and a missing end are errors, not notes.
            stream: Which audio stream of a file with several, from 0; None for the default one.

        Raises:
            AudioError: The source does not exist, is empty, may not be read, is not audio, or has
                no sound.
            InputError: The range is empty, or begins beyond the end.
        """
        if block_samples < 1:
            raise InputError(f"blocks of {block_samples} samples: they must have 1 or more")
        if not 0 <= start <= _LATEST:
            raise InputError(
                f"a range from {start} s: the start must be 0 or more, at most {_LATEST:g}"
            )
        if end is not None and not start < end <= _LATEST:
            raise InputError(
                f"a range from {start} s to {end} s: the end must be after the start, and at most "
                f"{_LATEST:g} (in Python None for all)"
            )
        self.n_nonfinite = 0
        self.block_samples, self._strict = block_samples, strict
        self._at, self._closed = 0, False
        self._resources = ExitStack()
        try:
            self._decoder: Decoder = open_decoder(source, self._resources, stream=stream)
            self.info = self._decoder.info
            self._first = _to_sample(start, self.info.sample_rate)
            self._stop = None if end is None else _to_sample(end, self.info.sample_rate)
            self._check_start(self.info.n_samples)
            if self._stop is not None and self._stop <= self._first:
                rate = self.info.sample_rate
                raise InputError(
                    f"{self.info.path}: the range holds no sample at {rate} Hz: choose a later end"
                )
            self._check_losses()
            if self._first:
                self._decoder.skip_to(self._first)
                self._at = self._decoder.position
                if self._at < self._first:
                    self._check_start(self._at)
        except BaseException:  # also Ctrl-C, while it decodes up to the start
            self.close()
            raise

    @property
    def n_samples(self) -> int | None:
        """Samples per channel in the range that was asked for; None if nobody knows yet.

        Of a file whose own length nobody knows yet, those up to the end that was asked for: fewer
        come where it ends before.
        """
        last = self._last()
        return None if last is None else last - self._first

    @property
    def about_samples(self) -> int | None:
        """Samples per channel in the range, as far as the file claims; for a progress bar."""
        ends = [end for end in (self._stop, self.info.about_samples) if end is not None]
        return max(0, min(ends) - self._first) if ends else None

    def __iter__(self) -> Iterator[Float32]:
        """Yield the blocks: float32 (n_channels, n), nominally in [-1, 1]; float files may exceed.

        A second iteration goes on where the first one stopped, and gives nothing after the end:
        open another reader to begin again.

        Raises:
            AudioError: The file cannot be read any further, or, for a strict reader, is damaged.
            InputError: The range begins beyond the end, where that could not be known before.
        """
        while (block := self.read_block()).shape[1]:
            yield block

    def read_block(self) -> Float32:
        """Return the next block, an empty one at the end.

        Returns:
            float32 (n_channels, n), n at most `block_samples`.

        Raises:
            AudioError: The file cannot be read any further, or, for a strict reader, is damaged.
            InputError: The range begins beyond the end, where that could not be known before; or
                the reader is closed.
        """
        if self._closed:
            raise InputError(f"{self.info.path}: is closed: open another reader")
        last = self._last()
        want = self.block_samples if last is None else min(self.block_samples, last - self._at)
        if want <= 0:
            return np.zeros((self.info.n_channels, 0), np.float32)
        block = self._decoder.read(want)
        self._at += block.shape[1]
        self._check_losses()
        if block.shape[1] < want:
            self._check_end()
        self.n_nonfinite += silence_faults(block)
        return block

    def notes(self) -> list[str]:
        """Return what a user should know of the samples read so far, one line each."""
        lines = [f"{self.info.path}: {note}" for note in self._decoder.notes]
        if (note := self._loss_note()) is not None:
            lines.append(f"{self.info.path}: {note}")
        if self.n_nonfinite:
            lines.append(
                f"{self.info.path}: {self.n_nonfinite} samples are NaN or infinite, or "
                f"beyond {LOUDEST:g}; they were replaced by 0"
            )
        return lines

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        self._resources.close()

    def _last(self) -> int | None:
        """Return the end of the range in samples; None if nobody knows yet."""
        ends = [end for end in (self._stop, self.info.n_samples) if end is not None]
        return min(ends, default=None)

    def _check_start(self, n_samples: int | None) -> None:
        """Check the start against the length of the file."""
        if n_samples and self._first >= n_samples:
            rate = self.info.sample_rate
            raise InputError(
                f"{self.info.path}: lasts {n_samples / rate:.3f} s, so it cannot start at "
                f"{self._first / rate:.3f} s: choose an earlier start"
            )

    def _loss_note(self) -> str | None:
        """Return a phrase about what was lost within the range."""
        rate = self.info.sample_rate
        stop = math.inf if self._stop is None else self._stop / rate
        losses = self._decoder.losses
        return loss_note([x for x in losses if x.start < stop and x.end >= self._first / rate])

    def _check_losses(self) -> None:
        """Raise what a strict reader does not forgive."""
        if self._strict and (note := self._loss_note()) is not None:
            raise AudioError(f"{self.info.path}: {note}: get another copy, or leave strict out")

    def _check_end(self) -> None:
        """Check an end that came before the last sample asked for."""
        if not self._decoder.position:
            raise AudioError(f"{self.info.path}: {NO_SAMPLES}")
        if self.info.n_samples is None:
            self._check_start(self._decoder.position)


def _to_sample(seconds: float, sample_rate: int) -> int:
    """Round a time to a sample, halves up."""
    return math.floor(seconds * sample_rate + 0.5)
