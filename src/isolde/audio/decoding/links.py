"""Finds parts of a file that FFmpeg does not look for; reads bytes and decodes nothing.

Chained ogg files (RFC 3533, section 4) are whole files one behind the other, and sound may stand
behind a tag where FFmpeg does not look for it.
"""

import io
from typing import BinaryIO

_PAGE = b"OggS"
_FIRST, _CONTINUED = 2, 1  # flags of pages
_SCAN_BYTES = 1 << 16


class FileEnd(io.RawIOBase):
    """A file from some byte on, as a file that is read."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        """Start at a byte of the file.

        Args:
            file: Whole file, which can seek and stays open.
            start: Byte that becomes 0.
        """
        super().__init__()
        self._file, self._start = file, start
        self.name = file.name
        self.seek(0)

    def readable(self) -> bool:
        """Mark the stream as readable."""
        return True

    def seekable(self) -> bool:
        """Mark the stream as seekable."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read the next bytes."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position."""
        offset += self._start if whence == io.SEEK_SET else 0
        return self._file.seek(offset, whence) - self._start


def end_of_tag(file: BinaryIO) -> int:
    """Return the first byte behind an ID3v2 tag at the start of a file; 0 without one."""
    file.seek(0)
    head = file.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])


def next_link(file: BinaryIO, after: int) -> int | None:
    """Find where the next link of a chained ogg file begins.

    Args:
        file: Whole file.
        after: Byte within the link before, behind its first pages.

    Returns:
        The place of the first page that begins a stream behind one that does not; None at the end.
    """
    at: int | None = _next_page(file, after)
    is_within = False
    while at is not None:
        file.seek(at)
        head = file.read(27)
        if len(head) < 27:
            return None
        if head[:4] != _PAGE or head[4]:
            at = _next_page(file, at + 1)
            continue
        begins = bool(head[5] & _FIRST) and not head[5] & _CONTINUED
        if begins and is_within:
            return at
        is_within |= not begins
        at += 27 + head[26] + sum(file.read(head[26]))
    return None


def _next_page(file: BinaryIO, at: int) -> int | None:
    """Find the next mark of a page at a byte or behind it."""
    file.seek(at)
    data = b""
    while piece := file.read(_SCAN_BYTES):
        data = data[-3:] + piece
        found = data.find(_PAGE)
        if found >= 0:
            return file.tell() - len(data) + found
    return None
