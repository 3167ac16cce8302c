"""Wav: for pipes, sizes above 4 GB and bit-exact integers; decides nothing."""

from typing import Any, BinaryIO

from numpy.typing import NDArray

from isolde.audio import wav
from isolde.audio.encoding import id3
from isolde.audio.encoding.base import Sound, quantise
from isolde.audio.encoding.streams import write_fully
from isolde.audio.formats import INTEGER_BITS
from isolde.audio.tags import SongTags
from isolde.core.stage import Float32


class WavEncoder:
    """Wav to a stream; sizes are filled in at the end if the stream can seek.

    Tags that LIST INFO has no place for, and the cover, go into an ID3 chunk behind the samples;
    not into a pipe.
    """

    def __init__(self, stream: BinaryIO, sound: Sound, *, seekable: bool) -> None:
        """Write the header: with sizes unknown to a pipe, else to be filled in."""
        self._stream, self._sound, self._seekable = stream, sound, seekable
        self._start = stream.tell() if seekable else 0
        self._n_samples = 0
        self._trailer = b""
        own = {name: text for name, text in sound.tags.values.items() if name not in wav.INFO_IDS}
        if seekable and (own or sound.tags.cover is not None):
            self._trailer = wav.chunk(b"id3 ", id3.build_tag(SongTags(own, sound.tags.cover)))
        write_fully(stream, self._header(None))

    def write(self, block: Float32) -> None:
        """Pack and write the samples."""
        frames: NDArray[Any] = block.T
        subtype = self._sound.subtype
        if subtype in INTEGER_BITS:
            frames = quantise(block, INTEGER_BITS[subtype]).T
        write_fully(self._stream, wav.pack(frames, subtype))
        self._n_samples += block.shape[1]
        if not self._seekable:
            self._stream.flush()

    def finish(self) -> None:
        """Pad to an even length and write the header again, now with the sizes."""
        if not self._seekable:
            self._stream.flush()
            return
        width = wav.BYTES_PER_SAMPLE[self._sound.subtype]
        data_bytes = self._n_samples * self._sound.n_channels * width
        write_fully(self._stream, bytes(data_bytes % 2) + self._trailer)
        end = self._stream.tell()
        self._stream.seek(self._start)
        write_fully(self._stream, self._header(self._n_samples))
        self._stream.seek(end)
        self._stream.flush()

    def discard(self) -> None:
        """Do nothing: the stream belongs to the caller."""

    def _header(self, n_samples: int | None) -> bytes:
        """Make the header for a length."""
        return wav.build_header(
            sample_rate=self._sound.sample_rate,
            n_channels=self._sound.n_channels,
            subtype=self._sound.subtype,
            n_samples=n_samples,
            tags=self._sound.tags.values,
            trailing_bytes=len(self._trailer),
        )
