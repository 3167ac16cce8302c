"""Decoding audio front to back; knows no time ranges.

Three decoders behind one Protocol: libsndfile (wav, flac, ogg, opus, mp3, aiff...), our own for
wav that comes through a pipe, and FFmpeg (module `containers`) for m4a, aac and video.
"""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
import soundfile as sf

from isolde.audio import mpeg, wav
from isolde.audio.formats import LOSSY_SUBTYPES, TAG_NAMES, AudioInfo
from isolde.core.errors import AudioError
from isolde.core.stage import Float32


class Decoder(Protocol):
    """Audio that is decoded from front to back.

    `note` is a line about something odd in the file, or None; `position` counts the samples
    decoded so far.
    """

    info: AudioInfo
    note: str | None

    @property
    def position(self) -> int:
        """The next sample."""
        ...

    def skip_to(self, sample: int) -> None:
        """Move forward so that the next sample read is this one, or stop at the end."""
        ...

    def read(self, n_samples: int) -> Float32:
        """Decode the next samples, fewer only at the end: float32 (n_channels, n)."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def path_for_libsndfile(source: Path | BinaryIO) -> str | bytes | BinaryIO:
    """Give a path as libsndfile takes it, also one whose bytes are not UTF-8."""
    if not isinstance(source, Path):
        return source
    return os.fsencode(source) if os.name == "posix" else str(source)


class _SequentialFile(sf.SoundFile):  # type: ignore[misc]
    """A SoundFile that python-soundfile does not seek in behind our back.

    It seeks after every read; on Opus that spoils the last page (measured: errors of full scale
    in the last 100 to 400 samples, depending on the block size).
    """

    def seekable(self) -> bool:
        """Say no, which turns that seeking off; `seek` itself still works."""
        return False


class SoundFileDecoder:
    """Audio that libsndfile decodes."""

    def __init__(self, source: Path | BinaryIO, name: str) -> None:
        """Open it.

        Args:
            source: a regular file or a seekable stream.
            name: what to call it in messages.

        Raises:
            AudioError: libsndfile does not recognise it.
        """
        self.note: str | None = None
        self._name = name
        self._owned: list[BinaryIO] = []
        self._file = self._open(path_for_libsndfile(source))
        if self._file.format == "MP3":
            self._file = self._with_stated_length(source)
        n_samples = int(self._file.frames)
        if self._file.format in ("WAV", "WAVEX", "RF64"):
            n_samples = _declared_wav_samples(source) or n_samples
        elif self._file.format == "OGG" and not _ogg_is_ended(source):
            self.note = f"{name}: the ogg stream has no end mark, it was probably cut short"
        names = {"WAVEX": "WAV"}
        self.info = AudioInfo(
            path=name,
            sample_rate=int(self._file.samplerate),
            n_channels=int(self._file.channels),
            n_samples=n_samples,
            container=names.get(self._file.format, self._file.format),
            subtype=self._file.subtype,
            tags=self._tags(),
        )
        self.position = 0

    def skip_to(self, sample: int) -> None:
        """Seek where that is exact; decode and discard where it is not.

        libsndfile's seeking in Vorbis misses (measured: other samples altogether), and in mp3
        with a variable rate it may; so in all lossy formats we decode.
        """
        lossy = self.info.subtype in LOSSY_SUBTYPES or self.info.container == "MP3"
        if not lossy and sample > self.position:
            try:
                self.position = int(self._file.seek(min(sample, int(self._file.frames))))
                return
            except sf.LibsndfileError as error:
                raise AudioError(self._broken(error)) from error
        while self.position < sample:
            if not self.read(min(65536, sample - self.position)).shape[1]:
                return

    def read(self, n_samples: int) -> Float32:
        """Decode the next samples, fewer only at the end.

        Raises:
            AudioError: the data is damaged here.
        """
        try:
            frames = self._file.read(n_samples, dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            raise AudioError(self._broken(error)) from error
        self.position += len(frames)
        return np.ascontiguousarray(frames.T)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        for file in self._owned:
            file.close()

    def _open(self, source: str | bytes | BinaryIO) -> sf.SoundFile:
        """Open with libsndfile, or say that this is not audio."""
        try:
            return _SequentialFile(source, "r")
        except (sf.LibsndfileError, TypeError) as error:
            raise AudioError(
                f"{self._name}: not audio that can be decoded, or damaged at its start: "
                "check that it plays elsewhere"
            ) from error

    def _with_stated_length(self, source: Path | BinaryIO) -> sf.SoundFile:
        """Open an mp3 file again: with a first frame that states its length, if it has none."""
        self._file.close()
        missing = mpeg.missing_head(source)
        if missing is None:
            rewind(source)
            return self._open(str(source) if isinstance(source, Path) else source)
        if isinstance(source, Path):
            source = source.open("rb")
            self._owned.append(source)
        return self._open(cast(BinaryIO, mpeg.SplicedFile(source, *missing)))

    def _broken(self, error: sf.LibsndfileError) -> str:
        """Say where decoding failed."""
        seconds = self.position / self.info.sample_rate
        what = str(error.error_string).removeprefix("Error : ").strip(". ")
        return (
            f"{self._name}: damaged somewhere after {seconds:.3f} s ({what}): get another copy, or "
            f"read up to end={math.floor(seconds * 1000) / 1000:.3f}"
        )

    def _tags(self) -> dict[str, str]:
        """Collect the tags that are there."""
        found = {name: getattr(self._file, name) for name in TAG_NAMES}
        return {name: str(value) for name, value in found.items() if value}


class PipedWavDecoder:
    """Plain wav from a stream that cannot seek: nothing is read ahead, memory is constant."""

    def __init__(self, stream: BinaryIO, header: wav.WavHeader, name: str) -> None:
        """Take over a stream that stands at its first sample.

        Args:
            stream: a binary stream; it is not closed here.
            header: what has been read from it; its subtype must be one that `wav` can unpack.
            name: what to call it in messages.
        """
        self.note: str | None = None
        self._stream = stream
        self._header = header
        self.position = 0
        self.info = AudioInfo(
            path=name,
            sample_rate=header.sample_rate,
            n_channels=header.n_channels,
            n_samples=header.n_samples,
            container="RF64" if header.is_rf64 else "WAV",
            subtype=header.subtype,
        )

    def skip_to(self, sample: int) -> None:
        """Read and discard."""
        while self.position < sample and self.read(min(65536, sample - self.position)).shape[1]:
            pass

    def read(self, n_samples: int) -> Float32:
        """Wait for the next samples; fewer only at the end.

        Raises:
            AudioError: the stream breaks.
        """
        if self._header.n_samples is not None:
            n_samples = min(n_samples, self._header.n_samples - self.position)
        block = self._header.block_bytes
        try:
            data = read_fully(self._stream, n_samples * block)
        except OSError as error:
            raise AudioError(f"{self.info.path}: cannot be read: {error.strerror}") from error
        data = data[: len(data) // block * block]
        samples = wav.unpack(data, self._header.subtype).reshape(-1, self._header.n_channels)
        self.position += len(samples)
        return np.ascontiguousarray(samples.T)

    def close(self) -> None:
        """Do nothing: the stream belongs to the caller."""


def stream_name(stream: BinaryIO) -> str:
    """Give a stream's own name, for messages."""
    name = getattr(stream, "name", None)
    return name if isinstance(name, str) else "<stream>"


def read_fully(stream: BinaryIO, n: int) -> bytes:
    """Read n bytes from a stream that may give them in pieces; fewer only at its end."""
    pieces = []
    while n > 0:
        piece = stream.read(n)
        if not piece:
            break
        pieces.append(piece)
        n -= len(piece)
    return b"".join(pieces)


def rewind(source: Path | BinaryIO) -> None:
    """Go back to the start of a stream."""
    if not isinstance(source, Path):
        source.seek(0)


def _with_file(source: Path | BinaryIO, look: Callable[[BinaryIO], int]) -> int:
    """Look at the bytes of a file, or of a stream without moving it."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return look(file)
    at = source.tell()
    source.seek(0)
    try:
        return look(source)
    finally:
        source.seek(at)


def _declared_wav_samples(source: Path | BinaryIO) -> int:
    """Give the samples that a wav header declares, 0 if it does not say.

    libsndfile silently takes the size of the file instead, which hides that it was cut.
    """

    def look(file: BinaryIO) -> int:
        try:
            header = wav.parse_header(file.read)
        except wav.NotPlainWavError:
            return 0
        return (header.n_samples or 0) if header.subtype != "OTHER" else 0

    return _with_file(source, look)


def _ogg_is_ended(source: Path | BinaryIO) -> bool:
    """Say whether the last ogg page carries the end-of-stream flag (RFC 3533, header type 4)."""

    def look(file: BinaryIO) -> int:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 131072))
        tail = file.read()
        page = tail.rfind(b"OggS")
        return int(page >= 0 and len(tail) > page + 5 and bool(tail[page + 5] & 4))

    return bool(_with_file(source, look))
