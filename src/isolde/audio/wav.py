"""Wav files as bytes: their header and how samples are packed, so that wav can go through pipes.

Opens nothing, clips nothing. Layout: Microsoft RIFF/WAVE (fmt, fact, LIST INFO, data), WAVE_FORMAT_
EXTENSIBLE for more than two channels, and RF64 (EBU Tech 3306): a JUNK chunk is kept free at the
front of every file, and becomes the ds64 chunk with 64-bit sizes when the file outgrows 4 GB.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isolde.core.stage import Float32

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_UNKNOWN = 0xFFFFFFFF
_PLACEHOLDER = 0x7FFFF000
INFO_IDS = {
    "title": b"INAM",
    "artist": b"IART",
    "album": b"IPRD",
    "date": b"ICRD",
    "genre": b"IGNR",
    "tracknumber": b"ITRK",
    "comment": b"ICMT",
    "copyright": b"ICOP",
    "software": b"ISFT",
}
"""Tags that LIST INFO has a place for, and their names in it."""

_SPEAKERS = {1: 0x4, 2: 0x3, 3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
"""Masks of the speakers, in the order of FFmpeg's layouts (`encoding.ffmpeg.LAYOUTS`)."""

BYTES_PER_SAMPLE = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4}


class NotPlainWavError(ValueError):
    """The bytes are not a wav header that this module understands."""


@dataclass(frozen=True)
class WavHeader:
    """Header of a wav file.

    Attributes:
        sample_rate: Sample rate in Hz.
        n_channels: Number of channels.
        block_bytes: Bytes of one sample of all channels.
        subtype: "PCM_16", "PCM_24", "PCM_32" or "FLOAT"; "OTHER" for samples that this module does
            not unpack.
        data_bytes: Bytes of samples that the header declares; None if it does not know.
        is_rf64: Sizes come from a ds64 chunk.
    """

    sample_rate: int
    n_channels: int
    block_bytes: int
    subtype: str
    data_bytes: int | None
    is_rf64: bool = False

    @property
    def n_samples(self) -> int | None:
        """Samples per channel that the header declares; None if it does not know."""
        return None if self.data_bytes is None else self.data_bytes // self.block_bytes


def parse_header(read: Callable[[int], bytes]) -> WavHeader:
    """Read a wav header up to the first sample.

    Args:
        read: Gives exactly the next n bytes, or fewer at the end of the stream.

    Returns:
        The header. `data_bytes` is None where writers to pipes put a placeholder: 0xFFFFFFFF
        (FFmpeg), anything from 0x7FFFF000 (SoX, arecord) in a plain RIFF file that states nothing
        behind the samples, or 0 beside a RIFF size that leaves no room for anything after it, or is
        0xFFFFFFFF (recorders write that first, and some are cut off before they write the length).

    Raises:
        NotPlainWavError: This is no wav header, or it is cut, or has no fmt before its data.
    """
    head_bytes = 20  # up to and with the head of the data chunk
    magic, riff_bytes, kind = struct.unpack("<4sI4s", _exactly(read, 12))
    if magic not in (b"RIFF", b"RF64") or kind != b"WAVE":
        raise NotPlainWavError("no RIFF/WAVE at the start")
    fmt: tuple[int, int, int, str] | None = None
    long_data_bytes: int | None = None
    while True:
        name, size = struct.unpack("<4sI", _exactly(read, 8))
        if name == b"data":
            break
        if size > 1 << 28:
            raise NotPlainWavError(f"a chunk {name!r} of {size} bytes before the samples")
        body = _exactly(read, size + size % 2)
        head_bytes += 8 + len(body)
        if name == b"ds64" and magic == b"RF64" and size >= 24:
            long_data_bytes = struct.unpack_from("<Q", body, 8)[0]
        elif name == b"fmt " and size >= 16:
            fmt = _parse_format(body)
    if fmt is None:
        raise NotPlainWavError("no fmt chunk before the samples")
    data_bytes: int | None = size
    if size == _UNKNOWN and long_data_bytes is not None:
        data_bytes = long_data_bytes or None
    elif size >= _PLACEHOLDER or size == 0:
        # what the header states behind the samples tells that it knows where they end
        behind = riff_bytes + 8 - (head_bytes + size + size % 2)
        if behind <= 0 or _UNKNOWN in (size, riff_bytes):
            data_bytes = None
    return WavHeader(*fmt, data_bytes, is_rf64=magic == b"RF64")


def build_header(
    *,
    sample_rate: int,
    n_channels: int,
    subtype: str,
    n_samples: int | None,
    tags: Mapping[str, str] | None = None,
    trailing_bytes: int = 0,
) -> bytes:
    """Build the header: all bytes before the first sample.

    Args:
        sample_rate: Sample rate in Hz.
        n_channels: Number of channels.
        subtype: "PCM_16", "PCM_24", "PCM_32" or "FLOAT".
        n_samples: Samples per channel; None for a pipe, where nobody knows yet: the sizes are
            then 0xFFFFFFFF.
        tags: Tags to be written as LIST INFO, in UTF-8; names without a place in it are left out.
        trailing_bytes: Size of the chunks that follow the samples.

    Returns:
        The header; its length depends on everything but `n_samples`.
    """
    width = BYTES_PER_SAMPLE[subtype]
    block = width * n_channels
    code = _FLOAT if subtype == "FLOAT" else _PCM
    extensible = n_channels > 2
    fmt = struct.pack(
        "<HHIIHH",
        _EXTENSIBLE if extensible else code,
        n_channels,
        sample_rate,
        min(sample_rate * block, _UNKNOWN),
        min(block, 0xFFFF),
        8 * width,
    )
    if extensible:
        speakers = _SPEAKERS.get(n_channels, 0)
        fmt += struct.pack("<HHIH", 22, 8 * width, speakers, code) + _GUID_TAIL
    data_bytes = None if n_samples is None else n_samples * block
    chunks = chunk(b"fmt ", fmt)
    if subtype == "FLOAT":
        count = _UNKNOWN if n_samples is None else min(n_samples, _UNKNOWN)
        chunks += chunk(b"fact", struct.pack("<I", count))
    chunks += _info_chunk(tags or {})
    # RIFF + size + WAVE = 12, JUNK or ds64 = 8 + 28, data + size = 8.
    head_bytes = 12 + 36 + len(chunks) + 8
    if data_bytes is None:
        front = struct.pack("<4sI4s", b"RIFF", _UNKNOWN, b"WAVE") + chunk(b"JUNK", bytes(28))
        return front + chunks + struct.pack("<4sI", b"data", _UNKNOWN)
    riff_bytes = head_bytes - 8 + data_bytes + data_bytes % 2 + trailing_bytes
    if riff_bytes < _UNKNOWN:
        front = struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE") + chunk(b"JUNK", bytes(28))
        return front + chunks + struct.pack("<4sI", b"data", data_bytes)
    sizes = struct.pack("<QQQI", riff_bytes, data_bytes, n_samples, 0)
    front = struct.pack("<4sI4s", b"RF64", _UNKNOWN, b"WAVE") + chunk(b"ds64", sizes)
    return front + chunks + struct.pack("<4sI", b"data", _UNKNOWN)


def unpack(data: bytes, subtype: str) -> Float32:
    """Turn bytes into samples.

    Args:
        data: Whole samples, channels interleaved.
        subtype: "PCM_16", "PCM_24", "PCM_32" or "FLOAT".

    Returns:
        float32 (n,); integers of b bits are divided by 2**(b - 1), so they are in [-1, 1).
    """
    if subtype == "FLOAT":
        return np.frombuffer(data, "<f4").astype(np.float32)
    if subtype == "PCM_16":
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(2**15)
    if subtype == "PCM_24":
        padded = np.zeros((len(data) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return (padded.view("<i4")[:, 0] >> 8).astype(np.float32) / np.float32(2**23)
    return (np.frombuffer(data, "<i4") / 2**31).astype(np.float32)


def pack(frames: NDArray[Any], subtype: str) -> bytes:
    """Turn samples into bytes: the inverse of `unpack` after quantising.

    Args:
        frames: (n, n_channels); for "FLOAT" float32, else int32 in the range of the subtype.
        subtype: "PCM_16", "PCM_24", "PCM_32" or "FLOAT".
    """
    if subtype == "FLOAT":
        return frames.astype("<f4").tobytes()
    if subtype == "PCM_16":
        return frames.astype("<i2").tobytes()
    whole = np.ascontiguousarray(frames.astype("<i4"))
    if subtype == "PCM_32":
        return whole.tobytes()
    return whole.reshape(-1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _parse_format(body: bytes) -> tuple[int, int, int, str]:
    """Unpack a fmt chunk: sample rate, channels, bytes per block, subtype."""
    code, n_channels, sample_rate, _, block_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if code == _EXTENSIBLE and len(body) >= 40:
        code = struct.unpack_from("<H", body, 24)[0]
    if not n_channels or not sample_rate or not block_bytes:
        raise NotPlainWavError("a fmt chunk with zeros")
    known = {
        (_PCM, 16): "PCM_16",
        (_PCM, 24): "PCM_24",
        (_PCM, 32): "PCM_32",
        (_FLOAT, 32): "FLOAT",
    }
    subtype = known.get((code, bits), "OTHER")
    if subtype != "OTHER" and block_bytes != n_channels * bits // 8:
        subtype = "OTHER"
    return sample_rate, n_channels, block_bytes, subtype


def _info_chunk(tags: Mapping[str, str]) -> bytes:
    """Pack tags as a LIST INFO chunk; nothing if there are none."""
    body = b"".join(
        chunk(INFO_IDS[name], value.encode("utf-8") + b"\0")
        for name, value in tags.items()
        if name in INFO_IDS
    )
    return chunk(b"LIST", b"INFO" + body) if body else b""


def chunk(name: bytes, body: bytes) -> bytes:
    """Pack one chunk, padded to an even length."""
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _exactly(read: Callable[[int], bytes], n: int) -> bytes:
    """Read n bytes or fail."""
    data = read(n)
    if len(data) < n:
        raise NotPlainWavError("the header is cut")
    return data
