"""Writing audio in blocks, whole or not at all; limits levels openly and never rescales.

A file is written under a hidden name beside its target and takes its name when it is complete.
"""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, cast

import numpy as np
import soundfile as sf

from isolde.audio.decoding.base import stream_name
from isolde.audio.encoders import Encoder, SoundFileEncoder, WavEncoder, write_fully
from isolde.audio.formats import (
    check_tags,
    check_target,
    container_for,
    container_named,
)
from isolde.audio.targets import can_patch
from isolde.core.atomic import Draft, explain
from isolde.core.errors import AudioError, InputError
from isolde.core.stage import Float32

_NEVER_EMPTY = ("flac", "opus", "mp3")
"""Containers that libsndfile cannot write, or not read again, with no samples in them."""

ClipPolicy = Literal["warn", "clip", "error"]


def clipped_text(n_clipped: int, peak: float) -> str:
    """How many samples a format could not hold, and how far beyond it the highest was."""
    return f"{n_clipped} samples clipped, peak {peak:.3f} (+{20 * np.log10(peak):.1f} dB)"


class AudioWriter:
    """A file or stream that takes blocks of samples; a context manager.

    Leaving the `with` block normally completes the file; leaving it by any exception (also Ctrl-C)
    removes everything, also folders made for it. Wav files above 4 GB become RF64 by themselves.
    A stream gets wav as it comes (with unknown sizes, 0xFFFFFFFF, if it cannot seek); other
    containers go to a stream only when they are complete.

    Attributes:
        n_clipped: samples beyond [-1, 1] that the format cannot hold, and that were limited.
        n_nonfinite: NaN and infinite samples that were replaced by 0.
        peak: the largest magnitude so far of the finite samples.
        n_samples: samples per channel so far.
    """

    def __init__(
        self,
        target: str | Path | BinaryIO,
        *,
        sample_rate: int,
        n_channels: int,
        subtype: str | None = None,
        tags: Mapping[str, str] | None = None,
        clip: ClipPolicy = "warn",
        overwrite: bool = False,
        container: str | None = None,
    ) -> None:
        """Check everything that can be checked, and open the target.

        Args:
            target: a path, whose folders are made; or a binary stream, which stays open.
            sample_rate: in Hz.
            n_channels: number of channels.
            subtype: how samples are stored, see `subtype_for`; None for 16 bit, or the only way.
            tags: title, artist...: names from `TAG_NAMES`.
            clip: what happens to samples beyond [-1, 1] in integer and lossy formats: "warn"
                limits them, and `clipping_note` tells; "clip" limits them silently; "error" is
                an AudioError, and nothing is left behind. Float formats hold them.
            overwrite: whether an existing file may be replaced.
            container: "wav", "flac", "ogg", "opus" or "mp3"; None for what the suffix says, and
                for wav in a stream.

        Raises:
            AudioError: the target exists, or cannot be made.
            InputError: the format is unknown, or cannot hold such audio or such tags.
        """
        if clip not in ("warn", "clip", "error"):
            raise InputError(f"a clip policy '{clip}': choose warn, clip or error")
        is_path = isinstance(target, (str, Path))
        if container is not None:
            self._kind = container_named(container)
        elif is_path:
            self._kind = container_for(cast("str | Path", target))
        else:
            self._kind = container_named("wav")
        self.subtype = self._kind.subtypes[0] if subtype is None else subtype
        check_target(
            self._kind, sample_rate=sample_rate, n_channels=n_channels, subtype=self.subtype
        )
        self._tags = check_tags(tags)
        self.sample_rate = sample_rate
        self.n_channels = n_channels
        self.n_clipped = 0
        self.n_nonfinite = 0
        self.n_samples = 0
        self.peak = 0.0
        self._clip = clip
        self._overwrite = overwrite
        self._draft: Draft | None = None
        self._owned: BinaryIO | None = None
        self._spool: BinaryIO | None = None
        self._seekable = False
        self._encoder: Encoder | None = None
        self._state: Literal["open", "closed", "aborted"] = "open"
        try:
            if is_path:
                self.name = str(target)
                self._stream = self._owned = self._open_path(Path(cast("str | Path", target)))
            else:
                self._stream = cast(BinaryIO, target)
                self.name = stream_name(self._stream)
            self._encoder = self._open_encoder()
        except (OSError, sf.LibsndfileError) as error:
            self.abort()
            if isinstance(error, AudioError):
                raise
            raise AudioError(explain(self.name, error)) from error
        except BaseException:
            self.abort()
            raise

    def write(self, block: Float32) -> None:
        """Write the next samples.

        Args:
            block: float32 (n_channels, n), nominally in [-1, 1]; n may be 0. It is not changed.

        Raises:
            AudioError: the disk is full or another problem of the target, or, with clip="error",
                the format cannot hold the samples. Nothing is left behind then.
            InputError: the block has another shape, or the writer is closed.
        """
        if self._state != "open" or self._encoder is None:
            raise InputError(f"{self.name}: cannot write to it any more: it was {self._state}")
        if block.ndim != 2 or block.shape[0] != self.n_channels:
            raise InputError(
                f"{self.name}: a block of shape {block.shape}, but the file was opened for "
                f"({self.n_channels}, n)"
            )
        if not block.shape[1]:
            return
        try:
            clean = self._limit(np.asarray(block, dtype=np.float32))
            self._encoder.write(clean)
        except (OSError, sf.LibsndfileError, AssertionError) as error:
            self.abort()
            if isinstance(error, AudioError):
                raise
            raise AudioError(explain(self.name, error)) from error
        self.n_samples += block.shape[1]

    def close(self) -> None:
        """Complete the file and give it its name; nothing happens the second time.

        Raises:
            AudioError: the disk is full, or the target appeared meanwhile, or it cannot be
                replaced, or nothing was written and the container (flac, opus, mp3) cannot hold
                no samples. Nothing is left behind then.
        """
        if self._state != "open" or self._encoder is None:
            return
        try:
            if not self.n_samples and self._kind.name in _NEVER_EMPTY:
                raise AudioError(
                    f"{self.name}: no sample was written, and {self._kind.name} cannot hold that: "
                    "choose wav or ogg"
                )
            self._encoder.finish()
            if self._spool is not None:
                self._spool.seek(0)
                while piece := self._spool.read(1 << 20):
                    write_fully(self._stream, piece)
                self._spool.close()
                self._stream.flush()
            if self._owned is not None:
                self._owned.close()
            if self._draft is not None:
                self._draft.publish()
        except BaseException as error:
            self.abort()
            if isinstance(error, (OSError, sf.LibsndfileError)) and not isinstance(
                error, AudioError
            ):
                raise AudioError(explain(self.name, error)) from error
            raise
        self._state = "closed"

    def abort(self) -> None:
        """Give up: remove everything that was written; nothing happens after `close`.

        What has gone into a pipe cannot be taken back.
        """
        if self._state != "open":
            return
        self._state = "aborted"
        if isinstance(self._encoder, SoundFileEncoder):
            self._encoder.discard()
        if self._spool is not None:
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

    def clipping_note(self) -> str | None:
        """Say in one line what was limited or replaced; None if nothing, or if told not to.

        With clip="clip" limiting is not mentioned; NaN always is.
        """
        parts = []
        if self.n_clipped and self._clip == "warn":
            parts.append(clipped_text(self.n_clipped, self.peak))
        if self.n_nonfinite:
            parts.append(f"{self.n_nonfinite} samples were NaN or infinite and became 0")
        return f"{self.name}: {'; '.join(parts)}" if parts else None

    def __enter__(self) -> "AudioWriter":
        """Open already; nothing to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the file, or remove it if anything was raised."""
        if kind is None:
            self.close()
        else:
            self.abort()

    def _limit(self, block: Float32) -> Float32:
        """Replace NaN, measure the peak, and limit as the policy says."""
        peak = float(max(block.max(), -block.min()))  # NaN if there is one
        if not np.isfinite(peak):
            finite = np.isfinite(block)
            count = int(block.size - finite.sum())
            if self._clip == "error":
                raise AudioError(
                    f"{self.name}: {count} samples are NaN or infinite: find out where they come "
                    "from, or choose another clip policy"
                )
            self.n_nonfinite += count
            block = np.where(finite, block, np.float32(0))
            peak = float(np.abs(block).max())
        self.peak = max(self.peak, peak)
        if peak <= 1.0 or self.subtype == "FLOAT":
            return block
        count = int((np.abs(block) > 1).sum())
        if self._clip == "error":
            raise AudioError(
                f"{self.name}: {count} samples exceed full scale (peak {peak:.3f}), which "
                f"{self.subtype} cannot hold: lower the level, or write 32-bit float wav"
            )
        self.n_clipped += count
        return np.clip(block, -1, 1)

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
            return WavEncoder(
                stream,
                sample_rate=self.sample_rate,
                n_channels=self.n_channels,
                subtype=self.subtype,
                tags=self._tags,
                seekable=self._seekable,
            )
        if self._draft is None:
            stream = self._spool = cast(BinaryIO, tempfile.TemporaryFile())
        return SoundFileEncoder(
            stream,
            self._kind,
            sample_rate=self.sample_rate,
            n_channels=self.n_channels,
            subtype=self.subtype,
            tags=self._tags,
        )


def write(
    path: str | Path | BinaryIO,
    audio: Float32,
    sample_rate: int,
    *,
    subtype: str | None = None,
    tags: Mapping[str, str] | None = None,
    clip: ClipPolicy = "warn",
    overwrite: bool = False,
    container: str | None = None,
) -> str | None:
    """Write a whole signal.

    Args:
        path: the file or stream.
        audio: float32 (n_channels, n_samples), or (n_samples,) for mono; nominally in [-1, 1].
        sample_rate: in Hz.
        subtype: see `AudioWriter`.
        tags: see `AudioWriter`.
        clip: see `AudioWriter`.
        overwrite: see `AudioWriter`.
        container: see `AudioWriter`.

    Returns:
        The line that `AudioWriter.clipping_note` gives, or None.

    Raises:
        AudioError: the file exists or cannot be written.
        InputError: the format cannot hold such audio, or the array has another shape.
    """
    audio = np.atleast_2d(audio)
    if audio.ndim != 2:
        raise InputError(f"audio of shape {audio.shape}: it must be (n_channels, n_samples)")
    with AudioWriter(
        path,
        sample_rate=sample_rate,
        n_channels=audio.shape[0],
        subtype=subtype,
        tags=tags,
        clip=clip,
        overwrite=overwrite,
        container=container,
    ) as writer:
        for at in range(0, audio.shape[1], 65536):
            writer.write(audio[:, at : at + 65536])
    return writer.clipping_note()
