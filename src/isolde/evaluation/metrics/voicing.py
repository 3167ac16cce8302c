"""Voice activity of a separator: the level of its vocal estimate, block by block.

One rule for truth and estimate: somebody sings in a block of BLOCK_SECONDS when the RMS of the
vocals is at most AUDIBLE_DB below that of the whole song's mixture. 25 dB is where a voice is no
longer audible beside the band (`datasets.voicing`). The rule was tuned on no candidate; a perfect
estimate has accuracy 1, and a gain on the song changes nothing. The area under the ROC curve covers
other thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from isolde.activity.loudness import loud_frames
from isolde.evaluation.metrics.detection import ActivityScores, activity_scores
from isolde.evaluation.metrics.ratios import (
    FLOOR_DBFS,
    Float64,
    as_pair,
    frame_samples_of,
    framed_energy,
    level_dbfs,
)

BLOCK_SECONDS = 0.1
AUDIBLE_DB = 25.0


@dataclass(frozen=True)
class Voicing:
    """Activity of the true voice, and levels of the estimate.

    Attributes:
        labels: 0 or 1 for each block, of the reference.
        levels: Levels of the estimate in each block, in dB above the rule's threshold: 0 or more is
            called sung.
    """

    labels: tuple[int, ...]
    levels: tuple[float, ...]

    def scores(self) -> ActivityScores:
        """Rates of this song; see `detection.activity_scores`."""
        return pooled_scores([self])


def voicing(
    reference: ArrayLike, estimate: ArrayLike, mixture: ArrayLike, *, sample_rate: int
) -> Voicing:
    """Apply the rule to a song.

    Args:
        reference: The true vocals (n_channels, n_samples).
        estimate: The estimated vocals, the same shape.
        mixture: The same shape.
        sample_rate: Sample rate in Hz.

    Raises:
        InputError: See `metrics.as_pair`.
    """
    ref, est = as_pair(reference, estimate)
    _, mix = as_pair(reference, mixture)
    loud = level_dbfs(mix)
    truth = _levels(ref, sample_rate)
    labels = loud_frames(truth, reference=loud, within=AUDIBLE_DB, floor=FLOOR_DBFS)
    heard = _levels(est, sample_rate)
    levels = np.round(heard - (loud - AUDIBLE_DB), 2)
    # below a mixture that is all but silent the threshold is under the floor, where nobody sings
    levels[heard <= FLOOR_DBFS] = np.minimum(levels[heard <= FLOOR_DBFS], -0.01)
    return Voicing(tuple(labels.astype(int).tolist()), tuple(levels.tolist()))


def pooled_scores(songs: Sequence[Voicing]) -> ActivityScores:
    """Rates over the blocks of all songs together; a song counts by its length.

    Raises:
        InputError: There is no block.
    """
    labels = [label for song in songs for label in song.labels]
    levels = [level for song in songs for level in song.levels]
    return activity_scores(labels, levels, threshold=0.0)


def _levels(signal: Float64, sample_rate: int) -> Float64:
    """RMS level of each block over all channels in dBFS, at least FLOOR_DBFS."""
    size = frame_samples_of(BLOCK_SECONDS, sample_rate)
    counts = framed_energy(np.ones_like(signal), frame_samples=size)
    power = framed_energy(signal, frame_samples=size) / counts
    floor = 10.0 ** (FLOOR_DBFS / 10.0)
    return np.asarray(10.0 * np.log10(np.maximum(power, floor)))
