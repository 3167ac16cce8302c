"""Choosing and opening the decoder for whatever holds audio; decodes nothing itself."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from isolde.audio import wav
from isolde.audio.decoding import flac
from isolde.audio.decoding.base import NO_SAMPLES, Decoder, Loss, read_fully, stream_name
from isolde.audio.decoding.ffmpeg import FFmpegDecoder
from isolde.audio.decoding.libsndfile import SoundFileDecoder, is_for_libsndfile
from isolde.audio.decoding.plainwav import PlainWavDecoder
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import Float32


def open_decoder(source: str | Path | BinaryIO, *, stream: int | None = None) -> Decoder:
    """Open a file or a stream with the decoder that fits.

    Args:
        source: A path, or a binary stream, seekable or not.
        stream: Which audio stream of a file with several, from 0; None for the default one.

    Raises:
        AudioError: No such file, a folder, empty, unreadable, not audio, or without sound.
        InputError: The source is neither.
    """
    if not isinstance(source, (str, Path)):
        if not hasattr(source, "read"):
            raise InputError(f"{source!r} is no sound: give a path or a binary stream")
        return _open_stream(source)
    if source == "":
        raise AudioError("the path of the song is empty: name a file")
    if isinstance(source, str) and "://" in source and not os.path.exists(source):
        place = source.partition("?")[0]
        raise AudioError(f"{place}: is a URL: copy the file here first, or use `isolde separate`")
    path = Path(source)
    if _is_regular(path):
        return _open_file(path, str(path), stream)
    try:
        pipe = path.open("rb")
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened ({error.strerror}): check it") from error
    return _closing(lambda: _open_stream(pipe), pipe.close)


def comes_once(path: Path) -> bool:
    """Say whether a path names a pipe or a device, whose sound can be read only once."""
    return os.path.exists(path) and not (path.is_file() or path.is_dir())


def _open_file(path: Path, name: str, stream: int | None = None) -> Decoder:
    """Open a regular file with libsndfile, or with FFmpeg."""
    with path.open("rb") as file:
        start = file.read(42)
    if stream is None and is_for_libsndfile(start) and _ends_as_stated(path, start):
        try:
            return SoundFileDecoder(path, name, lambda: FFmpegDecoder(path, name))
        except AudioError:  # a kind of wav, or a damaged header, that only FFmpeg reads
            if _is_truly_empty(path):
                raise
    return FFmpegDecoder(path, name, stream=stream)


def _ends_as_stated(path: Path, start: bytes) -> bool:
    """Say that nothing follows the length that a FLAC file states; others are believed."""
    return start[:4] != b"fLaC" or flac.ends_as_stated(path)


def _open_stream(source: BinaryIO) -> Decoder:
    """Open a stream: plain wav as it comes, all else by way of a temporary file."""
    name = stream_name(source)
    if source.seekable():
        source.seek(0)
    seen = bytearray()

    def read(n: int) -> bytes:
        data = read_fully(source, n)
        seen.extend(data)
        return data

    try:
        header = wav.parse_header(read)
        if header.subtype in wav.BYTES_PER_SAMPLE:
            if header.n_samples == 0:
                raise AudioError(f"{name}: {NO_SAMPLES}")
            return PlainWavDecoder(source, header, name)
    except wav.NotPlainWavError:
        pass
    if not seen:
        raise AudioError(f"{name}: is empty (0 bytes): there is no audio to read")
    try:
        handle, copy = tempfile.mkstemp(prefix="isolde-")
    except OSError as error:
        raise AudioError(_no_room(name, error)) from error
    path = Path(copy)

    def copy_and_open() -> Decoder:
        try:
            with os.fdopen(handle, "wb") as spool:
                spool.write(seen)
                shutil.copyfileobj(source, spool)
        except OSError as error:
            raise AudioError(_no_room(name, error)) from error
        decoder = _open_file(path, name)
        if os.name == "posix" and isinstance(decoder, FFmpegDecoder):
            path.unlink()  # it is open: so nothing stays behind, however this process ends
        return decoder

    return _closing(copy_and_open, lambda: path.unlink(missing_ok=True))


def _no_room(name: str, error: OSError) -> str:
    """Say that a stream cannot be copied."""
    return (
        f"{name}: cannot be copied to a temporary file ({error.strerror}): make room, or "
        "set TMPDIR to another folder"
    )


def _closing(make: Callable[[], Decoder], release: Callable[[], object]) -> Decoder:
    """Make a decoder that releases what it needs in the end; release it at once if that fails."""
    try:
        return _Closing(make(), release)
    except BaseException:
        release()
        raise


class _Closing:
    """A decoder that also releases what was opened for it."""

    def __init__(self, inner: Decoder, release: Callable[[], object]) -> None:
        self._inner = inner
        self._release = release
        self.info = inner.info

    @property
    def losses(self) -> list[Loss]:
        return self._inner.losses

    @property
    def notes(self) -> list[str]:
        return self._inner.notes

    @property
    def position(self) -> int:
        return self._inner.position

    def skip_to(self, sample: int) -> None:
        self._inner.skip_to(sample)

    def read(self, n_samples: int) -> Float32:
        return self._inner.read(n_samples)

    def close(self) -> None:
        self._inner.close()
        self._release()


def _is_regular(path: Path) -> bool:
    """Tell a regular file from a pipe or device; say what is wrong if it is neither."""
    try:
        if path.is_dir():
            raise AudioError(f"{path}: is a folder: name a file in it")
        if path.is_char_device():  # which may never end
            raise AudioError(f"{path}: is a device: give a file, a pipe, or - for standard input")
        size = path.stat().st_size
        if not path.is_file():
            return False
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file: check the name and the folder") from error
    except PermissionError as error:
        raise AudioError(f"{path}: may not be read: check its permissions") from error
    except AudioError:
        raise
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error  # which names no file a second time
        raise AudioError(f"{path}: cannot be opened ({said}): check the name") from error
    if size == 0:
        raise AudioError(f"{path}: is empty (0 bytes): there is no audio to read")
    return True


def _is_truly_empty(path: Path) -> bool:
    """Say whether nothing but other chunks follows a wav header that states no samples."""
    with path.open("rb") as file:
        try:
            wav.parse_header(file.read)
        except wav.NotPlainWavError:
            return False
        here, head = file.tell(), file.read(8)
    end = here + 8 + int.from_bytes(head[4:], "little")
    return len(head) < 8 or (head[:4].isalnum() and end <= path.stat().st_size + 1)
