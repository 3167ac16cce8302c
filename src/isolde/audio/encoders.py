"""Turning clean blocks into the bytes of wav, flac, ogg, opus and mp3; decides nothing.

Wav is written by ourselves (pipes, sizes above 4 GB, bit-exact integers), the others by
libsndfile. Both take samples that the writer has already checked and limited.
"""

import contextlib
import io
from collections.abc import Mapping
from typing import Any, BinaryIO, Protocol

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from isolde.audio import id3, wav
from isolde.audio.formats import INTEGER_BITS, Container
from isolde.core.stage import Float32

_PIECE = 16384
"""Samples per call to libsndfile: big single writes of Vorbis crash some builds."""


class Encoder(Protocol):
    """Something that writes blocks of one fixed shape to a stream."""

    def write(self, block: Float32) -> None:
        """Write float32 (n_channels, n), finite, within [-1, 1] unless the subtype is float."""
        ...

    def finish(self) -> None:
        """Write what is still owed, and the final header; the stream stays open."""
        ...


def quantise(block: Float32, bits: int) -> NDArray[np.int32]:
    """Round samples to integers: q = round(x * 2**(bits - 1)), so that reading gives x back.

    Exact for audio that was read from that many bits, which libsndfile's own conversion is not
    (it scales by 2**(bits - 1) - 1). No dither is added. +1.0 becomes the largest integer.

    Args:
        block: float32 (n_channels, n) in [-1, 1].
        bits: 16, 24 or 32.

    Returns:
        int32 (n_channels, n).
    """
    top = 2 ** (bits - 1)
    # Powers of two are exact, and float32 holds all integers of 24 bits.
    exact = block if bits <= 24 else block.astype(np.float64)
    scaled = np.rint(exact * top)
    limited: NDArray[np.int32] = np.clip(scaled, -top, top - 1).astype(np.int32)
    return limited


class WavEncoder:
    """Wav to a stream; sizes are filled in at the end if the stream can seek."""

    def __init__(
        self,
        stream: BinaryIO,
        *,
        sample_rate: int,
        n_channels: int,
        subtype: str,
        tags: Mapping[str, str],
        seekable: bool,
    ) -> None:
        """Write the header: with sizes unknown to a pipe, else to be filled in."""
        self._stream = stream
        self._seekable = seekable
        self._subtype = subtype
        self._tags = dict(tags)
        self._sample_rate = sample_rate
        self._n_channels = n_channels
        self._start = stream.tell() if seekable else 0
        self._n_samples = 0
        write_fully(stream, self._header(None))

    def write(self, block: Float32) -> None:
        """Pack and write the samples."""
        frames: NDArray[Any] = block.T
        if self._subtype in INTEGER_BITS:
            frames = quantise(block, INTEGER_BITS[self._subtype]).T
        write_fully(self._stream, wav.pack(frames, self._subtype))
        self._n_samples += block.shape[1]
        if not self._seekable:
            self._stream.flush()

    def finish(self) -> None:
        """Pad to an even length and write the header again, now with the sizes."""
        if not self._seekable:
            self._stream.flush()
            return
        data_bytes = self._n_samples * self._n_channels * wav.BYTES_PER_SAMPLE[self._subtype]
        write_fully(self._stream, bytes(data_bytes % 2))
        end = self._stream.tell()
        self._stream.seek(self._start)
        write_fully(self._stream, self._header(self._n_samples))
        self._stream.seek(end)
        self._stream.flush()

    def _header(self, n_samples: int | None) -> bytes:
        """Make the header for a length."""
        return wav.build_header(
            sample_rate=self._sample_rate,
            n_channels=self._n_channels,
            subtype=self._subtype,
            n_samples=n_samples,
            tags=self._tags,
        )


class SoundFileEncoder:
    """Flac, ogg, opus or mp3 by libsndfile, to a stream that can seek."""

    def __init__(
        self,
        stream: BinaryIO,
        kind: Container,
        *,
        sample_rate: int,
        n_channels: int,
        subtype: str,
        tags: Mapping[str, str],
    ) -> None:
        """Open libsndfile on the stream and write the tags.

        Those of mp3 are ours: libsndfile and LAME write UTF-8 and call it Latin-1.
        """
        head = id3.build_tag(tags) if kind.name == "mp3" else b""
        write_fully(stream, head)
        self._sink = _Sink(stream, len(head))
        self._bits = INTEGER_BITS.get(subtype)
        self._file = _WriteOnlyFile(
            self._sink,
            "w",
            samplerate=sample_rate,
            channels=n_channels,
            subtype=subtype,
            format=kind.sf_format,
        )
        for name, value in () if head else tags.items():
            with contextlib.suppress(sf.LibsndfileError):  # no place for this tag in the format
                setattr(self._file, name, value)

    def write(self, block: Float32) -> None:
        """Encode in modest pieces."""
        frames: NDArray[Any] = block.T
        if self._bits is not None:
            # libsndfile takes the upper bits of an int32.
            frames = quantise(block, self._bits).T << (32 - self._bits)
        for at in range(0, len(frames), _PIECE):
            try:
                self._file.write(np.ascontiguousarray(frames[at : at + _PIECE]))
            except (sf.LibsndfileError, AssertionError):
                self._sink.check()
                raise
            self._sink.check()

    def finish(self) -> None:
        """Let libsndfile write its last pages and header."""
        self._file.close()
        self._sink.check()

    def discard(self) -> None:
        """Close libsndfile without caring for the result."""
        with contextlib.suppress(sf.LibsndfileError):
            self._file.close()


class _WriteOnlyFile(sf.SoundFile):  # type: ignore[misc]
    """A SoundFile that python-soundfile does not seek in after every write."""

    def seekable(self) -> bool:
        return False


class _Sink(io.RawIOBase):
    """A stream as libsndfile's callbacks see it: errors are kept, since they cannot be raised.

    Position 0 is `base` bytes into the stream.
    """

    def __init__(self, stream: BinaryIO, base: int) -> None:
        super().__init__()
        self._stream = stream
        self._base = base
        self._error: BaseException | None = None

    def check(self) -> None:
        """Raise the first error that happened."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any, /) -> int:
        try:
            write_fully(self._stream, bytes(data))
        except BaseException as error:  # Ctrl-C too would be lost in a callback
            self._error = self._error or error
            return 0
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            offset += self._base if whence == io.SEEK_SET else 0
            return self._stream.seek(offset, whence) - self._base
        except BaseException as error:  # a buffered stream writes when it seeks
            self._error = self._error or error
            return 0

    def tell(self) -> int:
        return self._stream.tell() - self._base


def write_fully(stream: BinaryIO, data: bytes) -> None:
    """Write all bytes, also to a raw stream that takes them in pieces."""
    view = memoryview(data)
    while view:
        taken = stream.write(view)
        view = view[len(view) if taken is None else taken :]
