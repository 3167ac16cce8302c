"""Decodes uncompressed files and FLAC by libsndfile, which seeks exactly; nothing lossy.

What libsndfile cannot decode in a damaged file, FFmpeg decodes from there on.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile as sf

from isolde.audio import wav
from isolde.audio.decoding.base import NO_SAMPLES, NOT_AUDIO, Decoder, Loss
from isolde.audio.formats import TAG_NAMES, AudioInfo
from isolde.core.errors import AudioError
from isolde.core.stage import Float32

_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"riff", b"caff", b".snd")
_CUT_SECONDS = 0.01  # sloppy headers count a few bytes too many
_UNKNOWN_BYTES = 0x7FFFF000  # from here on, 32 bit sizes are placeholders (SoX, arecord, FFmpeg)


def is_for_libsndfile(start: bytes) -> bool:
    """Recognise wav, aiff, w64, caf, au, and flac whose length is known, by the first 42 bytes."""
    if start[:4] == b"fLaC" and len(start) >= 26:
        return bool(int.from_bytes(start[21:26]) & 0xFFFFFFFFF)  # STREAMINFO, RFC 9639 8.2
    return start[:4] in _MAGIC


class SoundFileDecoder(Decoder):
    """Audio that libsndfile decodes."""

    def __init__(self, path: Path, name: str, repair: Callable[[], Decoder]) -> None:
        """Open the file.

        Args:
            path: Regular file.
            name: Name of it in messages.
            repair: Function that opens the same file with a decoder that goes on after damage.

        Raises:
            AudioError: libsndfile does not recognise it, or finds no sample in it, or decodes its
                kind otherwise than FFmpeg.
        """
        super().__init__()
        self._repair = repair
        self._other: Decoder | None = None
        try:
            # As bytes, because the bytes of a name need not be UTF-8.
            self._file = sf.SoundFile(os.fsencode(path) if os.name == "posix" else str(path), "r")
        except (sf.LibsndfileError, TypeError, UnicodeError) as error:
            raise AudioError(f"{name}: {NOT_AUDIO}") from error
        if not self._is_exact():
            self._file.close()
            raise AudioError(f"{name}: {NOT_AUDIO}")
        if not self._file.frames:
            self._file.close()
            raise AudioError(f"{name}: {NO_SAMPLES}")
        found = {tag: getattr(self._file, tag) for tag in TAG_NAMES}
        self.info = AudioInfo(
            path=name,
            sample_rate=int(self._file.samplerate),
            n_channels=int(self._file.channels),
            n_samples=int(self._file.frames),
            container={"WAVEX": "WAV"}.get(self._file.format, self._file.format),
            subtype=self._file.subtype,
            tags={tag: str(value) for tag, value in found.items() if value},
        )
        missing = _missing_share(path) * self._file.frames / self._file.samplerate
        if missing > _CUT_SECONDS:
            end = self._file.frames / self._file.samplerate
            self.losses.append(Loss(end, end + missing, cut=True))

    def skip_to(self, sample: int) -> None:
        """Seek, exactly."""
        if self._other is None and sample > self.position:
            try:
                self.position = int(self._file.seek(min(sample, int(self._file.frames))))
            except sf.LibsndfileError:
                self._go_on_with_other()
        if self._other is not None:
            self._other.skip_to(sample)
            self.position = self._other.position

    def read(self, n_samples: int) -> Float32:
        """Decode the next samples, fewer only at the end.

        Raises:
            AudioError: No decoder can read it any further.
        """
        if self._other is None:
            try:
                frames = self._file.read(n_samples, dtype="float32", always_2d=True)
            except sf.LibsndfileError:
                self._go_on_with_other()
            else:
                self.position += len(frames)
                if len(frames) < n_samples:
                    self._check_end()
                return np.ascontiguousarray(frames.T)
        assert self._other is not None
        block = self._other.read(n_samples)
        self.position = self._other.position
        return block

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._other is not None:
            self._other.close()

    def _check_end(self) -> None:
        """Note an end before the one that the file had when it was opened."""
        if self.position < self._file.frames and not any(loss.cut for loss in self.losses):
            rate = self._file.samplerate
            loss = Loss(self.position / rate, self._file.frames / rate, cut=True)
            self.losses.append(loss)

    def _is_exact(self) -> bool:
        """Return whether libsndfile decodes this kind as everybody does.

        It rounds ADPCM otherwise than FFmpeg, and takes float in w64 for integers.
        """
        kind = self._file.subtype
        exact = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW", "ALAC_")
        return kind.startswith(exact) and (self._file.format, kind) != ("W64", "PCM_32")

    def _go_on_with_other(self) -> None:
        """Leave the rest to the other decoder, from the first sample not yet given."""
        self._other = self._repair()
        self._other.skip_to(self.position)
        self.losses, self.notes = self._other.losses, self._other.notes


def _missing_share(path: Path) -> float:
    """Return the bytes that the header states and the file lacks, as a share of those it has.

    libsndfile silently takes what is there, which hides that a file was cut.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            header = wav.parse_header(file.read)
            start, stated = file.tell(), header.data_bytes or 0
        except wav.NotPlainWavError:
            file.seek(0)
            head = file.read(24).ljust(24, b"\0")
            start, stated = 0, 0
            if head[:4] == b"FORM":
                stated = 8 + struct.unpack_from(">I", head, 4)[0]
            elif head[:4] == b"riff":
                stated = struct.unpack_from("<Q", head, 16)[0]
            elif head[:4] == b".snd":
                start, stated = struct.unpack_from(">II", head, 4)
            if stated >= (_UNKNOWN_BYTES if head[:4] != b"riff" else 1 << 62):
                stated = 0
    return max(0, start + stated - size) / max(1, size - start)
