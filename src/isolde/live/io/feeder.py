"""A thread that reads a file or a pipe ahead of what is being played; it plays nothing itself."""

import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from isolde.audio import AudioReader, Resampler
from isolde.core.errors import InputError, IsoldeError
from isolde.core.stage import Float32
from isolde.live.stream.pipeline import Pipeline

_AHEAD_SECONDS = 1.0
_BLOCK = 4096


def adapt(block: Float32, n_channels: int) -> Float32:
    """Other channels: to one by the mean, from one by copies.

    Args:
        block: Block (n, n_samples).
        n_channels: Wanted.

    Raises:
        InputError: For other changes.
    """
    if block.shape[0] == n_channels:
        return block
    if n_channels == 1:
        mono: Float32 = block.mean(axis=0, keepdims=True, dtype=np.float32)
        return mono
    if block.shape[0] == 1:
        return np.repeat(block, n_channels, axis=0)
    raise InputError(
        f"{block.shape[0]} channels do not become {n_channels}: give --channels 1 or "
        f"{block.shape[0]}"
    )


class Feeder:
    """Pushes a source into a pipeline, a second ahead of the ear, and again from where one seeks.

    Attributes:
        offset: What to add to the pipeline's position to get the time in the source, in samples.
        error: What ended it, if that was an error.
    """

    def __init__(
        self,
        source: str | Path | BinaryIO,
        pipeline: Pipeline,
        *,
        start: float,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Open the source and begin at `start` seconds.

        Args:
            source: A file, or a stream of wav.
            pipeline: What plays it.
            start: Seconds.
            note: Function called with what a user should know of the source, one line each.

        Raises:
            AudioError: When the source cannot be read.
            InputError: When it is shorter than `start`, or its channels do not fit.
        """
        self._source, self._pipeline, self._note = source, pipeline, note
        self.offset = 0
        self.error: IsoldeError | None = None
        self._seek: float | None = None
        self._end = threading.Event()
        self._more = threading.Condition()
        self._open(start)
        adapt(np.zeros((self._reader.info.n_channels, 0), np.float32), pipeline.plan.n_channels)
        self._thread = threading.Thread(target=self._run, name="isolde feed", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def can_seek(self) -> bool:
        """Whether the source is a file."""
        return isinstance(self._source, str | Path)

    @property
    def seconds(self) -> float | None:
        """Length of the source, if known; of a compressed one, what it claims."""
        return self._reader.info.seconds

    def seek(self, seconds: float) -> None:
        """Go on at another time, held within the source.

        Raises:
            InputError: When the source is a pipe.
        """
        if not self.can_seek:
            raise InputError("a pipe cannot be sought in: play a file")
        length = self.seconds
        if length is not None:
            seconds = min(seconds, length - 0.01)
        with self._more:
            self._seek = max(0.0, seconds)
            self._more.notify()

    def close(self) -> None:
        """End the thread; one that waits for a pipe is left to end with it."""
        self._end.set()
        with self._more:
            self._more.notify()
        if self._thread.is_alive():
            self._thread.join(1.0 if self.can_seek else 0.1)
        if not self._thread.is_alive():
            self._reader.close()

    def _open(self, start: float) -> None:
        plan = self._pipeline.plan
        self.offset = round(start * plan.sample_rate) - self._pipeline.engine.mixture.written
        self._reader = AudioReader(self._source, start=start, block_samples=_BLOCK)
        self._resampler = Resampler(
            self._reader.info.sample_rate, plan.sample_rate, plan.n_channels
        )

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                ended = self._read_on()
                with self._more:
                    while ended and self._seek is None and not self._end.is_set():
                        self._more.wait(0.5)
                    to, self._seek = self._seek, None
                if to is not None:
                    self._reader.close()
                    self._pipeline.begin_anew()
                    self._open(to)
        except IsoldeError as error:
            self.error = error
            with contextlib.suppress(Exception):
                self._pipeline.finish()
        except ValueError as error:  # the pipe was closed under us
            if not self._end.is_set():
                print(error, file=sys.stderr)

    def _read_on(self) -> bool:
        """Push until there is something else to do; True at the end of the source."""
        plan = self._pipeline.plan
        ahead = int(_AHEAD_SECONDS * plan.sample_rate)
        enough = min(_BLOCK, ahead // 2)  # of room for more: rates may be as low as 1000 Hz
        for block in self._reader:
            self._pipeline.push(self._resampler.feed(adapt(block, plan.n_channels)))
            while self._pipeline.room(ahead) < enough or self._seek is not None:
                if self._end.is_set() or self._seek is not None:
                    return False
                with self._more:
                    self._more.wait(0.02)
        self._pipeline.push(self._resampler.flush())
        self._pipeline.finish()
        for line in self._reader.notes():
            self._note(line)
        return True
