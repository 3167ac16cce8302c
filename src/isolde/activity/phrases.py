"""Cut a stem into phrases, one file each, named after their times; it changes no level.

Times are those of the song. The edges are faded over a few milliseconds; all other samples are
those of the source.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isolde.activity.segments import Segment
from isolde.audio import AudioReader, AudioWriter
from isolde.core.errors import InputError
from isolde.core.stage import Float32


@dataclass(frozen=True)
class Phrase:
    """A file of one phrase.

    Attributes:
        path: Path of the file.
        start: Start in seconds, of the song.
        end: End in seconds, of the song.
    """

    path: Path
    start: float
    end: float


def cut_phrases(
    source: str | Path | Float32,
    segments: Iterable[Segment],
    folder: Path,
    *,
    sample_rate: int | None = None,
    suffix: str = ".wav",
    subtype: str | None = None,
    fade: float = 0.005,
    overwrite: bool = False,
) -> list[Phrase]:
    """Write each segment of a stem as `{number}_{start}-{end}{suffix}`, times in seconds.

    Args:
        source: The stem, a file or samples (n_channels, n_samples) in [-1, 1].
        segments: Segments of the song that the stem is from, for example `Activity.segments`.
        folder: Folder, made when missing.
        sample_rate: Sample rate of the samples in Hz; of a file it is its own.
        suffix: Suffix of the files, which chooses the format.
        subtype: Sample format (see `audio.subtype_for`); None for the format's first.
        fade: Seconds of raised-cosine fade at each edge; at most half a phrase.
        overwrite: Whether existing files may be replaced.

    Returns:
        The files, in order. Segments after the end of the stem are left out.

    Raises:
        AudioError: The stem cannot be read or a file cannot be written.
        InputError: An argument is invalid.
    """
    if not 0 <= fade <= 1:
        raise InputError(f"a fade of {fade} s: give 0 to 1")
    if not isinstance(source, str | Path) and (sample_rate is None or source.ndim != 2):
        raise InputError("samples need a sample_rate in Hz and the shape (n_channels, n_samples)")
    phrases = []
    for i, segment in enumerate(segments, 1):
        audio, rate = _piece(source, segment, sample_rate)
        if not audio.shape[1]:
            continue
        name = phrase_name(i, segment.start, segment.end, suffix)
        with AudioWriter(
            folder / name,
            sample_rate=rate,
            n_channels=audio.shape[0],
            subtype=subtype,
            overwrite=overwrite,
        ) as writer:
            writer.write(faded(audio, round(fade * rate)))
        phrases.append(Phrase(folder / name, segment.start, segment.end))
    return phrases


def phrase_name(number: int, start: float, end: float, suffix: str) -> str:
    """Return the name of a phrase's file: `{number}_{start}-{end}{suffix}`, times in seconds.

    Examples:
        >>> phrase_name(3, 61.5, 64.0, ".wav")
        '003_0061.500-0064.000.wav'
    """
    return f"{number:03d}_{start:08.3f}-{end:08.3f}{suffix}"


def _piece(
    source: str | Path | Float32, segment: Segment, sample_rate: int | None
) -> tuple[Float32, int]:
    """The available samples of a segment, and their rate."""
    if not isinstance(source, str | Path):
        assert sample_rate is not None
        ends = (int(t * sample_rate + 0.5) for t in (segment.start, segment.end))
        return source[:, slice(*ends)], sample_rate
    with AudioReader(source) as whole:
        rate, n = whole.info.sample_rate, whole.n_samples
        n_channels = whole.info.n_channels
    end = segment.end if n is None else min(segment.end, n / rate)
    if int(end * rate + 0.5) <= int(segment.start * rate + 0.5):
        return np.zeros((n_channels, 0), np.float32), rate
    with AudioReader(source, start=segment.start, end=end) as reader:
        return np.concatenate(list(reader), axis=1), rate


def faded(audio: Float32, n: int) -> Float32:
    """Return a copy (n_channels, n_samples) that is faded over `n` samples at each end."""
    n = min(n, audio.shape[1] // 2)
    result = audio.astype(np.float32)
    if n:
        ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / n)).astype(np.float32)
        result[:, :n] *= ramp
        result[:, -n:] *= ramp[::-1]
    return result
