"""Decodes FFmpeg's packets to frames and records failures; converts and fills nothing."""

import importlib
from collections.abc import Iterator
from typing import Any

from isolde.audio.decoding import facts
from isolde.audio.decoding.packets import PacketSource

SYNC = {"mp3": b"\xff", "aac": b"\xff", "ac3": b"\x0b\x77", "eac3": b"\x0b\x77"}
"""Raw streams, and how each of their frames begins: all else in them is tags or junk."""

_FOREIGN = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")


class PacketDecoder:
    """The frames of a stream's packets.

    Attributes:
        failed: Seconds in packets that failed since the last good frame.
        first_failed: Time in seconds of the first packet, if that failed; else None.
        broken: Whether anything failed since then.
        junk: Whether all of that may be tags or junk between frames.
        flac_time: Time in seconds of the next frame of FLAC, as it carries it itself; None: no.
        keep: Samples to take of the frames that come; None for all.
    """

    def __init__(self, source: PacketSource) -> None:
        """Set up; nothing is read yet.

        Args:
            source: Packets to decode.
        """
        self._av: Any = importlib.import_module("av")
        self._source, self._demuxer = source, source.demuxer
        self._sizes = (0, 0)  # bytes and number of the good packets so far
        self.failed = 0.0
        self.first_failed: float | None = None
        self.broken = False
        self.junk = True
        self.flac_time: float | None = None
        self.keep: int | None = None

    def add_failure(self) -> None:
        """Record a failure that is not junk."""
        self.broken, self.junk = True, False

    def clear_failures(self) -> None:
        """Forget the failures, after silence has replaced what was lost."""
        self.failed, self.broken, self.junk = 0.0, False, True

    def frames(self) -> Iterator[Any]:
        """Demux and decode; skip what fails."""
        for packet in self._source.packets():
            if packet is None:
                self.add_failure()
                continue
            if self._demuxer == "flac":
                self.flac_time = facts.time_within(packet)
            if self._is_empty_head(packet):
                continue
            try:
                frames = packet.decode()
            except EOFError:
                continue
            except self._av.FFmpegError:
                self._note_failure(packet)
                continue
            self._note_success(packet, frames)
            yield from (frame for frame in frames if frame.samples and frame.sample_rate)
            self.keep = None
        try:
            yield from self._source.stream.codec_context.decode(None)
        except self._av.FFmpegError:
            return

    def _is_empty_head(self, packet: Any) -> bool:
        """Recognise an mp3 file's first frame that should state a length, and states none.

        FFmpeg takes such a frame for 1152 samples of silence.
        """
        if self._demuxer != "mp3" or self._sizes[1] or packet.size < 40:
            return False
        head = bytes(packet)[:40]
        return b"Xing" in head or b"Info" in head

    def _note_success(self, packet: Any, frames: list[Any]) -> None:
        """Record a decoded packet, and handle the oddities of ogg."""
        if frames:
            self._sizes = (self._sizes[0] + packet.size, self._sizes[1] + 1)
        if self._demuxer != "ogg" or not packet.duration:
            return
        if not frames and packet.pts == 0:
            # A Vorbis file of one page: FFmpeg counts this packet as sound and cuts as much too
            # much at the end; so let it cut nothing, see `FrameDecoder`.
            skip_manual = self._av.codec.context.Flags2.skip_manual
            self._source.stream.codec_context.flags2 |= skip_manual
        if frames and packet.has_sidedata("new_extradata"):
            # The next link of a chained file: its first packet sounds for so long, whatever the
            # decoder makes of it and the last packet of the link before.
            self._source.is_chained = True
            seconds = float(packet.duration * packet.time_base)
            self.keep = round(seconds * frames[0].sample_rate)

    def _note_failure(self, packet: Any) -> None:
        """Record a packet that cannot be decoded, and its length."""
        sync = SYNC.get(self._demuxer)
        if not self._sizes[1] and self.first_failed is None and packet.pts is not None:
            self.first_failed = float(packet.pts * packet.time_base)
        seconds = float((packet.duration or 0) * packet.time_base)
        if sync is not None:
            data = bytes(packet)
            total, n = self._sizes
            if data.startswith(_FOREIGN) or (not n and not data.startswith(sync)):
                return
            self.junk &= not data.startswith(sync)
            if n:
                seconds *= max(1, round(packet.size * n / total))
        else:
            self.junk = False
        self.broken = True
        self.failed += seconds
