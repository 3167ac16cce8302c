"""Writes the stems of what was played, complete even where they came too late to be heard."""

import contextlib
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np

from isolde.audio import AudioWriter
from isolde.core.errors import AudioError, ModelError
from isolde.live.stream.pipeline import Pipeline

_PIECE = 8192


class Recorder:
    """A thread that copies ranges of the tapes to files, float wav, one for each stem.

    Attributes:
        n_samples: Number of samples written so far.
        n_lost: Number of those that are zeros, in place of stems that the worker never made or
            the tape no longer holds.
    """

    def __init__(
        self,
        folder: str | Path,
        pipeline: Pipeline,
        *,
        mixture: bool,
        overwrite: bool = False,
    ) -> None:
        """Open the files `{stem}.wav`, and `mixture.wav` if asked, and begin.

        Args:
            folder: Folder of the files, which is made.
            pipeline: What plays.
            mixture: Whether the mixture is written too.
            overwrite: Whether existing files may be replaced.

        Raises:
            AudioError: When a file exists already or cannot be made.
        """
        self.n_samples = self.n_lost = 0
        self._pipeline = pipeline
        plan = pipeline.plan
        self._error: AudioError | None = None
        self._pieces: deque[tuple[int, int]] = deque()
        self._end, self._deadline = threading.Event(), 0.0
        names = [*plan.stems, *(["mixture"] if mixture else [])]
        self._writers: list[AudioWriter] = []
        try:
            for name in names:
                self._writers.append(
                    AudioWriter(
                        Path(folder) / f"{name}.wav",
                        sample_rate=plan.sample_rate,
                        n_channels=plan.n_channels,
                        subtype="FLOAT",
                        overwrite=overwrite,
                    )
                )
        except BaseException:
            self._abort()
            raise
        pipeline.keep_played()
        self._thread = threading.Thread(target=self._run, name="isolde record", daemon=True)
        self._thread.start()

    def close(self, *, patience: float = 10.0) -> None:
        """Write what is owed, for `patience` seconds at most, and complete the files.

        Raises:
            AudioError: When the disk is full, or another problem; nothing is left behind then.
        """
        self._deadline = time.monotonic() + patience
        self._end.set()
        self._thread.join()
        if self._error is not None:
            self._abort()
            raise self._error
        try:
            for writer in self._writers:
                writer.complete()
            for writer in self._writers:
                writer.close()
        except AudioError:
            self._abort()
            raise

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._pieces.clear()
        self._pipeline.played.clear()
        self._end.set()
        self._thread.join(5.0)
        self._abort()

    def _abort(self) -> None:
        for writer in self._writers:
            writer.abort()

    def _run(self) -> None:
        try:
            while not self._end.wait(0.05):
                self._copy()
            self._copy()
            while self._pieces and time.monotonic() < self._deadline:  # the worker's last words
                self._pipeline.collect(0.05)
                self._copy()
            self._copy(anyway=True)
        except AudioError as error:
            self._error = error
        except ModelError:  # the worker is gone; what it has given is kept
            with contextlib.suppress(AudioError):
                self._copy(anyway=True)

    def _copy(self, *, anyway: bool = False) -> None:
        """Write all ranges whose stems are there."""
        played = self._pipeline.played
        while played:
            start, stop = played.popleft()
            if start == stop:
                continue
            if self._pieces and self._pieces[-1][1] == start:
                start, _ = self._pieces.pop()
            self._pieces.append((start, stop))
        while self._pieces:
            start, stop = self._pieces[0]
            there = stop if anyway else min(stop, self._pipeline.available, start + _PIECE)
            if there - start < min(stop - start, _PIECE) and not self._end.is_set():
                return
            there = min(there, start + _PIECE)
            if there <= start:
                return
            self._write(start, there)
            if there == stop:
                self._pieces.popleft()
            else:
                self._pieces[0] = (there, stop)

    def _write(self, start: int, stop: int) -> None:
        plan, engine = self._pipeline.plan, self._pipeline.engine
        n, c = stop - start, plan.n_channels
        stems = np.zeros((engine.stems.n_rows, n), np.float32)
        mixture = np.zeros((c, n), np.float32)
        if not engine.stems.read(start, stems):
            stems[:] = 0.0
            self.n_lost += n
        if not engine.mixture.read(start, mixture):
            mixture[:] = 0.0
        parts = [*stems.reshape(len(plan.stems), c, n), mixture]
        for writer, part in zip(self._writers, parts, strict=False):
            writer.write(part)
        self.n_samples += n
