"""FFmpeg's frames as one stream of blocks with its time kept; opens no process and prints nothing.

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
from isolde.audio.decoding.packets import PacketSource
from isolde.audio.decoding.samples import Form, SampleConverter
from isolde.core.stage import Float32

_CUT_SECONDS = 0.1  # by which stated durations may be off
_MAX_GAP_SECONDS = 60.0  # longer gaps than this are damaged time stamps, where no length is stated
_SURPLUS = 4096  # samples behind the end of a short Vorbis file, at most
_JITTER_SECONDS = 0.001
_SILENCE = 65536  # samples at a time

_SYNC = {"mp3": b"\xff", "aac": b"\xff", "ac3": b"\x0b\x77", "eac3": b"\x0b\x77"}
"""Raw streams, and how each of their frames begins: all else in them is tags or junk."""

_FOREIGN = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")


class FrameDecoder:
    """One audio stream of a file that FFmpeg reads.

    Attributes:
        facts: what is known after the first frame: the fields of `AudioInfo` but for the path.
        losses: see `Decoder`; complete after the last block.
        notes: likewise.
    """

    def __init__(self, path: Path, *, stream: int | None = None) -> None:
        """Open a file and decode its first frame.

        Args:
            path: a regular file.
            stream: which of its audio streams, from 0; None for the default one.

        Raises:
            LookupError: there is no such audio stream; its argument is how many there are.
            EOFError: no sample can be decoded.
            OSError: FFmpeg does not recognise it.
            ValueError: likewise.
        """
        av: Any = importlib.import_module("av")
        self._errors: Any = av.FFmpegError
        self._skip_manual: Any = av.codec.context.Flags2.skip_manual
        self.losses: list[Loss] = []
        self.notes: list[str] = []
        self._source = PacketSource(path, stream)
        self._demuxer = self._source.demuxer
        self._is_ended_ogg = self._demuxer != "ogg" or facts.ogg_is_ended(path)
        self._stated_samples = facts.xing_samples(path) if self._demuxer == "mp3" else 0
        self._is_short = facts.is_shorter_than_stated(path, self._demuxer)
        self._converter = SampleConverter()
        self._failed = 0.0  # seconds in packets that failed since the last good frame
        self._first_failed: float | None = None  # time of the first packet, if that failed
        self._broken = False  # whether anything failed since then
        self._junk = True  # whether all of that may be tags or junk between frames
        self._sizes = (0, 0)  # bytes and number of the good packets so far
        self._position = 0  # samples given, without the silence before
        self._late = 0  # samples of silence before
        self._ended = False
        self._flac_time: float | None = None  # of the next frame, as it carries it itself
        self._keep: int | None = None  # samples to take of a frame, where not all
        self._blocks = self._decode()
        first = next(self._blocks, None)
        if first is None:
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
                self._judge_end()
            else:
                self._rest.append(block)
                have += block.shape[1]
        joined = np.concatenate(self._rest, axis=1)
        joined = joined[:, : joined.shape[1] - surplus]
        self._rest = [joined[:, n_samples:].copy()]
        return np.ascontiguousarray(joined[:, :n_samples])

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    def _decode(self) -> Iterator[Float32]:
        """Give the blocks, silence for lost ones between them."""
        last: float | None = None  # when the sound goes on after what was given
        for frame in self._frames():
            time = None if frame.pts is None else float(frame.pts * frame.time_base)
            if self._demuxer == "flac":  # whose frames are numbered: a gap is a loss
                time = last if self._flac_time is None else self._flac_time
                self._flac_time = None
                self._broken |= time is not None and time - (last or 0.0) > _JITTER_SECONDS
            try:
                blocks = self._converter.convert(frame)
            except (self._errors, KeyError, ValueError):
                self._broken, self._junk = True, False
                self._failed += frame.samples / frame.sample_rate
                continue
            seconds = frame.samples / frame.sample_rate
            if self._position == 0 and time is not None:
                self._late = round(facts.lateness(self._source.container, time) * self._form.rate)
            if self._broken and (time is not None or last is None):
                yield from self._fill(self._gap(last, time, seconds))
                self._failed, self._broken, self._junk = 0.0, False, True
            yield from self._counted(blocks)
            if time is not None or last is not None:
                last = (last or 0.0) + seconds if time is None else time + seconds
        try:
            yield from self._counted(self._converter.flush())
        except self._errors:
            self._broken, self._junk = True, False
        if self._broken and not self._junk and self._converter.form is not None:
            self._note_loss(0.0)

    def _gap(self, last: float | None, time: float | None, frame_seconds: float) -> float:
        """Give the seconds that were lost.

        Args:
            last: when the sound should go on, None at the start.
            time: when it does, None where nobody knows.
            frame_seconds: how long a frame lasts.
        """
        if self._demuxer in _SYNC:  # whose time stamps are counted, so they pass over losses
            if last is None:
                return 0.0
            lost = max(self._failed, 0.0 if time is None else time - last)
            return round(lost / frame_seconds) * frame_seconds
        if self._late:  # that counts from the picture, so it holds what was lost at the start
            last = time if last is None else last
        elif last is None:
            last = 0.0 if self._demuxer == "flac" else self._first_failed
            last = time if last is None else max(0.0, last)
        return self._failed if last is None or time is None else time - last

    def _counted(self, blocks: list[Float32]) -> Iterator[Float32]:
        """Give blocks and count their samples; say once that they were converted."""
        if self._converter.changed is not None and not self.notes:
            new, seconds = self._converter.changed, self._seconds()
            self.notes.append(
                f"changes at {seconds:.3f} s to {new.n_channels} channels at {new.rate} Hz: "
                f"converted to {self._form.n_channels} at {self._form.rate} Hz, as it begins"
            )
        for block in blocks:
            kept = block if self._keep is None else block[:, : self._keep]
            self._position += kept.shape[1]
            yield kept

    def _frames(self) -> Iterator[Any]:
        """Demux and decode, whatever fails in between."""
        for packet in self._source.packets():
            if packet is None:
                self._broken, self._junk = True, False
                continue
            if self._demuxer == "flac":
                self._flac_time = facts.time_within(packet)
            if self._is_empty_head(packet):
                continue
            try:
                frames = packet.decode()
            except EOFError:
                continue
            except self._errors:
                self._note_failure(packet)
                continue
            self._note_success(packet, frames)
            yield from (frame for frame in frames if frame.samples and frame.sample_rate)
            self._keep = None
        try:
            yield from self._source.stream.codec_context.decode(None)
        except self._errors:
            return

    def _is_empty_head(self, packet: Any) -> bool:
        """Recognise an mp3 file's first frame that should state a length, and states none.

        FFmpeg takes such a frame for 1152 samples of silence.
        """
        if self._demuxer != "mp3" or self._position or self._sizes[1] or packet.size < 40:
            return False
        head = bytes(packet)[:40]
        return b"Xing" in head or b"Info" in head

    def _note_success(self, packet: Any, frames: list[Any]) -> None:
        """Look at what is odd about a packet that was decoded."""
        if frames:
            self._sizes = (self._sizes[0] + packet.size, self._sizes[1] + 1)
        if self._demuxer != "ogg" or not packet.duration:
            return
        if not frames and packet.pts == 0:
            # A Vorbis file of one page: FFmpeg counts this packet as sound and cuts as much too
            # much at the end; so let it cut nothing, and see `_surplus`.
            self._source.stream.codec_context.flags2 |= self._skip_manual
        if frames and packet.has_sidedata("new_extradata"):
            # The next link of a chained file: its first packet sounds for so long, whatever the
            # decoder makes of it and the last packet of the link before.
            self._source.is_chained = True
            seconds = float(packet.duration * packet.time_base)
            self._keep = round(seconds * frames[0].sample_rate)

    def _note_failure(self, packet: Any) -> None:
        """Count what a packet that cannot be decoded held."""
        sync = _SYNC.get(self._demuxer)
        if not self._sizes[1] and self._first_failed is None and packet.pts is not None:
            self._first_failed = float(packet.pts * packet.time_base)
        seconds = float((packet.duration or 0) * packet.time_base)
        if sync is not None:
            data = bytes(packet)
            if data.startswith(_FOREIGN) or (self._position == 0 and not data.startswith(sync)):
                return
            self._junk &= not data.startswith(sync)
            total, n = self._sizes
            if n:
                seconds *= max(1, round(packet.size * n / total))
        else:
            self._junk = False
        self._broken = True
        self._failed += seconds

    def _fill(self, seconds: float) -> Iterator[Float32]:
        """Put silence for what was lost, if its length is credible."""
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
        """Record a loss here."""
        self.losses.append(Loss(self._seconds(), self._seconds() + seconds))

    def _surplus(self) -> int:
        """Count the samples beyond the stated end of an ogg file, where FFmpeg does not cut it."""
        stated = self._stated_seconds()
        if self._demuxer != "ogg" or stated is None:
            return 0
        n = self._position - round(stated * self._form.rate)
        return n if 0 < n < min(_SURPLUS, self._position) else 0

    def _judge_end(self) -> None:
        """Compare the end with the length that the file states."""
        stated, late = self._stated_seconds(), self._late / self._form.rate
        if stated is not None and stated + late - self._seconds() > _CUT_SECONDS:
            if self.losses and self.losses[-1].start >= self._seconds():
                self.losses.pop()  # the error at the end is this one
            self.losses.append(Loss(self._seconds(), stated + late, cut=True))
        elif not self._is_ended_ogg:
            self.notes.append("the ogg stream has no end mark, it was probably cut short")

    def _describe(self, first: Float32) -> dict[str, Any]:
        """Collect the facts; first are the first samples."""
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
        """Give the time of the next sample, with the silence before."""
        return (self._late + self._position) / self._form.rate

    def _stated_seconds(self) -> float | None:
        """Give the length that the file itself states, where that is one length."""
        if self._source.is_chained:
            return None
        if self._demuxer == "mp3":
            return self._stated_samples / self._form.rate or None
        return facts.stated_seconds(
            self._source.container, self._source.stream, is_short=self._is_short
        )
