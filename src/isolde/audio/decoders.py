"""Opening whatever holds audio, and decoding it front to back; knows no time ranges.

Three decoders behind one Protocol: libsndfile (wav, flac, ogg, opus, mp3, aiff...), our own for
wav that comes through a pipe, and FFmpeg (module `containers`) for m4a, aac and video.
"""

import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
import soundfile as sf

from isolde.audio import containers, mpeg, wav
from isolde.audio.formats import LOSSY_SUBTYPES, TAG_NAMES, AudioInfo
from isolde.errors import AudioError
from isolde.stages import Float32


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
        self._file = self._open(source if not isinstance(source, Path) else str(source))
        if self._file.format == "MP3" and isinstance(source, Path):
            head = mpeg.missing_head(source)
            if head is not None:
                self._file.close()
                raw = source.open("rb")
                self._owned.append(raw)
                self._file = self._open(cast(BinaryIO, mpeg.PrefixedFile(head, raw)))
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

    def _open(self, source: str | BinaryIO) -> sf.SoundFile:
        """Open with libsndfile, or say that this is not audio."""
        try:
            return _SequentialFile(source, "r")
        except (sf.LibsndfileError, TypeError) as error:
            raise AudioError(
                f"{self._name}: not audio that can be decoded, or damaged at its start: "
                "check that it plays elsewhere"
            ) from error

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


def open_decoder(source: str | Path | BinaryIO) -> Decoder:
    """Open a file or a stream with the decoder that fits.

    Args:
        source: a path, or a binary stream, seekable or not.

    Raises:
        AudioError: no such file, a folder, empty, unreadable, or not audio.
        MissingExtraError: the container needs FFmpeg, and PyAV is not installed.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        size = _check_file(path)
        if size is not None:
            return _open_seekable(path, str(path))
        stream = path.open("rb")
        return _Closing(open_decoder(stream), [stream])
    name = stream_name(source)
    if source.seekable():
        source.seek(0, os.SEEK_END)
        if source.tell() == 0:
            raise AudioError(f"{name}: is empty (0 bytes): there is no audio to read")
        source.seek(0)
        return _open_seekable(source, name)
    seen = bytearray()

    def read(n: int) -> bytes:
        data = read_fully(source, n)
        seen.extend(data)
        return data

    try:
        header = wav.parse_header(read)
        if header.subtype in wav.BYTES_PER_SAMPLE:
            return PipedWavDecoder(source, header, name)
    except wav.NotPlainWavError:
        pass
    if not seen:
        raise AudioError(f"{name}: is empty (0 bytes): there is no audio to read")
    spool = cast(BinaryIO, tempfile.TemporaryFile())
    spool.write(seen)
    shutil.copyfileobj(source, spool)
    spool.seek(0)
    return _Closing(_open_seekable(spool, name), [spool])


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


class _Closing:
    """A decoder that also closes streams which were opened for it."""

    def __init__(self, inner: Decoder, streams: list[BinaryIO]) -> None:
        self._inner = inner
        self._streams = streams
        self.info = inner.info
        self.note = inner.note

    @property
    def position(self) -> int:
        return self._inner.position

    def skip_to(self, sample: int) -> None:
        self._inner.skip_to(sample)

    def read(self, n_samples: int) -> Float32:
        return self._inner.read(n_samples)

    def close(self) -> None:
        self._inner.close()
        for stream in self._streams:
            stream.close()


def _check_file(path: Path) -> int | None:
    """Give the size of a regular file, None for a pipe or device; else say what is wrong."""
    try:
        if path.is_dir():
            raise AudioError(f"{path}: is a folder: name a file in it")
        size = path.stat().st_size
        if not path.is_file():
            return None
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file: check the name and the folder") from error
    except PermissionError as error:
        raise AudioError(f"{path}: may not be read: check its permissions") from error
    except AudioError:
        raise
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be opened: {error}") from error
    if size == 0:
        raise AudioError(f"{path}: is empty (0 bytes): there is no audio to read")
    return size


def _open_seekable(source: Path | BinaryIO, name: str) -> Decoder:
    """Open a regular file or seekable stream with libsndfile, or with FFmpeg."""
    start = _first_bytes(source, 16)
    suffix = Path(name).suffix.lower()
    if containers.is_container(start) or suffix in containers.SUFFIXES:
        return containers.ContainerDecoder(source, name)
    try:
        return SoundFileDecoder(source, name)
    except AudioError:
        if not containers.is_available():
            raise
        try:
            _rewind(source)
            return containers.ContainerDecoder(source, name)
        except AudioError:
            pass
        raise


def _first_bytes(source: Path | BinaryIO, n: int) -> bytes:
    """Look at the first bytes."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(n)
    data = read_fully(source, n)
    _rewind(source)
    return data


def _rewind(source: Path | BinaryIO) -> None:
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
