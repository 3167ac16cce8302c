"""Chooses and opens the decoder for a file or stream; decodes nothing itself."""

import os
import tempfile
from contextlib import ExitStack, suppress
from io import TextIOBase
from pathlib import Path
from typing import BinaryIO

from isolde.audio import wav
from isolde.audio.decoding import flac
from isolde.audio.decoding.base import NO_SAMPLES, Decoder, read_fully, stream_name
from isolde.audio.decoding.ffmpeg import FFmpegDecoder
from isolde.audio.decoding.libsndfile import SoundFileDecoder, is_for_libsndfile
from isolde.audio.decoding.plainwav import PlainWavDecoder
from isolde.core.errors import AudioError, InputError


def open_decoder(
    source: str | Path | BinaryIO, resources: ExitStack, *, stream: int | None = None
) -> Decoder:
    """Open a file or a stream with the decoder that fits.

    Args:
        source: A path, or a binary stream, seekable or not.
        resources: Stack that gets what must be released in the end, the decoder too.
        stream: Which audio stream of a file with several, from 0; None for the default one.

    Raises:
        AudioError: No such file, a folder, empty, unreadable, not audio, or without sound.
        InputError: The source is neither.
    """
    if not isinstance(source, (str, Path)):
        if isinstance(source, TextIOBase) or not hasattr(source, "read"):
            raise InputError(f"{source!r} is no sound: give a path or a binary stream")
        return _open_stream(source, resources, stream)
    if source == "":
        raise AudioError("the path of the song is empty: name a file")
    if isinstance(source, str) and "://" in source and not os.path.exists(source):
        place = source.partition("?")[0]
        raise AudioError(f"{place}: is a URL: copy the file here first, or use `isolde separate`")
    path = Path(source)
    try:
        if _is_regular(path):
            decoder = _open_file(path, str(path), stream)
            resources.callback(decoder.close)
            return decoder
        pipe = resources.enter_context(path.open("rb"))
    except AudioError:
        raise
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file: check the name and the folder") from error
    except PermissionError as error:
        raise AudioError(f"{path}: may not be read: check its permissions") from error
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error  # which names no file a second time
        raise AudioError(f"{path}: cannot be opened ({said}): check the name") from error
    return _open_stream(pipe, resources, stream)


def comes_once(path: Path) -> bool:
    """Return whether a path names a pipe or a device, whose sound can be read only once."""
    return os.path.exists(path) and not (path.is_file() or path.is_dir())


def _open_file(path: Path, name: str, stream: int | None = None) -> Decoder:
    """Open a regular file with libsndfile, or with FFmpeg."""
    with path.open("rb") as file:
        start = file.read(42)
    # Where something follows the stated end of a FLAC file, libsndfile reads only what is before.
    has_more = start[:4] == b"fLaC" and not flac.ends_as_stated(path)
    if stream is None and is_for_libsndfile(start) and not has_more:
        try:
            return SoundFileDecoder(path, name, lambda: FFmpegDecoder(path, name))
        except AudioError:  # a kind of wav, or a damaged header, that only FFmpeg reads
            if _is_truly_empty(path):
                raise
    return FFmpegDecoder(path, name, stream=stream)


def _open_stream(source: BinaryIO, resources: ExitStack, stream: int | None) -> Decoder:
    """Open a stream: plain wav as it comes, all else by way of a temporary file."""
    name = stream_name(source)
    seen = bytearray()

    def read(n: int) -> bytes:
        try:
            return read_fully(source, n)
        except (OSError, ValueError) as error:  # also a stream that is closed
            said = getattr(error, "strerror", None) or error
            raise AudioError(f"{name}: cannot be read ({said}): check its source") from error

    def read_and_keep(n: int) -> bytes:
        data = read(n)
        seen.extend(data)
        return data

    with suppress(OSError, ValueError):
        if source.seekable():
            source.seek(0)
    try:
        header = wav.parse_header(read_and_keep)
    except wav.NotPlainWavError:
        pass
    else:
        if header.subtype in wav.BYTES_PER_SAMPLE and stream is None:
            if header.n_samples == 0:
                raise AudioError(f"{name}: {NO_SAMPLES}")
            return PlainWavDecoder(read, header, name)
    if not seen:
        raise AudioError(f"{name}: is empty (0 bytes): there is no audio to read")
    try:
        with tempfile.NamedTemporaryFile(prefix="isolde-", delete=False) as copy:
            path = Path(copy.name)
            resources.callback(path.unlink, missing_ok=True)
            copy.write(seen)
            while piece := read(1 << 20):
                copy.write(piece)
    except AudioError:
        raise
    except OSError as error:
        raise AudioError(
            f"{name}: cannot be copied to a temporary file ({error.strerror}): make room, or "
            "set TMPDIR to another folder"
        ) from error
    decoder = _open_file(path, name, stream)
    resources.callback(decoder.close)
    if os.name == "posix" and isinstance(decoder, FFmpegDecoder):
        path.unlink()  # it is open: so nothing stays behind, however this process ends
    return decoder


def _is_regular(path: Path) -> bool:
    """Tell a regular file from a pipe; refuse what is neither, or cannot be opened."""
    if path.is_dir():
        raise AudioError(f"{path}: is a folder: name a file in it")
    if path.is_char_device():  # which may never end
        raise AudioError(f"{path}: is a device: give a file, a pipe, or - for standard input")
    size = path.stat().st_size
    if path.is_file() and not size:
        raise AudioError(f"{path}: is empty (0 bytes): there is no audio to read")
    return path.is_file()


def _is_truly_empty(path: Path) -> bool:
    """Return whether nothing but other chunks follows a wav header that states no samples."""
    with path.open("rb") as file:
        try:
            wav.parse_header(file.read)
        except wav.NotPlainWavError:
            return False
        here, head = file.tell(), file.read(8)
    end = here + 8 + int.from_bytes(head[4:], "little")
    return len(head) < 8 or (head[:4].isalnum() and end <= path.stat().st_size + 1)
