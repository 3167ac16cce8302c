"""Find the part of a song with the most singing, for a preview; it separates nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from isolde.activity import find_activity
from isolde.core.stage import Float32
from isolde.separation.settings import FileSettings

SECONDS = 30.0
"""Length of a preview in seconds."""

QUICK = "vocals"
"""Model that finds the singing, unless the settings name one: a fast one."""


def fullest_part(
    probabilities: Float32, frame_seconds: float, *, seconds: float = SECONDS
) -> tuple[float, float]:
    """Find the part of a given length with the most singing.

    Args:
        probabilities: Probabilities (n_frames,) in [0, 1] that somebody sings.
        frame_seconds: Seconds from one frame to the next.
        seconds: Length of the part in seconds.

    Returns:
        Start and end in seconds of the first such part, or of all frames if there are fewer.

    Examples:
        >>> fullest_part(np.array([0, 0, 1, 1, 0], np.float32), 1.0, seconds=2.0)
        (2.0, 4.0)
    """
    n = max(1, round(seconds / frame_seconds))
    if n >= probabilities.size:
        return 0.0, probabilities.size * frame_seconds
    sums = np.concatenate([[0.0], np.cumsum(probabilities, dtype=np.float64)])
    first = int(np.argmax(sums[n:] - sums[:-n]))
    return first * frame_seconds, (first + n) * frame_seconds


def preview_of(path: Path, settings: FileSettings) -> FileSettings:
    """Limit the settings of a song to its preview.

    Args:
        path: Path of the song.
        settings: Settings that ask for a preview.

    Raises:
        AudioError: The song cannot be read.
    """
    threads = settings.separation.n_threads
    found = find_activity(path, model=settings.activity or QUICK, threads=threads)
    start, end = fullest_part(found.probabilities, found.frame_seconds)
    return replace(settings, preview=False, start=start, end=min(end, found.seconds))
