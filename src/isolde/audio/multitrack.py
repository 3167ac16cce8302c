"""Files with several audio tracks, written whole or not at all; knows no use of them."""

import contextlib
import importlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from isolde.audio.encoding.base import Sound
from isolde.audio.encoding.ffmpeg import Track, stream_faults
from isolde.audio.encoding.streams import Sink, whole_or_nothing
from isolde.audio.levels import ClipPolicy, Limiter
from isolde.core.atomic import Draft
from isolde.core.closing import Completable
from isolde.core.errors import InputError
from isolde.core.signal.resample import Resampler
from isolde.core.stage import Float32, check_block


class TrackFile(Completable):
    """A container to which tracks are written in step; a context manager.

    Leaving the `with` block normally completes the file; leaving it by any exception removes it.

    Attributes:
        container: PyAV's container, for tags and for streams that are copied.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        muxer: str,
        options: Mapping[str, str],
        clip: ClipPolicy = "warn",
        overwrite: bool = False,
    ) -> None:
        """Open the hidden file beside the target.

        Args:
            path: Path of the file; folders are made.
            muxer: FFmpeg's name of the container.
            options: Options of FFmpeg's writer.
            clip: Policy for samples beyond full scale (see `AudioWriter`).
            overwrite: Whether an existing file may be replaced.

        Raises:
            AudioError: The file exists, or cannot be made.
        """
        av: Any = importlib.import_module("av")
        self._name, self._clip = str(path), clip
        self._draft = Draft(path, overwrite=overwrite)
        self._tracks: dict[str, tuple[Track, Limiter, Resampler | None]] = {}
        self._state: Literal["open", "complete", "closed", "aborted"] = "open"
        with whole_or_nothing(self._name, self._draft.discard):
            self._stream = cast(BinaryIO, self._draft.path.open("x+b"))
            self._sink = Sink(self._stream)
            with stream_faults(self._sink):
                self.container: Any = av.open(self._sink, "w", format=muxer, options=dict(options))

    def add(self, name: str, sound: Sound, *, rate: int | None = None, start: float = 0.0) -> Any:
        """Add a track.

        Args:
            name: Name of the track, by which it is written; its title in the file.
            sound: What is written.
            rate: Sample rate in Hz of the blocks that come; None for the sound's own.
            start: Time of the first sample in seconds.

        Returns:
            PyAV's stream.
        """
        resampler = None
        if rate is not None and rate != sound.sample_rate:
            resampler = Resampler(rate, sound.sample_rate, sound.n_channels)
        with self._whole_or_nothing():
            track = Track(self.container, sound, start=start)
        track.stream.metadata["title"] = track.stream.metadata["handler_name"] = name
        limiter = Limiter(f"{self._name}: {name}", sound.subtype, self._clip)
        self._tracks[name] = (track, limiter, resampler)
        return track.stream

    def begin(self) -> None:
        """Write the header, so that what cannot be written fails now.

        Raises:
            AudioError: The container cannot hold the tracks, or the disk is full.
        """
        with self._whole_or_nothing():
            self.container.start_encoding()

    def write(self, blocks: Mapping[str, Float32]) -> None:
        """Write the next samples of every track.

        Args:
            blocks: float32 (n_channels, n) by name of the track; n the same for all.

        Raises:
            AudioError: The disk is full, or samples cannot be held; nothing is left behind then.
            InputError: A track is missing, a block does not fit, or the file is closed.
        """
        self.check(blocks, self._tracks)
        with self._whole_or_nothing():
            for name, (track, limiter, resampler) in self._tracks.items():
                block = np.asarray(blocks[name], np.float32)
                block = block if resampler is None else resampler.feed(block)
                if block.shape[1]:
                    track.write(limiter.apply(block))

    def check(self, blocks: Mapping[str, Float32], names: Collection[str]) -> None:
        """Refuse blocks that cannot be written.

        Args:
            blocks: Blocks by name of the track.
            names: Names of those that are needed.

        Raises:
            InputError: A track is missing, a block does not fit, or the file is closed.
        """
        if self._state != "open":
            raise InputError(f"{self._name}: cannot be written to any more: it was {self._state}")
        if missing := [name for name in names if name not in blocks]:
            raise InputError(f"{self._name}: without samples for {', '.join(missing)}: give all")
        for name in names:
            check_block(blocks[name], n_channels=self._tracks[name][0].n_channels)
        if len({blocks[name].shape[1] for name in names}) > 1:
            raise InputError(f"{self._name}: blocks of different lengths: give the same for all")

    def copy(self, packet: Any) -> None:
        """Write a packet of another file, whose stream is one of this container's."""
        with self._whole_or_nothing():
            self.container.mux(packet)

    def complete(self) -> None:
        """Write the rest; the file gets its name when it is closed.

        Of several files, none appears if one cannot be completed: complete all, then close all.
        Nothing can be written afterwards.

        Raises:
            AudioError: The file cannot be completed; nothing is left behind then.
        """
        if self._state != "open":
            return
        with self._whole_or_nothing():
            self._draft.check()
            for track, limiter, resampler in self._tracks.values():
                rest = None if resampler is None else resampler.flush()
                if rest is not None and rest.shape[1]:
                    track.write(limiter.apply(rest))
                track.finish()
            self.container.close()
            self._sink.check()
            self._finish(self._stream)
            self._stream.close()
        self._state = "complete"

    def close(self) -> None:
        """Complete the file and give it its name; nothing happens the second time.

        Raises:
            AudioError: The file cannot be completed; nothing is left behind then.
        """
        self.complete()
        if self._state == "complete":
            self._draft.publish()
            self._state = "closed"

    def abort(self) -> None:
        """Remove everything that was written; nothing happens after `close`."""
        if self._state not in ("open", "complete"):
            return
        self._state = "aborted"
        with contextlib.suppress(Exception):  # whatever it is, the result is thrown away
            self.container.close()
        with contextlib.suppress(OSError):
            self._stream.close()
        self._draft.discard()

    def notes(self) -> list[str]:
        """Return a line for each track that was limited."""
        notes = [limiter.note() for _, limiter, _ in self._tracks.values()]
        return [note for note in notes if note is not None]

    def _finish(self, stream: BinaryIO) -> None:
        """Change the finished file before it is closed; nothing here."""

    @contextlib.contextmanager
    def _whole_or_nothing(self) -> Iterator[None]:
        """Remove the file if anything is raised, and say why in one line."""
        with whole_or_nothing(self._name, self.abort), stream_faults(self._sink):
            yield
