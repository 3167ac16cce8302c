"""The activity of a whole song, from a file or from samples; it writes no file."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from isolde.activity.detector import MODEL, ActivityDetector
from isolde.activity.segments import Segment, SegmentRule, find_segments
from isolde.audio import AudioReader
from isolde.core.errors import InputError
from isolde.core.stage import Float32, blocks_of, channels_of, check_progress, check_threads


@dataclass(frozen=True)
class Activity:
    """Where somebody sings in a song.

    Attributes:
        probabilities: Probabilities (n_frames,) in [0, 1]; frame t is centred on t * frame_seconds.
        frame_seconds: Time in seconds from one frame to the next, 0.0232 s with the default model.
        segments: Stretches of singing, in order, without overlap.
        seconds: Length of the song.
        warnings: Warnings about the file, one line each.
    """

    probabilities: Float32
    frame_seconds: float
    segments: tuple[Segment, ...]
    seconds: float
    warnings: tuple[str, ...] = ()

    def with_rule(self, rule: SegmentRule) -> "Activity":
        """Return the same probabilities with segments by another rule."""
        segments = find_segments(
            self.probabilities, self.frame_seconds, seconds=self.seconds, rule=rule
        )
        return replace(self, segments=segments)


def find_activity(
    source: str | Path | BinaryIO | Float32,
    *,
    sample_rate: int | None = None,
    model: str | Path = MODEL,
    rule: SegmentRule | None = None,
    threads: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Activity:
    """Find where somebody sings in a song.

    Args:
        source: A file, a binary stream, or samples (n_channels, n_samples) or (n_samples,) in
            [-1, 1].
        sample_rate: Sample rate of the samples in Hz; None for a file.
        model: Name or path of an activity model.
        rule: When singing starts and stops.
        threads: Number of threads that run the network.
        progress: Function called with the share that is done, if the length is known.

    Raises:
        AudioError: The file cannot be read.
        InputError: An argument is invalid.
        ModelError: There is no such model.
    """
    check_threads(threads)  # before a file is opened
    check_progress(progress)
    if not isinstance(source, str | Path | np.ndarray) and not hasattr(source, "read"):
        raise InputError(
            f"a source of type {type(source).__name__}: give a path, a binary stream, or a NumPy "
            "array of floats (n_channels, n_samples)"
        )
    if not isinstance(source, np.ndarray):
        if sample_rate is not None:
            raise InputError(f"sample_rate is {sample_rate}: a file has its own: leave it out")
        with AudioReader(source) as reader:
            detector = ActivityDetector(
                sample_rate=reader.info.sample_rate,
                n_channels=reader.info.n_channels,
                model=model,
                threads=threads,
            )
            found = _run(detector, reader, rule, progress, reader.about_samples)
            return replace(found, warnings=tuple(reader.notes()))
    audio = channels_of(source)
    if sample_rate is None:
        raise InputError("samples without a rate hold no times: give sample_rate in Hz")
    detector = ActivityDetector(
        sample_rate=sample_rate, n_channels=audio.shape[0], model=model, threads=threads
    )
    return _run(detector, blocks_of(audio), rule, progress, audio.shape[1])


def _run(
    detector: ActivityDetector,
    blocks: Iterable[Float32],
    rule: SegmentRule | None,
    progress: Callable[[float], None] | None,
    n_samples: int | None,
) -> Activity:
    parts: list[Float32] = []
    n = 0
    for block in blocks:
        parts.append(detector.feed(block))
        n += block.shape[1]
        if progress and n_samples:
            progress(min(1.0, n / n_samples))
    parts.append(detector.flush())
    probabilities, seconds = np.concatenate(parts), n / detector.sample_rate
    segments = find_segments(probabilities, detector.frame_seconds, seconds=seconds, rule=rule)
    return Activity(probabilities, detector.frame_seconds, segments, seconds)
