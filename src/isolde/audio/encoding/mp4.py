"""Boxes of MP4 files (ISO/IEC 14496-12) that FFmpeg does not write: put into a finished file.

FFmpeg writes `moov`, the index, behind the samples, so that it may grow without moving them.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from isolde.audio.encoding.streams import write_fully
from isolde.audio.tags import FFMPEG_NAMES, SongTags
from isolde.core.errors import AudioError

ITEMS = (b"udta", b"meta", b"ilst")
"""Path below `moov` of the list of tags."""

_BY_FFMPEG = frozenset(
    "title artist albumartist composer album date comment genre copyright grouping lyrics"
    " description tracknumber discnumber".split()
)
"""Tags that FFmpeg writes to MP4 by itself; it drops all others."""

_FULL_BOXES = (b"meta",)
_IMAGE_TYPES = {"image/jpeg": 13, "image/png": 14}


def box(name: bytes, body: bytes) -> bytes:
    """Pack a box."""
    return struct.pack(">I4s", 8 + len(body), name) + body


def children(body: bytes) -> list[tuple[bytes, bytes]]:
    """Unpack the boxes in a body: their names and bodies, in order.

    Raises:
        AudioError: They do not add up.
    """
    found, at = [], 0
    while at < len(body):
        size, name = struct.unpack_from(">I4s", body, at) if at + 8 <= len(body) else (0, b"")
        if size < 8 or at + size > len(body):
            raise AudioError(f"an MP4 box of {size} bytes where it cannot be: write the file again")
        found.append((name, body[at + 8 : at + size]))
        at += size
    return found


def muxer_options(sample_rate: int) -> dict[str, str]:
    """Options of FFmpeg's writer: edit lists in samples, where milliseconds would not do."""
    return {"movie_timescale": str(sample_rate)}


def ffmpeg_tags(tags: SongTags) -> dict[str, str]:
    """Return the tags that FFmpeg writes to MP4, by its names."""
    return {FFMPEG_NAMES.get(n, n): text for n, text in tags.values.items() if n in _BY_FFMPEG}


def tag_items(tags: SongTags) -> list[bytes]:
    """Pack the tags that FFmpeg leaves out, and the cover, as items of `ilst`."""
    items = []
    for name, value in tags.values.items():
        if name == "software":
            items.append(box(b"\xa9swr", _data(1, value.encode())))
        elif name not in _BY_FFMPEG:
            mean = box(b"mean", bytes(4) + b"com.apple.iTunes")
            own_name = box(b"name", bytes(4) + name.encode("ascii"))
            items.append(box(b"----", mean + own_name + _data(1, value.encode())))
    if tags.cover is not None:
        items.append(box(b"covr", _data(_IMAGE_TYPES[tags.cover.mime], tags.cover.data)))
    return items


def extend_index(stream: BinaryIO, additions: Iterable[tuple[Sequence[bytes], bytes]]) -> None:
    """Put boxes into the index of a finished file.

    Args:
        stream: The file, which is read and written; it is left at its end.
        additions: Boxes: for each box the path of its parent below `moov`, which is made where it
            is missing, and the box.

    Raises:
        AudioError: The index is not the last box.
    """
    at = 0
    while True:
        stream.seek(at)
        head = stream.read(16)
        if len(head) < 8:
            raise AudioError("an MP4 file without an index: write it again")
        size, name = struct.unpack_from(">I4s", head)
        size = struct.unpack_from(">Q", head, 8)[0] if size == 1 else size
        if name == b"moov":
            break
        at += size
    stream.seek(at + 8)
    body = stream.read(size - 8)
    if stream.read(1):
        raise AudioError("an MP4 file whose index is not at its end: write it again")
    for path, addition in additions:
        body = _with_box(body, path, addition)
    stream.seek(at)
    write_fully(stream, box(b"moov", body))


def _with_box(body: bytes, path: Sequence[bytes], addition: bytes) -> bytes:
    """Put a box behind the others in the parent that a path names."""
    if not path:
        return body + addition
    result, done = b"", False
    for name, inside in children(body):
        if name == path[0] and not done:
            skip = 4 if name in _FULL_BOXES else 0
            inside = inside[:skip] + _with_box(inside[skip:], path[1:], addition)
            done = True
        result += box(name, inside)
    return result if done else result + box(path[0], _with_box(b"", path[1:], addition))


def _data(kind: int, value: bytes) -> bytes:
    """Pack the value of an item: 1 for UTF-8, 13 for JPEG, 14 for PNG."""
    return box(b"data", struct.pack(">II", kind, 0) + value)
