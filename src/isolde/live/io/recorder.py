"""Writes the stems of what was played, complete even where they came too late to be played."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from isolde.audio import AudioWriter
from isolde.core.closing import Completable
from isolde.core.errors import ModelError
from isolde.core.stage import Float32
from isolde.live.plan import Plan
from isolde.live.stream.pipeline import Pipeline

_PIECE = 8192
"""Samples that are written at once."""


class StemFiles(Completable):
    """A float wav in a folder for each of some names; all of them are completed, or none."""

    def __init__(
        self, folder: str | Path, names: Iterable[str], plan: Plan, *, overwrite: bool
    ) -> None:
        """Open the files `{name}.wav`.

        Args:
            folder: Folder of the files, which is made.
            names: Names of the stems.
            plan: The session's numbers.
            overwrite: Whether existing files may be replaced.

        Raises:
            AudioError: A file exists already or cannot be made.
        """
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
            self.abort()
            raise

    def write(self, parts: Iterable[Float32]) -> None:
        """Append (n_channels, n) samples to each file, in the order of the names.

        Raises:
            AudioError: The disk is full, or another problem.
        """
        for writer, part in zip(self._writers, parts, strict=False):
            writer.write(part)

    def close(self) -> None:
        """Complete the files.

        Raises:
            AudioError: The disk is full, or another problem; nothing is left behind then.
        """
        try:
            for writer in self._writers:
                writer.complete()
            for writer in self._writers:
                writer.close()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Remove the files."""
        for writer in self._writers:
            writer.abort()


class Recorder:
    """A thread that copies ranges of the tapes to files, one for each stem.

    Attributes:
        played: Ranges of positions that were played and are not written yet.
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
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Open the files `{stem}.wav`, and `mixture.wav` if asked, and begin.

        Args:
            folder: Folder of the files, which is made.
            pipeline: Pipeline whose output is recorded.
            mixture: Whether the mixture is written too.
            overwrite: Whether existing files may be replaced.
            note: Function called with one line if nothing can be written any more.

        Raises:
            AudioError: A file exists already or cannot be made.
        """
        self.n_samples = self.n_lost = 0
        self._pipeline, self._mixture, self._note = pipeline, mixture, note
        self._error: Exception | None = None
        self._pieces: deque[tuple[int, int]] = deque()
        self._end, self._deadline = threading.Event(), 0.0
        names = [*pipeline.plan.stems, *(["mixture"] if mixture else [])]
        self._files = StemFiles(folder, names, pipeline.plan, overwrite=overwrite)
        self.played: deque[tuple[int, int]] = deque()
        pipeline.played = self.played
        self._thread = threading.Thread(target=self._run, name="isolde record", daemon=True)
        self._thread.start()

    def close(self, *, patience: float = 10.0) -> None:
        """Write the rest, for `patience` seconds at most, and complete the files.

        Raises:
            AudioError: The disk is full, or another problem; nothing is left behind then.
        """
        self._deadline = time.monotonic() + patience
        self._end.set()
        self._thread.join()
        if self._error is not None:
            self._files.abort()
            raise self._error
        self._files.close()

    def abandon(self) -> None:
        """End, and remove the files."""
        self._end.set()
        self._thread.join(5.0)
        self._files.abort()

    def _run(self) -> None:
        try:
            while not self._end.wait(0.05):
                self._copy()
            self._copy()
            with contextlib.suppress(ModelError):  # the worker is gone; its stems are kept
                while self._pieces and time.monotonic() < self._deadline:
                    self._pipeline.collect(0.05)
                    self._copy()
            self._copy(anyway=True)
        except Exception as error:  # `close` raises it in the caller's thread
            self._error = error
            self._pipeline.played = None
            self._note(f"the recording has stopped: {error}")

    def _copy(self, *, anyway: bool = False) -> None:
        """Write all ranges whose stems are there."""
        while self.played:
            start, stop = self.played.popleft()
            if start == stop:
                continue
            if self._pieces and self._pieces[-1][1] == start:
                start, _ = self._pieces.pop()
            self._pieces.append((start, stop))
        while self._pieces:
            start, stop = self._pieces[0]
            there = min(stop, start + _PIECE, stop if anyway else self._pipeline.available)
            if there <= start:
                return
            self._write(start, there)
            if there == stop:
                self._pieces.popleft()
            else:
                self._pieces[0] = (there, stop)

    def _write(self, start: int, stop: int) -> None:
        plan, engine, n = self._pipeline.plan, self._pipeline.engine, stop - start
        stems = np.zeros((engine.stems.n_rows, n), np.float32)
        if not engine.stems.read(start, stems):
            stems[:] = 0.0
            self.n_lost += n
        parts = [*stems.reshape(len(plan.stems), plan.n_channels, n)]
        if self._mixture:
            mixture = np.zeros((plan.n_channels, n), np.float32)
            if not engine.mixture.read(start, mixture):
                mixture[:] = 0.0
            parts.append(mixture)
        self._files.write(parts)
        self.n_samples += n
