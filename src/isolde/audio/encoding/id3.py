"""The tag of mp3 and wav files (ID3v2.4, UTF-8), with the cover; writes only, FFmpeg reads."""

from isolde.audio.tags import SongTags

_FRAMES = {
    "title": b"TIT2",
    "artist": b"TPE1",
    "album": b"TALB",
    "albumartist": b"TPE2",
    "composer": b"TCOM",
    "date": b"TDRC",
    "genre": b"TCON",
    "tracknumber": b"TRCK",
    "discnumber": b"TPOS",
    "bpm": b"TBPM",
    "isrc": b"TSRC",
    "copyright": b"TCOP",
    "publisher": b"TPUB",
    "software": b"TSSE",
}
_TEXTS = {"comment": b"COMM", "lyrics": b"USLT"}
_UTF8 = b"\x03"
_FRONT_COVER = b"\x03"


def build_tag(tags: SongTags) -> bytes:
    """Pack tags as one ID3v2.4 tag.

    Args:
        tags: Names without a frame of their own become user texts (TXXX).

    Returns:
        The bytes to put in front of an mp3 stream; none if there is nothing to write.
    """
    frames = b""
    for name, value in tags.values.items():
        text = value.encode("utf-8")
        if name in _FRAMES:
            frames += _frame(_FRAMES[name], _UTF8 + text)
        elif name in _TEXTS:  # language, empty description
            frames += _frame(_TEXTS[name], _UTF8 + b"eng\0" + text)
        else:
            frames += _frame(b"TXXX", _UTF8 + name.encode("ascii") + b"\0" + text)
    if tags.cover is not None:
        mime = tags.cover.mime.encode("ascii")
        frames += _frame(b"APIC", _UTF8 + mime + b"\0" + _FRONT_COVER + b"\0" + tags.cover.data)
    return b"ID3\x04\0\0" + _synchsafe(len(frames)) + frames if frames else b""


def _frame(name: bytes, body: bytes) -> bytes:
    """Pack one frame."""
    return name + _synchsafe(len(body)) + b"\0\0" + body


def _synchsafe(n: int) -> bytes:
    """Pack a number as four bytes of seven bits (ID3v2.4, section 6.2)."""
    return bytes((n >> shift) & 0x7F for shift in (21, 14, 7, 0))
