"""Tags and cover of a song; decodes no sound.

Names are those of Vorbis comments in lower case ("title", "tracknumber", "albumartist"...). All
tags of a song, known or not, go to its stems, except those that describe only the file.
"""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from isolde.core.errors import InputError
from isolde.core.names import readable

ALIASES = {
    "track": "tracknumber",
    "disc": "discnumber",
    "album_artist": "albumartist",
    "year": "date",
    "description": "comment",
    "lyrics-xxx": "lyrics",
    "lyrics-eng": "lyrics",
    "tbpm": "bpm",
    "tmpo": "bpm",
    "tsrc": "isrc",
}
"""FFmpeg's and older names for tags, and ours."""

FFMPEG_NAMES = {"tracknumber": "track", "discnumber": "disc", "albumartist": "album_artist"}
"""Our names for tags, and what FFmpeg calls them on its way to any format."""

_OF_THE_FILE = re.compile(
    r"encoder.*|encoded_by|encoding|itun(smpb|norm|pgap).*|(replaygain|r128)_.*|gapless_playback"
    r"|(major_brand|minor_version|compatible_brands|creation_time|handler_name|vendor_id)"
    r"|language|duration(-\w+)?|number_of_\w+(-\w+)?|_statistics\w*(-\w+)?|bps(-\w+)?|tlen|tsse"
    r"|accurate\w*|cuesheet|md5|metadata_block_picture|coverart\w*|id3v2_priv.*|umid|time_reference"
    r"|timecode|software|model|model_license|waveformatextensible_channel_mask"
)
"""Tags that are true of one file only: its encoder, level, length, cover (which goes by itself)."""

_NAME = re.compile(r"[ -<>-}]+")  # of Vorbis comments: ASCII without control characters and "="
_KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


@dataclass(frozen=True)
class Cover:
    """A picture as it lies in the file, JPEG or PNG."""

    data: bytes

    @property
    def mime(self) -> str:
        """Media type of the picture: "image/jpeg" or "image/png"."""
        return next(mime for start, mime in _KINDS.items() if self.data.startswith(start))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; 0 and 0 of a picture that cannot be decoded."""
        av: Any = importlib.import_module("av")
        try:
            with av.open(BytesIO(self.data)) as picture:
                stream = picture.streams.video[0]
                return int(stream.width), int(stream.height)
        except av.FFmpegError:
            return 0, 0

    def __post_init__(self) -> None:
        """Refuse other kinds of picture.

        Raises:
            InputError: It is neither JPEG nor PNG.
        """
        if not self.data.startswith(tuple(_KINDS)):
            raise InputError("a cover that is neither JPEG nor PNG: convert it, or leave it out")


@dataclass(frozen=True)
class SongTags:
    """Tags and cover of a song.

    Attributes:
        values: Value of each tag, under its Vorbis comment name in lower case.
        cover: Front cover; None without.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    cover: Cover | None = None

    def __post_init__(self) -> None:
        """Drop empty tags, make the others UTF-8, and refuse names that no format takes.

        Raises:
            InputError: A name is empty, or holds "=" or anything beyond ASCII.
        """
        if not isinstance(self.values, Mapping):
            raise InputError(f"tags are {self.values!r}: give texts by name")
        for name in self.values:
            if not _NAME.fullmatch(name):
                raise InputError(f"a tag '{name}': its name must be ASCII, without '='")
        texts = {name.lower(): readable(str(value)) for name, value in self.values.items()}
        kept = {name: text for name, text in texts.items() if text}
        object.__setattr__(self, "values", kept)


def read_tags(path: str | Path) -> SongTags:
    """Read the tags and the cover of a file, of whatever FFmpeg opens.

    Args:
        path: Audio or video file; one that cannot be opened has no tags.

    Returns:
        All that describes the song; what describes only the file (encoder, level, length) is
        left out.
    """
    av: Any = importlib.import_module("av")
    try:
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            streams = container.streams.audio
            own = dict(streams[0].metadata) if len(streams) else {}
            return SongTags(known_tags({**own, **container.metadata}), _cover(av, container))
    except (av.FFmpegError, OSError, ValueError, UnicodeError):
        return SongTags()


def known_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return FFmpeg's metadata by our names, without tags that describe only the file.

    Of two tags for one name ("date" and "year") the one that has that name counts.
    """
    found: dict[str, str] = {}
    for name, value in sorted(metadata.items(), key=lambda tag: tag[0].lower() not in ALIASES):
        key = ALIASES.get(name.lower(), name.lower())
        if value and _NAME.fullmatch(key) and not _OF_THE_FILE.fullmatch(key):
            found[key] = value
    return found


def _cover(av: Any, container: Any) -> Cover | None:
    """Take the first attached picture that is JPEG or PNG."""
    for stream in container.streams.video:
        if stream.disposition & av.stream.Disposition.attached_pic:
            data = next((bytes(packet) for packet in container.demux(stream) if packet.size), b"")
            if data.startswith(tuple(_KINDS)):
                return Cover(data)
    return None
