"""What several benchmarks need: a song to separate, and the cost of a command."""

import os
import sys
from pathlib import Path

import numpy as np

RATE = 44_100


def song(seconds: float, *, shift: int = 0) -> np.ndarray:
    """Make a synthetic song, stereo at RATE, that begins some samples later than another."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
    from demo_song import make_song

    piece = np.roll(sum(make_song(1, seconds=20.0).values()), shift, axis=1)
    return np.tile(piece, (1, int(np.ceil(seconds / 20))))[:, : int(seconds * RATE)]


def used(command: list[str]) -> tuple[float, float]:
    """Return CPU seconds, user and system, and peak resident MB of a command; it must succeed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(command[0], command, environment, file_actions=silent)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
