"""Write the vocal stem as phrases while it is separated, a file each; it separates nothing.

The files are written to a hidden folder beside their own, and moved there when the song is
complete, so that either all of them appear or none. Memory does not grow with the song.
"""

import os
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isolde.activity import Detector, Phrase, Segment, Segmenter, SegmentRule
from isolde.activity.phrases import faded, phrase_name
from isolde.audio import AudioInfo, AudioWriter, SongTags
from isolde.audio.formats import container_named
from isolde.audio.levels import clipped_text
from isolde.core.atomic import Draft, explain
from isolde.core.closing import Completable
from isolde.core.errors import AudioError
from isolde.core.stage import Float32
from isolde.separation.outputs import open_stem
from isolde.separation.settings import FileSettings

RULE = SegmentRule(min_duration_on=0.5, min_duration_off=0.3, pad_onset=0.2, pad_offset=0.2)
"""Rule of the phrases; boundaries are soft (docs/guide/activity.md), so consonants need room."""

FADE = 0.005
"""Seconds of the fade at each edge."""

LONG = 20.0
"""Seconds of a phrase from which it is written before it ends."""

_NAME = re.compile(r"\d{3,}_\d{4,}\.\d{3}-\d{4,}\.\d{3}\.\w+")


def is_phrase(name: str) -> bool:
    """Tell whether a file has the name of a phrase.

    Args:
        name: Name of the file without its folder.
    """
    return _NAME.fullmatch(name) is not None


@dataclass
class _Open:
    """A phrase that is being written: its start in seconds, and the next sample to write."""

    start: float
    at: int
    writer: AudioWriter
    path: Path


class PhraseSink(Completable):
    """Takes the mixture and the vocal stem in blocks; a context manager.

    Leaving the `with` block normally puts the phrases in their folder; leaving it by any exception
    removes everything.

    Attributes:
        folder: Folder of the phrases.
        phrases: Phrases that were written, after `close`.
    """

    def __init__(
        self,
        folder: Path,
        info: AudioInfo,
        settings: FileSettings,
        detector: Detector,
        tags: SongTags | None = None,
    ) -> None:
        """Check the folder, and make a hidden one beside it.

        Args:
            folder: Folder of the phrases; it is made if there is a phrase.
            info: Facts about the song, from its reader.
            settings: Format of the files, start of the range, and whether files may be replaced.
            detector: Detector of vocal activity, which is fed with the mixture.
            tags: Tags of the files; None for those of the song.

        Raises:
            AudioError: The folder is not empty and may not be replaced, or cannot be made.
        """
        if folder.exists() and not folder.is_dir():
            raise AudioError(f"{folder}: is a file: choose another folder with -o")
        self._draft = Draft(folder, overwrite=settings.overwrite)
        self.folder, self.phrases = folder, list[Phrase]()
        self._tags = SongTags(info.tags) if tags is None else tags
        self._info, self._settings, self._rate = info, settings, info.sample_rate
        self._detector = detector
        self._segmenter = Segmenter(self._detector.frame_seconds, rule=RULE)
        self._done: deque[Segment] = deque()
        self._held = np.zeros((info.n_channels, 0), np.float32)
        self._first = 0  # number of the first sample of `_held`
        self._heard = 0
        self._fade = round(FADE * self._rate)
        self._open: _Open | None = None
        self._n_clipped, self._peak = 0, 0.0
        self._notes = list[str]()
        self._moved: list[Phrase] = []
        self._is_complete = False
        try:
            self._draft.path.mkdir()
        except OSError as error:
            self.abort()
            raise AudioError(explain(str(folder), error)) from error

    def hear(self, mixture: Float32) -> None:
        """Take the next block (n_channels, n) of the mixture."""
        self._heard += mixture.shape[1]
        self._done += self._segmenter.feed(self._detector.feed(mixture))

    def write(self, vocals: Float32) -> None:
        """Take the next block (n_channels, n) of the vocal stem.

        Raises:
            AudioError: The disk is full, or another problem of the folder.
        """
        self._held = np.concatenate([self._held, vocals], axis=1)
        self._cut(final=False)

    def complete(self) -> None:
        """End the song: write the rest. Nothing can be written afterwards.

        Raises:
            AudioError: The files cannot be written; nothing is left behind then.
        """
        if not self._is_complete:
            self._is_complete = True
            self._whole_or_not(self._write_rest)

    def close(self) -> None:
        """Complete the phrases and give them their names.

        Raises:
            AudioError: The files cannot be written or moved; nothing is left behind then.
        """
        self.complete()
        self._whole_or_not(self._publish)

    def _write_rest(self) -> None:
        self._done += self._segmenter.feed(self._detector.flush())
        self._done += self._segmenter.flush(self._heard / self._rate)
        self._cut(final=True)

    def _whole_or_not(self, action: Callable[[], None]) -> None:
        """Run a part of the end; remove everything if it fails."""
        try:
            action()
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError) and not isinstance(error, AudioError):
                raise AudioError(explain(str(self.folder), error)) from error
            raise

    def abort(self) -> None:
        """Remove everything that was written."""
        if self._open is not None:
            self._open.writer.abort()
            self._open = None
        for phrase in self._moved:
            phrase.path.unlink(missing_ok=True)
        self._draft.discard()

    def notes(self) -> list[str]:
        """List what a user should know, one line each."""
        lines = list(self._notes)
        if not self.phrases:
            lines.append(f"{self.folder}: nobody was heard to sing: no phrase was written")
        if self._n_clipped and self._settings.clip == "warn":
            lines.append(f"{self.folder}: {clipped_text(self._n_clipped, self._peak)}")
        return lines

    # --- samples -------------------------------------------------------------------------------

    def _sample(self, seconds: float) -> int:
        return int(seconds * self._rate + 0.5)

    @property
    def _end(self) -> int:
        """Number of the sample after the last held one."""
        return self._first + self._held.shape[1]

    def _cut(self, *, final: bool) -> None:
        """Write the phrases whose samples are held, and drop samples that no phrase will need."""
        while self._done and (final or self._sample(self._done[0].end) <= self._end):
            self._finish(self._done.popleft())
        if self._done:
            keep = self._sample(self._done[0].start)
        elif (pending := self._segmenter.pending) is not None:
            self._go_on(*pending)
            keep = self._sample(pending[0])
        else:
            keep = self._sample(max(0.0, self._segmenter.settled))
        if self._open is not None:
            keep = self._open.at
        n = min(max(0, keep - self._first), self._held.shape[1])
        self._held, self._first = self._held[:, n:].copy(), self._first + n

    def _take(self, start: int, end: int) -> Float32:
        return self._held[:, max(0, start - self._first) : max(0, end - self._first)]

    def _writer(self, start: float) -> _Open:
        """Open the file of a phrase that begins at `start` seconds of the range."""
        suffix = container_named(self._settings.container).suffix
        path = self._draft.path / f"{len(self.phrases) + 1:03d}{suffix}"
        writer = open_stem(path, self._info, self._settings, self._tags)
        self._notes = writer.notes()  # the sample rate; limited samples are counted for all files
        return _Open(start, self._sample(start), writer, path)

    def _go_on(self, start: float, end: float) -> None:
        """Write the certain part of a long phrase, except for what may be faded out."""
        until = min(self._sample(end), self._end) - self._fade
        if self._open is None:
            if until - self._sample(start) < max(LONG * self._rate, 2 * self._fade):
                return
            self._open = self._writer(start)
        if until <= self._open.at:
            return
        piece = self._take(self._open.at, until)
        if self._open.at == self._sample(self._open.start):
            piece = _with_fade(piece, self._fade, rising=True)
        self._open.writer.write(piece)
        self._open.at += piece.shape[1]

    def _finish(self, segment: Segment) -> None:
        """Write a phrase that has ended, or the rest of it."""
        end = min(self._sample(segment.end), self._end)
        if self._open is None:
            piece = faded(self._take(self._sample(segment.start), end), self._fade)
            if not piece.shape[1]:
                return
            self._open = self._writer(segment.start)
        else:
            piece = _with_fade(self._take(self._open.at, end), self._fade, rising=False)
        now, self._open = self._open, None
        with now.writer:
            now.writer.write(piece)
        self._n_clipped += now.writer.n_clipped
        self._peak = max(self._peak, now.writer.peak)
        start = now.start + self._settings.start
        stop = segment.end + self._settings.start
        self.phrases.append(Phrase(now.path, start, stop))

    # --- names ---------------------------------------------------------------------------------

    def _publish(self) -> None:
        """Move the files to their folder, in place of an earlier run's if that is allowed."""
        among_others = self._settings.overwrite and self.folder.is_dir()
        old = [p for p in self.folder.iterdir() if is_phrase(p.name)] if among_others else []
        to = self.folder if among_others else self._draft.path
        for number, phrase in enumerate(self.phrases, 1):
            name = phrase_name(number, phrase.start, phrase.end, phrase.path.suffix)
            os.replace(phrase.path, to / name)
            self._moved.append(Phrase(self.folder / name, phrase.start, phrase.end))
        for path in set(old) - {phrase.path for phrase in self._moved}:
            path.unlink()
        if among_others or not self.phrases:
            self._draft.discard()
        else:
            self._draft.publish()
        self.phrases = self._moved


def _with_fade(audio: Float32, n: int, *, rising: bool) -> Float32:
    """Copy (n_channels, n_samples) with a raised cosine over the first or last samples."""
    n = min(n, audio.shape[1])
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(1, n))).astype(np.float32)
    result = audio.copy()
    if rising:
        result[:, :n] *= ramp
    elif n:
        result[:, -n:] *= ramp[::-1]
    return result
