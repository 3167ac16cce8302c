"""Intervals over songs and paired comparisons; knows nothing of audio, never drops a nan silently.

A song is the unit: frames of one song are not independent, so nothing here pools them. Values that
are nan (the metric is undefined for that song) are left out and counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isolde.core.errors import InputError

Statistic = Literal["median", "mean"]

LEVEL = 0.95  # coverage of every interval
N_RESAMPLES = 5_000
SEED = 0

_OF: dict[str, Callable[..., NDArray[np.float64]]] = {"median": np.median, "mean": np.mean}


@dataclass(frozen=True)
class Interval:
    """A statistic over songs with its bootstrap interval.

    Attributes:
        value: The statistic itself; nan when no song counts.
        low: Lower end of the interval.
        high: Upper end.
        n: Songs that count.
        n_excluded: Songs left out because their value is nan.
    """

    value: float
    low: float
    high: float
    n: int
    n_excluded: int


@dataclass(frozen=True)
class Comparison:
    """Candidate a against candidate b on the same songs, by differences a - b.

    Attributes:
        median: Median difference with its interval.
        mean: Mean difference with its interval.
        wins: Songs on which a is higher.
        losses: Songs on which b is higher.
        ties: The rest.
        p_value: Two-sided exact sign test: the chance of a split at least so uneven if both were
            equally likely to win a song; ties are left out of it.
    """

    median: Interval
    mean: Interval
    wins: int
    losses: int
    ties: int
    p_value: float


def bootstrap(
    values: ArrayLike,
    *,
    statistic: Statistic = "median",
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Percentile bootstrap (Efron 1979) of the median or mean over songs.

    Args:
        values: Values (n_songs,); nan values are excluded and counted.
        statistic: "median" or "mean".
        n_resamples: Resamples of the songs, with replacement.
        seed: Seed of the resampling; the same seed gives the same interval.

    Raises:
        InputError: Not one axis, or infinite values.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1:
        raise InputError(f"values have shape {x.shape}: expected (n_songs,)")
    if np.isinf(x).any():
        raise InputError("values hold infinity: hold ratios within limits before averaging")
    kept = x[~np.isnan(x)]
    excluded = x.size - kept.size
    if kept.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0, excluded)
    low, high = _ends(kept.tobytes(), statistic, n_resamples, seed)
    return Interval(float(_OF[statistic](kept)), low, high, kept.size, excluded)


@lru_cache(maxsize=4096)
def _ends(content: bytes, statistic: Statistic, n_resamples: int, seed: int) -> tuple[float, float]:
    """The interval of the float64 values in `content`; tables ask for the same one many times."""
    kept = np.frombuffer(content)
    picks = np.random.default_rng(seed).integers(0, kept.size, size=(n_resamples, kept.size))
    ends = np.quantile(_OF[statistic](kept[picks], axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(ends[0]), float(ends[1])


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact binomial test of wins against losses at even odds; 1 when there are none.

    p = min(1, 2 P[X <= min(wins, losses)]) with X ~ Binomial(wins + losses, 1/2), summed in
    integers, so that it is exact for any number of songs.

    Raises:
        InputError: A negative count.
    """
    if wins < 0 or losses < 0:
        raise InputError(f"wins {wins}, losses {losses}: counts cannot be negative")
    n, smaller = wins + losses, min(wins, losses)
    tail, term = 0, 1  # term runs through the binomial coefficients C(n, k)
    for k in range(smaller + 1):
        tail += term
        term = term * (n - k) // (k + 1)
    return float(min(1.0, 2 * tail / 2**n))


def compare(a: ArrayLike, b: ArrayLike, *, seed: int = SEED) -> Comparison:
    """Compare two candidates on the same songs, paired by position.

    Args:
        a: Scores (n_songs,) of the first candidate; higher is better.
        b: Scores (n_songs,) of the second, the same songs in the same order.
        seed: Seed of the resampling.

    Raises:
        InputError: Shapes differ, or see `bootstrap`.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise InputError(f"{x.shape} scores against {y.shape}: pair them song by song")
    difference = x - y
    wins, losses = int(np.sum(difference > 0)), int(np.sum(difference < 0))
    ties = int(np.sum(~np.isnan(difference))) - wins - losses
    median = bootstrap(difference, seed=seed)
    mean = bootstrap(difference, statistic="mean", seed=seed)
    return Comparison(median, mean, wins, losses, ties, sign_test(wins, losses))
