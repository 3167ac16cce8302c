"""The rule that finds where a clean voice sounds: where it is loud. It takes levels, no audio.

Callers choose the thresholds, and the shortest holes and blips that count.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from isolde.core.stage import Float32

Bools = NDArray[np.bool_]


def loud_frames(
    level: "Float32 | NDArray[np.float64]",
    *,
    reference: float,
    within: float,
    floor: float = -np.inf,
    fill: int = 0,
    drop: int = 0,
) -> Bools:
    """Find the frames in which a sound is loud.

    Args:
        level: Level of each frame (n_frames,) in dB.
        reference: Level of what is certainly loud, in dB.
        within: Distance below the reference within which a frame counts, in dB.
        floor: Level below which nothing counts, in dB.
        fill: Frames from which on a hole between loud frames stays one.
        drop: Frames from which on a blip between quiet frames counts.

    Returns:
        Whether each frame is loud, (n_frames,).

    Examples:
        >>> levels = np.array([-80.0, -20, -70, -20, -80, -80, -20, -80])
        >>> loud_frames(levels, reference=-20, within=40).astype(int).tolist()
        [0, 1, 0, 1, 0, 0, 1, 0]
        >>> loud_frames(levels, reference=-20, within=40, fill=2, drop=2).astype(int).tolist()
        [0, 1, 1, 1, 0, 0, 0, 0]
    """
    loud = np.asarray(level > max(reference - within, floor), np.bool_)
    return without_short(without_short(loud, False, fill), True, drop)


def without_short(flags: Bools, value: bool, n: int) -> Bools:
    """Turn runs of one value that are shorter than `n` frames; those at the ends stay.

    Args:
        flags: Flags (n_frames,).
        value: Value of the runs.
        n: Length from which on a run stays.

    Returns:
        Flags (n_frames,), a copy.
    """
    if n < 2:
        return flags.copy()
    edges = np.flatnonzero(np.diff(flags)) + 1
    result = flags.copy()
    for start, stop in pairwise(edges.tolist()):
        if flags[start] == value and stop - start < n:
            result[start:stop] = not value
    return result
