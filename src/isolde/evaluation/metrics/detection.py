"""Scores of vocal activity against labels: counts, rates and the area under the ROC curve.

Never chooses a threshold by the labels: the caller gives it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from isolde.core.errors import InputError


@dataclass(frozen=True)
class ActivityScores:
    """Scores of frame-wise vocal activity; "positive" means that somebody sings.

    Attributes:
        n_frames: Frames scored.
        accuracy: Share of frames judged rightly.
        precision: Share of the frames called sung that are sung; nan when none was called so.
        recall: Share of the sung frames that were called sung; nan when none is sung.
        f1: Harmonic mean of the two, 2 TP / (2 TP + FP + FN); nan when it has no meaning.
        auc: Chance that a sung frame has a higher probability than a silent one; nan when the
            labels hold one class only.
    """

    n_frames: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    auc: float


def area_under_roc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve by ranks (Mann-Whitney U / (n_pos n_neg)), ties counting half.

    Args:
        labels: Labels (n,) of 0/1 or bool.
        scores: Scores (n,) finite, any scale; only their order matters.

    Returns:
        A number in [0, 1], or nan when the labels hold one class only.

    Raises:
        InputError: Shapes differ, labels other than 0/1, or scores that are not finite.

    Examples:
        >>> area_under_roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    y, s = _checked(labels, scores)
    n_positive = int(y.sum())
    n_negative = y.size - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    # mean rank of each group of equal scores: its last rank minus half of (its size - 1)
    _, group, sizes = np.unique(s, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2.0)[group]
    u = float(ranks[y].sum()) - n_positive * (n_positive + 1) / 2.0
    return u / (n_positive * n_negative)


def activity_scores(
    labels: ArrayLike, probabilities: ArrayLike, *, threshold: float = 0.5
) -> ActivityScores:
    """Score frame-wise probabilities of singing against 0/1 labels.

    Args:
        labels: Labels (n_frames,) of 0/1 or bool.
        probabilities: Probabilities (n_frames,) in [0, 1].
        threshold: A frame is called sung when its probability is at least this.

    Raises:
        InputError: See `area_under_roc`.
    """
    y, p = _checked(labels, probabilities)
    called = p >= threshold
    hits = int(np.sum(called & y))
    false_alarms = int(np.sum(called & ~y))
    misses = int(np.sum(~called & y))
    return ActivityScores(
        n_frames=y.size,
        accuracy=float(np.mean(called == y)),
        precision=_share(hits, hits + false_alarms),
        recall=_share(hits, hits + misses),
        f1=_share(2 * hits, 2 * hits + false_alarms + misses),
        auc=area_under_roc(y, p),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _checked(
    labels: ArrayLike, scores: ArrayLike
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.bool_]], np.ndarray[tuple[int], np.dtype[np.float64]]
]:
    y, s = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape or y.size == 0:
        raise InputError(f"labels {y.shape} and scores {s.shape}: expected the same (n,), n > 0")
    if not np.isin(y, (0, 1)).all():
        raise InputError("labels hold other values than 0 and 1: threshold them first")
    if not np.isfinite(s).all():
        raise InputError("scores hold NaN or infinity: they cannot be ranked")
    return y.astype(bool), s
