"""Facts that files state and FFmpeg does not tell directly; decodes nothing."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from isolde.audio import tags
from isolde.audio.decoding import flac
from isolde.audio.decoding.links import end_of_tag
from isolde.audio.formats import TAG_NAMES
from isolde.core.stage import Float32

LATE_SECONDS = 0.04
"""A sound that begins later than this after the picture is late: one picture of 25 in a second."""

_STATED = frozenset("mov matroska flac ogg asf tta wv ape wav w64 aiff dsf".split())
"""Demuxers whose duration is stated by the file; others guess it from a bit rate, or the durations
are often wrong (avi and caf: written in units of packets)."""

LOSSLESS = frozenset(
    "alac ape als flac mlp mp4als osq ralf shorten tak truehd tta wavpack wmalossless".split()
)


def demuxer_of(container: Any) -> str:
    """Return the first name of a container's kind: "mov", "matroska", "mp3"..."""
    return str(container.format.name.split(",")[0])


def choose_stream(container: Any, number: int | None) -> Any:
    """Take the audio stream that was asked for, or the default one, or the first.

    Raises:
        LookupError: There is none; its argument is the number of audio streams.
    """
    streams = list(container.streams.audio)
    if (
        number is not None
        and 0 <= number < len(streams)
        and streams[number].codec_context is not None
    ):
        return streams[number]
    usable = [each for each in streams if each.codec_context is not None]
    if number is not None or not usable:
        raise LookupError(len(streams))
    # ffmpeg prefers more channels among default tracks; but to ask PyAV for the channels before
    # decoding would free a custom layout, see `SampleConverter`.
    return next((each for each in usable if each.disposition & 1), usable[0])


def stated_seconds(container: Any, stream: Any, *, is_short: bool = False) -> float | None:
    """Return the length that the file itself states, None where FFmpeg would only guess it.

    Args:
        container: Open container.
        stream: One of its streams.
        is_short: Whether the file is shorter than it states.
    """
    if stream.duration is None and container.streams.video:
        # The container's length may be that of the picture; Matroska may have one for each stream.
        parts = re.fullmatch(r"(\d+):(\d+):(\d+\.\d+)", stream.metadata.get("DURATION", ""))
        if parts is None:
            return None
        return 3600 * int(parts[1]) + 60 * int(parts[2]) + float(parts[3]) - _start(stream)
    kind = demuxer_of(container)
    if kind == "matroska" and stream.duration is None and container.duration is not None:
        return float(container.duration / 1_000_000) - _start(stream)
    if is_short and kind == "caf" and stream.codec_context.name.startswith("pcm_"):
        # Its duration is that of the bytes that are there; the number of frames is the stated one.
        return float(stream.frames / stream.rate)
    return claimed_seconds(container, stream) if is_short or kind in _STATED else None


def _start(stream: Any) -> float:
    """Return the time stamp of a stream's start in seconds, 0 where it is earlier."""
    return max(0.0, float((stream.start_time or 0) * stream.time_base))


def claimed_seconds(container: Any, stream: Any) -> float | None:
    """Return the length that FFmpeg states or guesses."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else float(container.duration / 1_000_000)


def time_within(packet: Any) -> float | None:
    """Return the time that the first frame of a FLAC packet carries itself, in seconds.

    FFmpeg may put several frames into a packet and give it the time of the last.
    """
    codec = packet.stream.codec_context
    block = flac.block_samples(bytes(codec.extradata or bytes(4)))
    number = flac.first_sample(bytes(packet)[:16], block) if packet.size else None
    return None if number is None or not codec.sample_rate else number / codec.sample_rate


def lateness(container: Any, time: float) -> float:
    """Return the seconds by which the sound begins after the picture; 0 where it is not late.

    Args:
        container: Open container.
        time: Time stamp of the first sample, in seconds.
    """
    for stream in container.streams.video:
        if "attached_pic" in (stream.disposition.name or "") or stream.start_time is None:
            continue
        late = time - float(stream.start_time * stream.time_base)
        return late if LATE_SECONDS < late < 86400 else 0.0
    return 0.0


def known_tags(container: Any, stream: Any) -> dict[str, str]:
    """Return the tags in `TAG_NAMES`, of the container and of the stream."""
    found = tags.known_tags({**stream.metadata, **container.metadata})
    return {name: value for name, value in found.items() if name in TAG_NAMES}


def bit_depth(codec: str, sample_format: str, start: Float32) -> str | None:
    """Return the bit depth of a lossless source, one of `BIT_DEPTHS`; None for others.

    Args:
        codec: FFmpeg's name.
        sample_format: Format of its samples.
        start: First samples; 24 bit comes as 32 with eight zeros below.
    """
    if codec not in LOSSLESS and not codec.startswith("pcm_"):
        return None
    if sample_format == "s32":
        low = np.rint(start.astype(np.float64) * 2.0**31).astype(np.int64) & 255
        return "32" if low.any() else "24"
    return {"u8": "16", "s16": "16", "s64": "32"}.get(sample_format, "32f")


def ogg_is_ended(path: Path) -> bool:
    """Return whether the last ogg page carries the end-of-stream flag (RFC 3533, header type 4)."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 131072))
        tail = file.read()
    page = tail.rfind(b"OggS")
    return page >= 0 and len(tail) > page + 5 and bool(tail[page + 5] & 4)


def xing_samples(path: Path) -> int:
    """Return the length that an mp3 file states in its first frame (Xing's header); 0 if in none.

    What the encoder put before and behind the sound is left out, as the LAME tag behind it states.
    """
    with path.open("rb") as file:
        file.seek(end_of_tag(file))
        head = file.read(1024)
    at = max(head.find(b"Xing"), head.find(b"Info"))
    if at < 0 or len(head) < at + 12 or not head[at + 7] & 1:
        return 0
    sync = head.rfind(b"\xff", 0, at)
    is_mpeg1 = head[sync + 1] & 0x18 == 0x18  # ISO 11172-3 2.4.1.3; 13818-3 has half the samples
    n_samples = int.from_bytes(head[at + 8 : at + 12]) * (1152 if is_mpeg1 else 576)
    fields = ((1, 4), (2, 4), (4, 100), (8, 4))  # frames, bytes, places, quality
    lame = at + 8 + sum(size for flag, size in fields if head[at + 7] & flag)
    if head[lame : lame + 4] in (b"LAME", b"Lavf", b"Lavc"):
        both = int.from_bytes(head[lame + 21 : lame + 24])  # 12 bits each
        n_samples -= (both >> 12) + (both & 0xFFF)
    return max(0, n_samples)


def is_shorter_than_stated(path: Path, demuxer: str) -> bool:
    """Return whether an avi or caf file ends within one of its chunks; False for other kinds."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if demuxer == "avi":
            return 8 + int.from_bytes(head[4:], "little") > size
        at = 8
        while demuxer == "caf" and at < size:
            file.seek(at + 4)
            length = int.from_bytes(file.read(8), signed=True)
            if length < 0:  # up to the end, whatever that is
                return False
            at += 12 + length
    return demuxer == "caf" and at > size
