"""Reads FFmpeg's packets of one audio stream, through all links of a file; decodes nothing.

What FFmpeg's own demuxer goes on with stays one stream; where it does not (other channels, another
rate or codec in the next link), the next link is opened as a file of its own.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isolde.audio.decoding import facts, links

_TRIES = 8  # to go on reading after an error


class PacketSource:
    """One audio stream of a file.

    Attributes:
        container: PyAV's, of the present link.
        stream: Its audio stream.
        demuxer: First name of the container's kind.
        is_chained: Whether the file goes on with another link.
    """

    def __init__(self, path: Path, number: int | None) -> None:
        """Open a file.

        Args:
            path: Regular file.
            number: Number of its audio stream, from 0; None for the default one.

        Raises:
            LookupError: There is no such audio stream; its argument is how many there are.
            OSError: FFmpeg does not recognise it.
            ValueError: Likewise.
        """
        self._av: Any = importlib.import_module("av")
        self._file = path.open("rb")
        self._number = number
        self.is_chained = False
        self._start = self._byte = 0  # of the link, of its last packet
        try:
            self._open(0)
        except BaseException:
            self._file.close()
            raise
        self.demuxer = facts.demuxer_of(self.container)

    def packets(self) -> Iterator[Any]:
        """Yield the packets of all links; None where something cannot be read."""
        packets = self.container.demux(self.stream)
        tries = 0
        while tries <= _TRIES:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._av.FFmpegError:
                tries += 1
                if not (self.demuxer == "ogg" and self._open_next_link()):
                    yield None
                packets = self.container.demux(self.stream)
                continue
            tries = 0
            if packet.pos is not None and packet.pos >= 0:
                self._byte = self._start + packet.pos
            yield packet

    def close(self) -> None:
        """Close the file."""
        self.container.close()
        self._file.close()

    def _open(self, start: int) -> None:
        """Open what begins at a byte of the file; behind a tag at its start, if FFmpeg needs it."""
        options = {"metadata_errors": "replace", "buffer_size": 1 << 17}
        try:
            source = links.FileEnd(self._file, start) if start else self._file
            self.container: Any = self._av.open(source, **options)
        except self._av.FFmpegError:
            behind = 0 if start else links.end_of_tag(self._file)
            if not behind:
                raise
            self.container = self._av.open(links.FileEnd(self._file, behind), **options)
        self.stream: Any = facts.choose_stream(self.container, self._number)
        codec = self.stream.codec_context
        if codec.name in facts.LOSSLESS:
            codec.options = {"err_detect": "crccheck+explode"}  # else damaged frames are noise
        self._start = self._byte = start

    def _open_next_link(self) -> bool:
        """Open the next link that has sound; say whether there is one."""
        while (start := links.next_link(self._file, self._byte)) is not None:
            self._byte = start + 1
            try:
                self._open(start)
            except (self._av.FFmpegError, LookupError):
                continue
            self.is_chained = True
            return True
        return False
