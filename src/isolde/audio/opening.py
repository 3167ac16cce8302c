"""Choosing and opening the decoder for whatever holds audio; decodes nothing itself."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from isolde.audio import containers, wav
from isolde.audio.decoders import (
    Decoder,
    PipedWavDecoder,
    SoundFileDecoder,
    read_fully,
    rewind,
    stream_name,
)
from isolde.core.errors import AudioError
from isolde.core.stage import Float32


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
        return _closing(stream, lambda: open_decoder(stream))
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

    def copy_and_open() -> Decoder:
        try:
            spool.write(seen)
            shutil.copyfileobj(source, spool)
            spool.seek(0)
        except OSError as error:
            raise AudioError(
                f"{name}: cannot be copied to a temporary file ({error.strerror}): make room, or "
                "set TMPDIR to another folder"
            ) from error
        return _open_seekable(spool, name)

    return _closing(spool, copy_and_open)


def _closing(stream: BinaryIO, make: Callable[[], Decoder]) -> Decoder:
    """Make a decoder that closes the stream in the end, or close it at once if that fails."""
    try:
        return _Closing(make(), [stream])
    except BaseException:
        stream.close()
        raise


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
            rewind(source)
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
    rewind(source)
    return data
