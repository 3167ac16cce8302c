"""Reading and writing whole signals in one call; for long ones there are blocks.

`AudioReader` and `AudioWriter` do the work.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from isolde.audio.levels import ClipPolicy
from isolde.audio.reader import AudioReader
from isolde.audio.tags import SongTags
from isolde.audio.writer import AudioWriter
from isolde.core.errors import IsoldeWarning
from isolde.core.signal.resample import Resampler
from isolde.core.stage import Float32, channels_of, checked_form


def read(
    path: str | Path | BinaryIO,
    *,
    start: float = 0.0,
    end: float | None = None,
    sample_rate: int | None = None,
) -> tuple[Float32, int]:
    """Read a whole file, or a range of it, into memory.

    Args:
        path: The file or stream.
        start: Start in seconds.
        end: End in seconds; None for all.
        sample_rate: Resample to this rate, in Hz; None for the file's own.

    Returns:
        The audio, float32 (n_channels, n_samples), and its sample rate in Hz.

    Raises:
        AudioError: It cannot be read.
        InputError: The range is empty, or begins beyond the end, or the sample rate cannot be.

    Warns:
        IsoldeWarning: The file is damaged, cut short or holds NaN, or its sound begins late or
            changes its form: each line of `AudioReader.notes`.
    """
    if sample_rate is not None:
        sample_rate, _ = checked_form(sample_rate, 1, lowest=1)
    with AudioReader(path, start=start, end=end) as reader:
        rate = reader.info.sample_rate
        target = rate if sample_rate is None else sample_rate
        resampler = Resampler(rate, target, reader.info.n_channels)
        blocks = [resampler.feed(block) for block in reader]
        blocks.append(resampler.flush())
    for note in reader.notes():
        warnings.warn(note, IsoldeWarning, stacklevel=2)
    return np.concatenate(blocks, axis=1), target


def write(
    path: str | Path | BinaryIO,
    audio: Float32,
    sample_rate: int,
    *,
    subtype: str | None = None,
    tags: Mapping[str, str] | SongTags | None = None,
    clip: ClipPolicy = "warn",
    overwrite: bool = False,
    container: str | None = None,
    bitrate: int | None = None,
    quality: float | None = None,
) -> str | None:
    """Write a whole signal.

    Args:
        path: The file or stream.
        audio: float32 (n_channels, n_samples), or (n_samples,) for mono; nominally in [-1, 1].
        sample_rate: Sample rate in Hz.
        subtype: See `AudioWriter`.
        tags: See `AudioWriter`.
        clip: See `AudioWriter`.
        overwrite: See `AudioWriter`.
        container: See `AudioWriter`.
        bitrate: See `AudioWriter`.
        quality: See `AudioWriter`.

    Returns:
        What `AudioWriter.notes` gives, in one line, or None.

    Raises:
        AudioError: The file exists or cannot be written.
        InputError: The format cannot hold such audio, or it is no array of floats of that shape.
    """
    audio = channels_of(audio)
    with AudioWriter(
        path,
        sample_rate=sample_rate,
        n_channels=audio.shape[0],
        subtype=subtype,
        tags=tags,
        clip=clip,
        overwrite=overwrite,
        container=container,
        bitrate=bitrate,
        quality=quality,
    ) as writer:
        for at in range(0, audio.shape[1], 65536):
            writer.write(audio[:, at : at + 65536])
    return "; ".join(writer.notes()) or None
