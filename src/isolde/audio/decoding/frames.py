"""Decodes a file by FFmpeg to blocks that keep its time; opens no process and prints nothing.

It decodes as the program ffmpeg does, to the sample: gaps in time stamps are not filled, frames in
another form (channels, rate) are converted to that of the first one. Two things differ: where
frames were lost to damage, silence stands instead of them, so that what follows keeps its time; and
a sound that begins after the picture of its video has silence before it.

Runs in a process of its own (module `server`), because native code may crash on a damaged file.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from isolde.audio.decoding import facts
from isolde.audio.decoding.base import Loss
from isolde.audio.decoding.decoder import SYNC, PacketDecoder
from isolde.audio.decoding.packets import PacketSource
from isolde.audio.decoding.samples import Form, SampleConverter
from isolde.core.stage import Float32

_CUT_SECONDS = 0.1  # by which stated durations may be off
_MAX_GAP_SECONDS = 60.0  # longer gaps than this are damaged time stamps, where no length is stated
_SURPLUS = 4096  # samples behind the end of a short Vorbis file, at most
_JITTER_SECONDS = 0.001
_SILENCE = 65536  # samples at a time


class FrameDecoder:
    """One audio stream of a file that FFmpeg reads.

    Attributes:
        facts: What is known after the first frame: the fields of `AudioInfo` but for the path.
        losses: Losses, see `Decoder`; complete after the last block.
        notes: Notes, likewise.
    """

    def __init__(self, path: Path, *, stream: int | None = None) -> None:
        """Open a file and decode its first frame.

        Args:
            path: Regular file.
            stream: Number of its audio stream, from 0; None for the default one.

        Raises:
            LookupError: There is no such audio stream; its argument is how many there are.
            EOFError: No sample can be decoded.
            OSError: FFmpeg does not recognise it.
            ValueError: Likewise.
        """
        av: Any = importlib.import_module("av")
        self._errors: Any = av.FFmpegError
        self.losses: list[Loss] = []
        self.notes: list[str] = []
        self._source = PacketSource(path, stream)
        self._demuxer = self._source.demuxer
        self._is_ended_ogg = self._demuxer != "ogg" or facts.ogg_is_ended(path)
        self._stated_samples = facts.xing_samples(path) if self._demuxer == "mp3" else 0
        self._is_short = facts.is_shorter_than_stated(path, self._demuxer)
        self._converter = SampleConverter()
        self._packets = PacketDecoder(self._source)
        self._position = 0  # samples given, without the silence before
        self._late = 0  # samples of silence before
        self._ended = False
        self._blocks = self._decode()
        first = next(self._blocks, None)
        if first is None:
            self.close()
            raise EOFError
        self.facts = self._describe(first)
        self._rest = [np.zeros((len(first), self._late), np.float32), first]

    @property
    def spoilt(self) -> bool:
        """Whether this process must end after use, see `SampleConverter`."""
        return self._converter.spoilt

    def read(self, n_samples: int) -> Float32:
        """Decode the next samples, fewer only at the end: float32 (n_channels, n)."""
        have = sum(block.shape[1] for block in self._rest)
        ahead = _SURPLUS if self._demuxer == "ogg" else 0
        surplus = 0
        while have < n_samples + ahead and not self._ended:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
                surplus = self._surplus()
                self._check_end()
            else:
                self._rest.append(block)
                have += block.shape[1]
        joined = np.concatenate(self._rest, axis=1)
        joined = joined[:, : joined.shape[1] - surplus]
        self._rest = [joined[:, n_samples:].copy()]
        return np.ascontiguousarray(joined[:, :n_samples])

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def _decode(self) -> Iterator[Float32]:
        """Yield the blocks, with silence for lost ones between them."""
        last: float | None = None  # when the sound goes on after what was given
        packets = self._packets
        for frame in packets.frames():
            time = None if frame.pts is None else float(frame.pts * frame.time_base)
            if self._demuxer == "flac":  # whose frames are numbered: a gap is a loss
                time = last if packets.flac_time is None else packets.flac_time
                packets.flac_time = None
                packets.broken |= time is not None and time - (last or 0.0) > _JITTER_SECONDS
            try:
                blocks = self._converter.convert(frame)
            except (self._errors, KeyError, ValueError):
                packets.add_failure()
                packets.failed += frame.samples / frame.sample_rate
                continue
            seconds = frame.samples / frame.sample_rate
            if self._position == 0 and time is not None:
                self._late = round(facts.lateness(self._source.container, time) * self._form.rate)
            if packets.broken and (time is not None or last is None):
                yield from self._fill(self._gap(last, time, seconds))
                packets.clear_failures()
            yield from self._counted(blocks)
            if time is not None or last is not None:
                last = (last or 0.0) + seconds if time is None else time + seconds
        try:
            yield from self._counted(self._converter.flush())
        except self._errors:
            packets.add_failure()
        if packets.broken and not packets.junk and self._converter.form is not None:
            self._note_loss(0.0)

    def _gap(self, last: float | None, time: float | None, frame_seconds: float) -> float:
        """Return the seconds that were lost.

        Args:
            last: Time in seconds at which the sound should go on, None at the start.
            time: Time in seconds at which it does, None where nobody knows.
            frame_seconds: Length of a frame in seconds.
        """
        if self._demuxer in SYNC:  # whose time stamps are counted, so they pass over losses
            if last is None:
                return 0.0
            lost = max(self._packets.failed, 0.0 if time is None else time - last)
            return round(lost / frame_seconds) * frame_seconds
        if self._late:  # that counts from the picture, so it holds what was lost at the start
            last = time if last is None else last
        elif last is None:
            last = 0.0 if self._demuxer == "flac" else self._packets.first_failed
            last = time if last is None else max(0.0, last)
        return self._packets.failed if last is None or time is None else time - last

    def _counted(self, blocks: list[Float32]) -> Iterator[Float32]:
        """Yield blocks and count their samples; note once that they were converted."""
        if self._converter.changed is not None and not self.notes:
            new, seconds = self._converter.changed, self._seconds()
            self.notes.append(
                f"changes at {seconds:.3f} s to {new.n_channels} channels at {new.rate} Hz: "
                f"converted to {self._form.n_channels} at {self._form.rate} Hz, as it begins"
            )
        for block in blocks:
            kept = block if self._packets.keep is None else block[:, : self._packets.keep]
            self._position += kept.shape[1]
            yield kept

    def _fill(self, seconds: float) -> Iterator[Float32]:
        """Yield silence for what was lost, if its length is plausible."""
        stated = self._stated_seconds()
        limit = _MAX_GAP_SECONDS
        if stated is not None:
            limit = stated - self._position / self._form.rate + _CUT_SECONDS
        seconds = seconds if 0 < seconds <= limit else 0.0
        self._note_loss(seconds)
        n = round(seconds * self._form.rate)
        self._position += n
        while n > 0:
            yield np.zeros((self._form.n_channels, min(n, _SILENCE)), np.float32)
            n -= _SILENCE

    def _note_loss(self, seconds: float) -> None:
        """Record a loss at the present sample."""
        self.losses.append(Loss(self._seconds(), self._seconds() + seconds))

    def _surplus(self) -> int:
        """Count the samples beyond the stated end of an ogg file, where FFmpeg does not cut it."""
        stated = self._stated_seconds()
        if self._demuxer != "ogg" or stated is None:
            return 0
        n = self._position - round(stated * self._form.rate)
        return n if 0 < n < min(_SURPLUS, self._position) else 0

    def _check_end(self) -> None:
        """Compare the end with the length that the file states."""
        stated, late = self._stated_seconds(), self._late / self._form.rate
        if stated is not None and stated + late - self._seconds() > _CUT_SECONDS:
            if self.losses and self.losses[-1].start >= self._seconds():
                self.losses.pop()  # the error at the end is this one
            self.losses.append(Loss(self._seconds(), stated + late, cut=True))
        elif not self._is_ended_ogg:
            self.notes.append("the ogg stream has no end mark, it was probably cut short")

    def _describe(self, first: Float32) -> dict[str, Any]:
        """Collect the facts, from the first samples."""
        late = self._late / self._form.rate
        if late:
            self.notes.append(
                f"the sound begins {late:.3f} s after the picture: silence stands before it, so "
                "that stems are in time with the picture"
            )
        container, stream = self._source.container, self._source.stream
        codec = stream.codec_context.name
        claimed = self._stated_seconds() or facts.claimed_seconds(container, stream)
        return {
            "sample_rate": self._form.rate,
            "n_channels": self._form.n_channels,
            "container": {"mov": "MP4"}.get(self._demuxer, self._demuxer.upper()),
            "subtype": codec.removesuffix("float").upper(),
            "tags": facts.known_tags(container, stream),
            "about_seconds": None if claimed is None else claimed + late,
            "bit_depth": facts.bit_depth(codec, self._converter.sample_format, first),
            "late_samples": self._late,
        }

    @property
    def _form(self) -> Form:
        """The form of the first frame."""
        assert self._converter.form is not None
        return self._converter.form

    def _seconds(self) -> float:
        """Return the time of the next sample, with the silence before."""
        return (self._late + self._position) / self._form.rate

    def _stated_seconds(self) -> float | None:
        """Return the length that the file itself states, where that is one length."""
        if self._source.is_chained:
            return None
        if self._demuxer == "mp3":
            return self._stated_samples / self._form.rate or None
        return facts.stated_seconds(
            self._source.container, self._source.stream, is_short=self._is_short
        )
