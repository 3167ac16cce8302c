"""Flac, mp3, AAC and ALAC by FFmpeg (PyAV); decides nothing.

PyAV is imported only when such a file is written. Lossy codecs begin with samples of their own
making and end with whole frames; how many, each file says (mp3 in its LAME frame, m4a in its
edit list), so that players give back what was written.
"""

import contextlib
import importlib
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isolde.audio.encoding import comments, id3, mp4
from isolde.audio.encoding.base import Sound, quantise
from isolde.audio.encoding.streams import Sink, write_fully
from isolde.audio.formats import Container
from isolde.core.errors import AudioError
from isolde.core.stage import Float32

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""FFmpeg's names for wav's orders of channels."""

_ALAC_LAYOUTS = {4: "4.0", 7: "6.1(back)", 8: "7.1(wide)"}
_CODECS = {  # subtype: codec, its sample format, ours
    "AAC": ("aac", "fltp", "flt"),
    "ALAC_16": ("alac", "s16p", "s16"),
    "ALAC_24": ("alac", "s32p", "s32"),
    "MPEG_LAYER_III": ("libmp3lame", "fltp", "flt"),
    "OPUS": ("libopus", "flt", "flt"),
    "PCM_16": ("flac", "s16", "s16"),
    "PCM_24": ("flac", "s32", "s32"),
}
_BEST = 10
_LAMBDA = 118
"""FFmpeg's FF_QP2LAMBDA: its unit of quality."""
_ALAC_FRAME = 4096


class Track:
    """The sound of one stream of a container, encoded as blocks come.

    Attributes:
        stream: PyAV's stream.
        n_channels: Number of channels.
    """

    def __init__(self, container: Any, sound: Sound, *, start: float = 0.0) -> None:
        """Add a stream to a container that is open for writing.

        Args:
            container: Container of PyAV.
            sound: What is to be written; its tags are not used here.
            start: Time of the first sample in seconds.
        """
        self._av: Any = importlib.import_module("av")
        codec, its_format, self._format = _CODECS[sound.subtype]
        layouts = _ALAC_LAYOUTS if codec == "alac" else {}
        self._layout = layouts.get(sound.n_channels, LAYOUTS[sound.n_channels])
        self._sound, self._container = sound, container
        self.n_channels = sound.n_channels
        self._at = self._start = round(start * sound.sample_rate)
        self._codec = codec
        self.stream: Any = container.add_stream(
            codec, rate=sound.sample_rate, layout=self._layout, format=its_format
        )
        context = self.stream.codec_context
        if codec == "libmp3lame" and sound.bitrate is None:
            quality = (_BEST - sound.quality) * _LAMBDA
            context.options = {"flags": "+qscale", "global_quality": str(round(quality))}
        elif codec == "aac":  # more than 6 bits a sample are not allowed
            context.bit_rate = min(
                sound.usual_bitrate, 6 * sound.sample_rate * sound.n_channels - 1
            )
        elif codec == "libopus":
            context.bit_rate = min(sound.usual_bitrate, 256_000 * sound.n_channels)
        elif codec == "libmp3lame":
            context.bit_rate = sound.bitrate

    def write(self, block: Float32) -> None:
        """Encode the next block (n_channels, n), which is in [-1, 1]."""
        frame = self._av.AudioFrame.from_ndarray(
            self._samples(block), format=self._format, layout=self._layout
        )
        frame.sample_rate = self._sound.sample_rate
        frame.pts, frame.time_base = self._at, Fraction(1, self._sound.sample_rate)
        self._at += block.shape[1]
        self._container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        """Encode what the encoder still holds.

        Raises:
            AudioError: The last frame is one at which FFmpeg's encoder of ALAC ends the process: of
                one or two samples of more than two channels.
        """
        last = (self._at - self._start) % _ALAC_FRAME
        if self._codec == "alac" and self._sound.n_channels > 2 and last in (1, 2):
            raise AudioError(
                f"FFmpeg cannot write {self._at - self._start} samples of "
                f"{self._sound.n_channels} channels as alac: choose flac or wav"
            )
        self._container.mux(self.stream.encode(None))

    def _samples(self, block: Float32) -> NDArray[Any]:
        """Interleave samples as (1, n * n_channels): PyAV cannot fill 8 channels apart."""
        values: NDArray[Any] = block
        if self._format == "s16":
            values = quantise(block, 16).astype(np.int16)
        elif self._format == "s32":  # the upper 24 bits
            values = quantise(block, 24) << 8
        return np.ascontiguousarray(values.T.reshape(1, -1))


class FFmpegEncoder:
    """A file with one sound, to a stream that can seek."""

    def __init__(self, stream: BinaryIO, kind: Container, sound: Sound) -> None:
        """Open FFmpeg on the stream."""
        av: Any = importlib.import_module("av")
        self._stream, self._kind, self._sound = stream, kind, sound
        head = id3.build_tag(sound.tags) if kind.name == "mp3" else b""
        write_fully(stream, head)
        self._sink = Sink(stream, len(head))
        with stream_faults(self._sink):
            self._container: Any = av.open(
                self._sink, "w", format=kind.muxer, options=_muxer_options(kind, sound)
            )
            if kind.is_mp4:
                self._container.metadata.update(mp4.ffmpeg_tags(sound.tags))
            self._track = Track(self._container, sound)

    def write(self, block: Float32) -> None:
        """Encode a block."""
        with stream_faults(self._sink):
            self._track.write(block)

    def finish(self) -> None:
        """Let FFmpeg write its last packets and header, and put in the tags that are ours."""
        tags = self._sound.tags
        with stream_faults(self._sink):
            self._track.finish()
            self._container.close()
        if self._kind.is_mp4:
            items = mp4.tag_items(tags)
            mp4.extend_index(self._stream, [(mp4.ITEMS, item) for item in items])
        elif self._kind.name == "flac":
            comments.fill_flac(self._stream, tags)

    def discard(self) -> None:
        """Close FFmpeg; the result is thrown away."""
        with contextlib.suppress(Exception):  # whatever it is, the result is thrown away
            self._container.close()


def stream_faults(sink: Sink) -> AbstractContextManager[None]:
    """Raise the error of a stream itself instead of what FFmpeg makes of it.

    Raises:
        AudioError: FFmpeg fails for another reason.
    """
    av: Any = importlib.import_module("av")
    return sink.faults("FFmpeg", av.FFmpegError)


def _muxer_options(kind: Container, sound: Sound) -> dict[str, str]:
    """Options of FFmpeg's writer of a container."""
    if kind.is_mp4:
        return mp4.muxer_options(sound.sample_rate)
    if kind.name == "flac":
        room = sum(map(len, comments.flac_blocks(sound.tags)))
        return {"metadata_header_padding": str(max(8192, room + 4))}
    return {"id3v2_version": "0", "write_id3v1": "0"} if kind.name == "mp3" else {}
