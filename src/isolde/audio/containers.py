"""Reading m4a, aac and the sound of video through FFmpeg (PyAV, extra "av"); never writes.

PyAV is imported only when such a file is opened. Lengths are not known before the end: containers
state them in milliseconds at best, and AAC comes in whole frames of 1024 samples (a few hundred
samples of padding may remain at the end; the encoder's delay at the start is removed where the
container states it, which bare .aac cannot).
"""

import importlib
import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from isolde.audio.formats import TAG_NAMES, AudioInfo
from isolde.core.errors import AudioError, MissingExtraError
from isolde.core.stage import Float32

SUFFIXES = frozenset(
    ".m4a .m4b .m4v .mp4 .mov .3gp .aac .mkv .mka .webm .wma .wmv .asf .avi .ac3 .eac3 .flv .ts"
    " .wv .ape .tta .dts".split()
)
"""File names that go to FFmpeg without asking libsndfile first."""

_NAMES = {"mov": "MP4", "matroska": "MATROSKA"}
_TAG_ALIASES = {"track": "tracknumber", "year": "date", "description": "comment"}


def is_container(start: bytes) -> bool:
    """Recognise MP4, Matroska/WebM, ASF and ADTS AAC by the first bytes.

    Args:
        start: at least 12 bytes from the start of a file.
    """
    adts = len(start) > 1 and start[0] == 0xFF and start[1] & 0xF6 == 0xF0
    return start[4:8] == b"ftyp" or start[:4] in (b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75") or adts


def is_available() -> bool:
    """Say whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


class ContainerDecoder:
    """An audio stream of anything that FFmpeg decodes."""

    def __init__(self, source: Path | BinaryIO, name: str, *, stream: int = 0) -> None:
        """Open it.

        Args:
            source: a regular file or a seekable stream.
            name: what to call it in messages.
            stream: which of its audio streams, from 0.

        Raises:
            MissingExtraError: PyAV is not installed.
            AudioError: FFmpeg does not recognise it, or there is no sound in it.
        """
        try:
            av: Any = importlib.import_module("av")
        except ImportError as error:
            raise MissingExtraError("av", extra="av", purpose=f"reading {name}") from error
        self.note: str | None = None
        self._errors = av.FFmpegError
        try:
            self._container: Any = av.open(str(source) if isinstance(source, Path) else source)
        except (av.FFmpegError, ValueError) as error:
            raise AudioError(
                f"{name}: not audio that can be decoded, or damaged at its start: "
                "check that it plays elsewhere"
            ) from error
        if not self._container.streams.audio:
            self._container.close()
            raise AudioError(f"{name}: has no sound in it: name a file with an audio stream")
        if stream >= (n_streams := len(self._container.streams.audio)):
            self._container.close()
            raise AudioError(f"{name}: has {n_streams} audio streams, numbered from 0: no {stream}")
        heard = self._container.streams.audio[stream]
        if not heard.codec_context.sample_rate or not heard.codec_context.channels:
            self._container.close()
            raise AudioError(
                f"{name}: not audio that can be decoded, or damaged at its start: "
                "check that it plays elsewhere"
            )
        kind = self._container.format.name.split(",")[0]
        seconds = None
        if heard.duration is not None:
            seconds = float(heard.duration * heard.time_base)
        elif self._container.duration is not None:
            seconds = self._container.duration / av.time_base
        self.info = AudioInfo(
            path=name,
            sample_rate=int(heard.codec_context.sample_rate),
            n_channels=int(heard.codec_context.channels),
            n_samples=None,
            container=_NAMES.get(kind, kind.upper()),
            subtype=str(heard.codec_context.name).upper(),
            tags=_tags({**heard.metadata, **self._container.metadata}),
            about_seconds=seconds,
        )
        self._resampler = av.AudioResampler(
            format="flt", layout=heard.codec_context.layout, rate=self.info.sample_rate
        )
        self._blocks = self._decode(heard)
        self._rest = np.zeros((self.info.n_channels, 0), np.float32)
        self.position = 0

    def skip_to(self, sample: int) -> None:
        """Decode and discard: seeking is not exact to the sample in most containers."""
        while self.position < sample and self.read(min(65536, sample - self.position)).shape[1]:
            pass

    def read(self, n_samples: int) -> Float32:
        """Decode the next samples, fewer only at the end.

        Raises:
            AudioError: the data is damaged here.
        """
        pieces, have = [self._rest], self._rest.shape[1]
        while have < n_samples:
            try:
                piece = next(self._blocks)
            except StopIteration:
                break
            except self._errors as error:
                seconds = (self.position + have) / self.info.sample_rate
                raise AudioError(
                    f"{self.info.path}: damaged after {seconds:.3f} s ({error.strerror}): get "
                    f"another copy, or read up to end={math.floor(seconds * 1000) / 1000:.3f}"
                ) from error
            pieces.append(piece)
            have += piece.shape[1]
        joined = np.concatenate(pieces, axis=1)
        self._rest = joined[:, n_samples:].copy()
        block = np.ascontiguousarray(joined[:, :n_samples])
        self.position += block.shape[1]
        return block

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def _decode(self, stream: Any) -> Iterator[Float32]:
        """Decode frame by frame, as interleaved float32 turned to (n_channels, n)."""
        for frame in self._container.decode(stream):
            for same in self._resampler.resample(frame):
                samples = same.to_ndarray().reshape(-1, self.info.n_channels)
                yield np.ascontiguousarray(samples.T, dtype=np.float32)
        for same in self._resampler.resample(None):
            samples = same.to_ndarray().reshape(-1, self.info.n_channels)
            yield np.ascontiguousarray(samples.T, dtype=np.float32)


def _tags(metadata: dict[str, str]) -> dict[str, str]:
    """Keep the tags that isolde knows."""
    found: dict[str, str] = {}
    for name, value in metadata.items():
        key = _TAG_ALIASES.get(name.lower(), name.lower())
        if key in TAG_NAMES and value:
            found[key] = value
    return found
