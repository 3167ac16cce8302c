"""A thread that reads a file or a pipe ahead of what is being played; it plays nothing itself."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from isolde.audio import AudioReader, Resampler, comes_once
from isolde.core.errors import InputError
from isolde.core.stage import Float32
from isolde.live.stream.pipeline import Pipeline

_AHEAD_SECONDS = 1.0
"""Seconds that are read ahead of what is played."""
_BLOCK = 4096
"""Samples that are read at once."""


def adapt(block: Float32, n_channels: int) -> Float32:
    """Change the number of channels: to one by the mean, from one by copies.

    Args:
        block: Samples (n, n_samples).
        n_channels: Number of channels to give.

    Raises:
        InputError: Another change is asked for.
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
    """Pushes a source into a pipeline, a second ahead of what is played, and seeks in it.

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
        """Open the source at `start` seconds.

        Args:
            source: A file, or a stream of wav.
            pipeline: Pipeline that plays it.
            start: Start in seconds.
            note: Function called with what a user should know of the source, one line each.

        Raises:
            AudioError: The source cannot be read.
            InputError: It is shorter than `start`, or its channels do not fit.
        """
        self._source, self._pipeline, self._note = source, pipeline, note
        self.offset = 0
        self.error: Exception | None = None
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
        """Whether the source is a file, and no pipe."""
        return isinstance(self._source, str | Path) and not comes_once(Path(self._source))

    @property
    def seconds(self) -> float:
        """Time in the source that is played next; after a seek, the one that was sought."""
        sought, plan = self._seek, self._pipeline.plan
        if sought is not None:
            return sought
        return max(0.0, (self._pipeline.position + self.offset) / plan.sample_rate)

    def seek(self, seconds: float) -> None:
        """Go on at another time, from the beginning of the source to its end at most."""
        length = self._reader.info.seconds  # of a compressed source, what it claims
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
        to: float | None = None
        try:
            while not self._end.is_set():
                try:
                    ended = self._read_on(to)
                except InputError:  # it ends before the time that was sought, whatever it claims
                    if to is None:
                        raise
                    self._pipeline.finish()
                    ended = True
                with self._more:
                    while ended and self._seek is None and not self._end.is_set():
                        self._more.wait(0.5)
                    to = self._seek
        except Exception as error:  # the session raises it in the caller's thread
            if not self._end.is_set():  # else the pipe was closed meanwhile
                self.error = error
                self._pipeline.finish()

    def _read_on(self, to: float | None) -> bool:
        """Push, first seeking `to` seconds unless None; True at the end, False to seek again."""
        plan = self._pipeline.plan
        if to is not None:
            self._reader.close()
            self._pipeline.begin_anew()
            try:
                self._open(to)
            finally:
                with self._more:
                    if self._seek == to:  # else there was another seek meanwhile
                        self._seek = None
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
