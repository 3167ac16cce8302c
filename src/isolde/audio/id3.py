"""The tag in front of an mp3 file (ID3v2.4, UTF-8); writes only, libsndfile reads."""

from collections.abc import Mapping

_FRAMES = {
    "title": b"TIT2",
    "artist": b"TPE1",
    "album": b"TALB",
    "date": b"TDRC",
    "genre": b"TCON",
    "tracknumber": b"TRCK",
    "comment": b"COMM",
    "copyright": b"TCOP",
}
_UTF8 = b"\x03"


def build_tag(tags: Mapping[str, str]) -> bytes:
    """Pack tags as one ID3v2.4 tag.

    Args:
        tags: the names that have a frame of their own are written, others left out.

    Returns:
        The bytes to put in front of an mp3 stream; none if there is nothing to write.
    """
    frames = b""
    for name, value in tags.items():
        if name in _FRAMES:
            prefix = b"eng\0" if name == "comment" else b""  # language, empty description
            body = _UTF8 + prefix + value.encode("utf-8")
            frames += _FRAMES[name] + _synchsafe(len(body)) + b"\0\0" + body
    return b"ID3\x04\0\0" + _synchsafe(len(frames)) + frames if frames else b""


def _synchsafe(n: int) -> bytes:
    """Pack a number as four bytes of seven bits (ID3v2.4, section 6.2)."""
    return bytes((n >> shift) & 0x7F for shift in (21, 14, 7, 0))
