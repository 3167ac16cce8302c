"""Vorbis comments: the tags of ogg, opus and flac, put into finished files; writes no sound.

Sources: Vorbis I specification, section 5 (comments); RFC 3533 (ogg pages); RFC 7845 (opus);
RFC 9639, section 8 (flac). libsndfile writes few tags and no picture, so its ogg files are copied
page by page with other comments (the sound's pages keep their bytes but for number and checksum);
FFmpeg renames some tags, so in flac room is left and filled in place.
"""

import base64
import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from isolde.audio.encoding.streams import write_fully
from isolde.audio.tags import Cover, SongTags
from isolde.core.errors import AudioError, InputError

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_PAGE_SEGMENTS = 255
_SOFTWARE = {"software": "encoder"}


def picture_block(cover: Cover) -> bytes:
    """Pack a cover as FLAC does (RFC 9639, section 8.8)."""
    mime = cover.mime.encode("ascii")
    width, height = cover.size
    return (
        struct.pack(">II", 3, len(mime))
        + mime
        + struct.pack(">IIIIII", 0, width, height, 24, 0, len(cover.data))
        + cover.data
    )


def comments_of(tags: SongTags) -> dict[str, str]:
    """Return tags as comments, with the cover."""
    found = {_SOFTWARE.get(name, name): value for name, value in tags.values.items()}
    if tags.cover is not None:
        block = picture_block(tags.cover)
        found["metadata_block_picture"] = base64.b64encode(block).decode("ascii")
    return found


def copy_with_comments(source: BinaryIO, target: BinaryIO, tags: SongTags) -> None:
    """Copy an ogg file of one Vorbis or Opus stream, with other comments.

    Args:
        source: The file, at its start.
        target: Where to write; need not seek.
        tags: Tags of the file.

    Raises:
        AudioError: The source is no such file.
    """
    pages = _pages(source)
    first = next(pages)  # the identification header has a page of its own
    write_fully(target, first)
    is_opus = first[28:36] == b"OpusHead"
    headers: list[bytes] = []
    rest = b""
    while len(headers) < (1 if is_opus else 2):  # the sound begins on a page of its own
        page = next(pages)
        at = 27 + page[26]
        for size in page[27 : 27 + page[26]]:
            rest += page[at : at + size]
            at += size
            if size < _PAGE_SEGMENTS:
                headers.append(rest)
                rest = b""
    magic, end = (b"OpusTags", b"") if is_opus else (b"\x03vorbis", b"\x01")
    headers[0] = magic + _with_comments(headers[0][len(magic) :], tags) + end
    number = 1
    for page in (*_paginate(headers, first[14:18]), *pages):
        write_fully(target, _numbered(page, number))
        number += 1


def flac_blocks(tags: SongTags) -> list[bytes]:
    """Pack the metadata blocks of a flac file, without padding: comments, and the cover."""
    blocks = [(4, _with_comments(struct.pack("<I", 6) + b"isolde", SongTags(tags.values)))]
    if tags.cover is not None:
        blocks.append((6, picture_block(tags.cover)))
    packed = [struct.pack(">I", kind << 24 | len(body)) + body for kind, body in blocks]
    if sum(map(len, packed)) + 4 >= 1 << 24:  # which is padding at first, one block of it
        raise InputError("tags and a cover above 16 MB, too much for flac: make the cover smaller")
    return packed


def fill_flac(stream: BinaryIO, tags: SongTags) -> None:
    """Put the tags into a finished flac file, whose padding is large enough for them.

    Args:
        stream: The file, which is read and written from its start; it is left at its end.
        tags: Tags of the file.

    Raises:
        AudioError: There is not enough room.
    """
    stream.seek(0)
    at = first = 4 + 4 + 34  # the mark, and STREAMINFO, which comes first
    stream.seek(at)
    while True:  # up to and with the last block
        head = stream.read(4)
        at += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:
            break
        stream.seek(at)
    blocks = b"".join(flac_blocks(tags))
    padding = at - first - len(blocks) - 4
    if padding < 0:
        raise AudioError("a flac file without room for its tags: write it again")
    stream.seek(first)
    write_fully(stream, blocks + struct.pack(">I", 0x81 << 24 | padding) + bytes(padding))
    stream.seek(0, os.SEEK_END)


def _with_comments(old: bytes, tags: SongTags) -> bytes:
    """Pack comments behind the vendor's name of an older packet."""
    (length,) = struct.unpack_from("<I", old)
    lines = [f"{name.upper()}={value}".encode() for name, value in comments_of(tags).items()]
    body = b"".join(struct.pack("<I", len(line)) + line for line in lines)
    return old[: 4 + length] + struct.pack("<I", len(lines)) + body


def _pages(source: BinaryIO) -> Iterator[bytes]:
    """Yield the pages of an ogg file."""
    while head := source.read(27):
        if head[:4] != b"OggS" or len(head) < 27:
            raise AudioError("an ogg file with something between its pages: write it again")
        table = source.read(head[26])
        yield head + table + source.read(sum(table))


def _paginate(packets: list[bytes], serial: bytes) -> Iterator[bytes]:
    """Pack packets into pages; numbers and checksums are still 0."""
    data = b"".join(packets)
    segments: list[int] = []
    for packet in packets:
        segments += [_PAGE_SEGMENTS] * (len(packet) // _PAGE_SEGMENTS)
        segments.append(len(packet) % _PAGE_SEGMENTS)
    at = 0
    continued = 0
    for first in range(0, len(segments), _PAGE_SEGMENTS):
        table = bytes(segments[first : first + _PAGE_SEGMENTS])
        ends = any(size < _PAGE_SEGMENTS for size in table)
        position = 0 if ends else -1  # no packet ends on this page
        head = struct.pack("<4sBBq4sIIB", b"OggS", 0, continued, position, serial, 0, 0, len(table))
        yield head + table + data[at : at + sum(table)]
        at += sum(table)
        continued = int(table[-1] == _PAGE_SEGMENTS)


def _numbered(page: bytes, number: int) -> bytes:
    """Return a page with its number and its checksum.

    Ogg's CRC-32 takes the bits of a byte from the other end than zlib's, and neither begins nor
    ends with an inversion.
    """
    bare = page[:18] + struct.pack("<II", number, 0) + page[26:]
    crc = zlib.crc32(bare.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return bare[:22] + crc.to_bytes(4, "big").translate(_REVERSED) + bare[26:]
