"""Lengths of mp3 files that do not state one; reads frame headers, never decodes.

An mp3 file states its length in an extra first frame ("Xing" or "Info"; or "VBRI"). Without it,
libsndfile takes the length for the file's bytes over the bit rate of the first frame, and hides
whatever comes after: a variable-rate file is silently cut, to less than half in our test. So we
count the frames, and put the missing frame before the first one in what libsndfile sees.
Formats: ISO 11172-3 2.4.1.3 (frame header), ISO 13818-3 (lower rates), Xing's header.
"""

import io
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_Bytes = bytes | mmap.mmap
_KBITS_MPEG1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_MPEG2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


@dataclass(frozen=True)
class _Frame:
    """One frame header: its length in bytes, and what must not change within a file."""

    n_bytes: int
    kind: tuple[int, int, bool]
    side_bytes: int


def missing_head(source: Path | BinaryIO) -> tuple[int, bytes] | None:
    """Make the first frame that an mp3 file lacks.

    Args:
        source: a regular file or seekable stream that libsndfile takes for mp3; a stream may be
            moved.

    Returns:
        Where it belongs (after ID3v2 tags), and a frame that states the number of frames; None if
        the file has one, or is not plain layer III that we can follow.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return missing_head(file)
    try:
        mapped: mmap.mmap | None = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, AttributeError):  # a stream in memory
        mapped = None
    if mapped is None:
        source.seek(0)
        return _search(source.read())
    with mapped:
        return _search(mapped)


def _search(data: _Bytes) -> tuple[int, bytes] | None:
    """Do the work of `missing_head` on the bytes of the file."""
    at = _skip_id3(data)
    first = _find_frame(data, at)
    if first is None:
        return None
    at, frame = first
    tag = data[at + 4 + frame.side_bytes : at + 8 + frame.side_bytes]
    if tag in (b"Xing", b"Info") or data[at + 36 : at + 40] == b"VBRI":
        return None
    place, head = at, data[at : at + 4]
    count = 0
    kind = frame.kind
    while True:
        count += 1
        at += frame.n_bytes
        following = _parse_frame(data[at : at + 4])
        if following is None or following.kind != kind:
            found = _find_frame(data, at, kind)
            if found is None:
                break
            at, following = found
        frame = following
        if at + frame.n_bytes > len(data):
            break
    extra = _stating_frame(head, count)
    return None if extra is None else (place, extra)


def _stating_frame(head: bytes, count: int) -> bytes | None:
    """Make an Info frame with the header of another frame, at the highest bit rate."""
    loud = bytes((head[0], head[1] | 1, (head[2] & 0x0C) | 0xE0, head[3]))
    frame = _parse_frame(loud)
    if frame is None:
        return None
    body = loud + bytes(frame.side_bytes) + b"Xing" + struct.pack(">II", 1, count)
    return body.ljust(frame.n_bytes, b"\0")


def _parse_frame(head: bytes) -> _Frame | None:
    """Read four bytes as a layer III frame header; None if they are none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = (head[1] >> 3) & 3, (head[1] >> 1) & 3
    bits, rate = head[2] >> 4, (head[2] >> 2) & 3
    if version == 1 or layer != 1 or bits in (0, 15) or rate == 3:
        return None
    mono = head[3] >> 6 == 3
    kbits = (_KBITS_MPEG1 if version == 3 else _KBITS_MPEG2)[bits]
    per_bit = 144000 if version == 3 else 72000
    n_bytes = per_bit * kbits // _RATES[version][rate] + ((head[2] >> 1) & 1)
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    return _Frame(n_bytes, (version, rate, mono), side)


def _find_frame(
    data: _Bytes, at: int, kind: tuple[int, int, bool] | None = None
) -> tuple[int, _Frame] | None:
    """Look for the next frame that is followed by another one (or by the end) within 64 KiB."""
    stop = at + 65536
    while 0 <= (at := data.find(b"\xff", at, stop)):
        frame = _parse_frame(data[at : at + 4])
        if frame is not None and (kind is None or frame.kind == kind):
            end = at + frame.n_bytes
            following = _parse_frame(data[end : end + 4])
            if end == len(data) or (following is not None and following.kind == frame.kind):
                return at, frame
        at += 1
    return None


def _skip_id3(data: _Bytes) -> int:
    """Give the position after the ID3v2 tags at the start."""
    at = 0
    while data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        sizes = data[at + 6 : at + 10]
        at += 10 + (sizes[0] << 21 | sizes[1] << 14 | sizes[2] << 7 | sizes[3])
    return at


class SplicedFile(io.RawIOBase):
    """A file as it would be with some bytes put in; for reading only."""

    def __init__(self, file: BinaryIO, place: int, extra: bytes) -> None:
        """Put `extra` before byte `place` of `file`, which stays open when this is closed."""
        super().__init__()
        self._file = file
        self._place = place
        self._extra = extra
        self._at = 0
        self._size = len(extra) + file.seek(0, io.SEEK_END)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be sought."""
        return True

    def tell(self) -> int:
        """Give the position, counting the extra bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; never beyond the start."""
        base = (0, self._at, self._size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes."""
        stop = self._size if size < 0 else min(self._size, self._at + size)
        first, last = self._place, self._place + len(self._extra)
        pieces = []
        if self._at < min(stop, first):
            pieces.append(self._read_file(self._at, min(stop, first)))
        pieces.append(self._extra[max(0, self._at - first) : max(0, stop - first)])
        if stop > last:
            start = max(self._at, last)
            pieces.append(self._read_file(start - len(self._extra), stop - len(self._extra)))
        data = b"".join(pieces)
        self._at += len(data)
        return data

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Read into a buffer; give the number of bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read_file(self, start: int, stop: int) -> bytes:
        """Read bytes of the file itself."""
        self._file.seek(start)
        return self._file.read(max(0, stop - start))
