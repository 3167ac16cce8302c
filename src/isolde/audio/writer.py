"""Writes audio files in blocks, whole or not at all; never rescales.

A file is written under a hidden name beside its target and takes its name when it is complete.
"""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from io import TextIOBase
from pathlib import Path
from typing import BinaryIO, Literal, cast

import numpy as np

from isolde.audio.decoding.base import stream_name
from isolde.audio.encoding.base import Encoder, Sound
from isolde.audio.encoding.ffmpeg import FFmpegEncoder
from isolde.audio.encoding.libsndfile import OggEncoder
from isolde.audio.encoding.packages import PackageEncoder
from isolde.audio.encoding.plainwav import WavEncoder
from isolde.audio.encoding.streams import can_patch, whole_or_nothing, write_fully
from isolde.audio.formats import container_for, container_named
from isolde.audio.levels import ClipPolicy, Limiter
from isolde.audio.limits import check_quality, check_target
from isolde.audio.tags import SongTags
from isolde.core.atomic import Draft
from isolde.core.closing import Completable
from isolde.core.errors import AudioError, InputError
from isolde.core.signal.resample import Resampler, resampled_length
from isolde.core.stage import Float32, check_block, checked_form

_NEVER_EMPTY = ("flac", "opus", "mp3", "m4a", "alac")
"""Containers that their encoders cannot write, or not read again, with no samples in them."""


class AudioWriter(Completable):
    """A file or stream that takes blocks of samples; a context manager.

    Leaving the `with` block normally completes the file; leaving it by any exception (also Ctrl-C)
    removes everything, also folders made for it. Wav files above 4 GB become RF64 by themselves.
    A stream gets wav as it comes (with unknown sizes, 0xFFFFFFFF, if it cannot seek); other
    containers go to a stream only when they are complete. Where a container does not hold the
    sample rate (opus: 48 kHz only), the sound is resampled on the way, and `notes` tells.

    Attributes:
        n_samples: Samples per channel so far.
    """

    def __init__(
        self,
        target: str | Path | BinaryIO,
        *,
        sample_rate: int,
        n_channels: int,
        subtype: str | None = None,
        tags: Mapping[str, str] | SongTags | None = None,
        clip: ClipPolicy = "warn",
        overwrite: bool = False,
        container: str | None = None,
        bitrate: int | None = None,
        quality: float | None = None,
    ) -> None:
        """Check everything that can be checked, and open the target.

        Args:
            target: A path, whose folders are made; or a binary stream, which stays open.
            sample_rate: Sample rate in Hz.
            n_channels: Number of channels.
            subtype: How samples are stored, see `subtype_for`; None for 16 bit, or the only way.
            tags: Title, artist...: Vorbis comment names; with a cover as `SongTags`. A container
                that has no place for one drops it.
            clip: What happens to samples beyond [-1, 1] in integer and lossy formats: "warn"
                limits them, and `notes` tells; "clip" limits them silently; "error" is
                an AudioError, and nothing is left behind. Float formats hold them.
            overwrite: Whether an existing file may be replaced.
            container: One of `CONTAINERS` or of another package; None for what the suffix says,
                and for wav in a stream.
            bitrate: Bit rate of lossy formats, in bits per second; ogg meets it about.
            quality: Quality of lossy formats, from 0 (smallest) to 10 (best), instead of a bit
                rate; None for 8.

        Raises:
            AudioError: The target exists, or cannot be made.
            InputError: The format is unknown, or cannot hold such audio or such tags.
        """
        path = Path(target) if isinstance(target, (str, Path)) else None
        if path is None and (isinstance(target, TextIOBase) or not hasattr(target, "write")):
            raise InputError(f"{target!r} cannot be written to: give a path or a binary stream")
        if container is None and path is not None:
            kind = container_for(path)
        else:
            kind = container_named("wav" if container is None else container)
        self.subtype = kind.subtypes[0] if subtype is None else subtype
        if self.subtype.startswith("ALAC") and self.subtype in kind.subtypes:
            kind = container_named("alac")
        self._kind = kind
        sample_rate, n_channels = checked_form(sample_rate, n_channels, lowest=1)
        rate = kind.rate_for(sample_rate)
        check_target(kind, sample_rate=rate, n_channels=n_channels, subtype=self.subtype)
        check_quality(kind, self.subtype, bitrate=bitrate, quality=quality)
        self._sound = Sound(
            sample_rate=rate,
            n_channels=n_channels,
            subtype=self.subtype,
            tags=tags if isinstance(tags, SongTags) else SongTags(tags or {}),
            bitrate=bitrate,
            quality=8.0 if quality is None else quality,
        )
        self.sample_rate, self.n_channels, self.n_samples = sample_rate, n_channels, 0
        self._resampler = Resampler(sample_rate, rate, n_channels) if rate != sample_rate else None
        self.name = str(target) if path is not None else stream_name(cast(BinaryIO, target))
        self._limiter = Limiter(self.name, self.subtype, clip)
        self._overwrite = overwrite
        self._draft: Draft | None = None
        self._owned: BinaryIO | None = None
        self._spool: BinaryIO | None = None
        self._seekable = False
        self._encoder: Encoder | None = None
        self._state: Literal["open", "complete", "closed", "aborted"] = "open"
        with self._whole_or_nothing():
            if path is not None:
                self._stream = self._owned = self._open_path(path)
            else:
                self._stream = cast(BinaryIO, target)
            self._encoder = self._open_encoder()

    def write(self, block: Float32) -> None:
        """Write the next samples.

        Args:
            block: float32 (n_channels, n), nominally in [-1, 1]; n may be 0. It is not changed.

        Raises:
            AudioError: The disk is full or another problem of the target, or, with clip="error",
                the format cannot hold the samples. Nothing is left behind then.
            InputError: The block is no array of floats, has another shape, or the writer is closed.
        """
        if self._state != "open" or self._encoder is None:
            raise InputError(f"{self.name}: cannot write to it any more: it was {self._state}")
        check_block(block, n_channels=self.n_channels)
        if not block.shape[1]:
            return
        with self._whole_or_nothing():
            self._encode(self._encoder, np.asarray(block, dtype=np.float32))
        self.n_samples += block.shape[1]

    def complete(self) -> None:
        """Write the rest; the file gets its name when it is closed.

        Of several files, none appears if one cannot be completed: complete all, then close all.
        Nothing can be written afterwards.

        Raises:
            AudioError: The disk is full, the name was taken meanwhile, or nothing was written and
                the container (flac, opus, mp3) cannot hold no samples. Nothing is left behind then.
        """
        if self._state != "open" or self._encoder is None:
            return
        with self._whole_or_nothing():
            if self._draft is not None:
                self._draft.check()
            stored = resampled_length(self.n_samples, self.sample_rate, self._sound.sample_rate)
            if not stored and self._kind.name in _NEVER_EMPTY:
                raise AudioError(
                    f"{self.name}: no sample was written, and {self._kind.name} cannot hold that: "
                    "choose wav or ogg"
                )
            if self._resampler is not None:
                self._encode(self._encoder, self._resampler.flush(), ready=True)
            self._encoder.finish()
            if self._spool is not None:
                self._spool.seek(0)
                while piece := self._spool.read(1 << 20):
                    write_fully(self._stream, piece)
                self._spool.close()
                self._stream.flush()
            if self._owned is not None:
                self._owned.close()
        self._state = "complete"

    def close(self) -> None:
        """Complete the file and give it its name; nothing happens the second time.

        Raises:
            AudioError: As `complete`; or the target appeared meanwhile, or it cannot be replaced.
                Nothing is left behind then.
        """
        self.complete()
        if self._state != "complete":
            return
        with self._whole_or_nothing():
            if self._draft is not None:
                self._draft.publish()
        self._state = "closed"

    def abort(self) -> None:
        """Remove everything that was written; nothing happens after `close`.

        What has gone into a pipe cannot be taken back.
        """
        if self._state not in ("open", "complete"):
            return
        self._state = "aborted"
        if self._encoder is not None:
            self._encoder.discard()
        if self._spool is not None:
            with contextlib.suppress(OSError):  # a full disk, where it writes what it still holds
                self._spool.close()
        if self._draft is None and self._encoder is not None and self._seekable:
            with contextlib.suppress(OSError, ValueError):
                self._stream.seek(self._start)
                self._stream.truncate()
        if self._owned is not None:
            with contextlib.suppress(OSError):
                self._owned.close()
        if self._draft is not None:
            self._draft.discard()

    @property
    def n_clipped(self) -> int:
        """Samples beyond [-1, 1] that the format cannot hold, and that were limited."""
        return self._limiter.n_clipped

    @property
    def peak(self) -> float:
        """The largest magnitude so far of the finite samples."""
        return self._limiter.peak

    def notes(self) -> list[str]:
        """Return what a user should know, one line each: another sample rate, what was limited.

        With clip="clip" limiting is not mentioned; NaN always is.
        """
        lines = []
        if self._resampler is not None:
            lines.append(
                f"{self._kind.name} does not hold {self.sample_rate} Hz: encoded at "
                f"{self._sound.sample_rate} Hz"
            )
        limited = self._limiter.note()
        return lines if limited is None else [*lines, limited]

    def _whole_or_nothing(self) -> AbstractContextManager[None]:
        """Remove everything if it fails, and say why in one line."""
        return whole_or_nothing(self.name, self.abort)

    def _encode(self, encoder: Encoder, block: Float32, *, ready: bool = False) -> None:
        """Bring a block to the rate of the file, unless it is ready, limit and encode it."""
        if self._resampler is not None and not ready:
            block = self._resampler.feed(block)
        if block.shape[1]:
            encoder.write(self._limiter.apply(block))

    def _open_path(self, path: Path) -> BinaryIO:
        """Open the hidden file beside the target, or the target itself if it is a device."""
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise AudioError(f"{path}: is a folder: name a file in it")
        if target.exists() and not target.is_file():
            return target.open("wb")
        self._draft = Draft(path, overwrite=self._overwrite)
        return self._draft.path.open("x+b")

    def _open_encoder(self) -> Encoder:
        """Start the encoder that the container needs."""
        stream = self._stream
        self._seekable = can_patch(stream)
        self._start = stream.tell() if self._seekable else 0
        if self._kind.name == "wav":
            return WavEncoder(stream, self._sound, seekable=self._seekable)
        if self._draft is None:
            stream = self._spool = cast(BinaryIO, tempfile.TemporaryFile())
        if self._kind.encoder is not None:
            return PackageEncoder(stream, self._kind, self._sound)
        if not self._kind.muxer:
            folder = None if self._draft is None else self._draft.path.parent
            return OggEncoder(stream, self._sound, folder=folder)
        return FFmpegEncoder(stream, self._kind, self._sound)
