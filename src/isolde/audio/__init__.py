"""Audio in and out: files and pipes in blocks, formats, tags, levels, sample rates; no analysis."""

from isolde.audio.encoding.base import Encoder, Sound, quantise
from isolde.audio.formats import (
    BIT_DEPTHS,
    CONTAINERS,
    TAG_NAMES,
    AudioInfo,
    Container,
)
from isolde.audio.levels import ClipPolicy
from isolde.audio.limits import subtype_for
from isolde.audio.opening import comes_once
from isolde.audio.reader import AudioReader, info
from isolde.audio.tags import Cover, SongTags, read_tags
from isolde.audio.whole import read, write
from isolde.audio.writer import AudioWriter
from isolde.core.signal.resample import Resampler, resampled_length

__all__ = [
    "BIT_DEPTHS",
    "CONTAINERS",
    "TAG_NAMES",
    "AudioInfo",
    "AudioReader",
    "AudioWriter",
    "ClipPolicy",
    "Container",
    "Cover",
    "Encoder",
    "Resampler",
    "SongTags",
    "Sound",
    "comes_once",
    "info",
    "quantise",
    "read",
    "read_tags",
    "resampled_length",
    "subtype_for",
    "write",
]
