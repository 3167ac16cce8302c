"""Signals fed to stages in blocks, and what comes out, joined."""

from itertools import cycle
from typing import Any

import numpy as np

from isolde.separation.stages.separator import Separator


def outputs_of(stage: Any, signal: np.ndarray, sizes: list[int]) -> list[Any]:
    """What a stage gives for blocks of the given sizes, again and again, and at the end."""
    outputs, at, repeated = [], 0, cycle(sizes)
    while at < signal.shape[1]:
        size = next(repeated)
        outputs.append(stage.feed(signal[:, at : at + size]))
        at += size
    return [*outputs, stage.flush()]


def stems_of(separator: Separator, audio: np.ndarray, sizes: list[int]) -> dict[str, np.ndarray]:
    """The stems of all audio, fed so."""
    parts = outputs_of(separator, audio, sizes)
    return {stem: np.concatenate([p[stem] for p in parts], 1) for stem in separator.stems}
