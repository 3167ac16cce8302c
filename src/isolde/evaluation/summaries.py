"""Summarise results over songs: medians, means and paired comparisons; draws no table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from isolde.evaluation import statistics
from isolde.evaluation.metrics.detection import ActivityScores
from isolde.evaluation.metrics.voicing import pooled_scores
from isolde.evaluation.scoring import Result
from isolde.evaluation.statistics import Comparison, Interval

KIND_ORDER = ("model", "peer", "floor", "oracle")
METRIC = "vocals_usdr"
"""Metric by which candidates are compared and songs are ranked."""


@dataclass(frozen=True)
class Summary:
    """One candidate over all songs.

    Attributes:
        candidate: Name of the candidate.
        kind: Its kind.
        n_songs: Songs measured.
        n_failed: Songs on which it failed.
        medians: Metric -> median over songs with its interval.
        means: Metric -> mean over songs with its interval.
        speed: Median over songs of audio seconds per CPU second, with its interval.
    """

    candidate: str
    kind: str
    n_songs: int
    n_failed: int
    medians: dict[str, Interval]
    means: dict[str, Interval]
    speed: Interval


def by_candidate(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Group results by candidate: models, peers, floors, oracles, each in the order first seen."""
    groups: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: _rank(result.kind)):
        groups.setdefault(result.candidate, []).append(result)
    return groups


def summarise(results: Sequence[Result], *, seed: int = statistics.SEED) -> list[Summary]:
    """Summarise each candidate, in the order of `by_candidate`."""
    out = []
    for name, rows in by_candidate(results).items():
        good = [row for row in rows if row.error is None]
        keys = list(dict.fromkeys(key for row in good for key in row.metrics))
        columns = {key: [row.metrics.get(key, math.nan) for row in good] for key in keys}
        medians = {k: statistics.bootstrap(v, seed=seed) for k, v in columns.items()}
        means = {
            k: statistics.bootstrap(v, statistic="mean", seed=seed) for k, v in columns.items()
        }
        speed = statistics.bootstrap([row.speed for row in good], seed=seed)
        out.append(
            Summary(name, rows[0].kind, len(good), len(rows) - len(good), medians, means, speed)
        )
    return out


def paired(
    results: Sequence[Result], *, against: str, seed: int = statistics.SEED
) -> dict[str, Comparison]:
    """Compare every other candidate with one by METRIC, on the songs that both have.

    Args:
        results: Results of several candidates.
        against: Name of the candidate that the others are compared with.
        seed: Seed of the bootstrap.

    Returns:
        Candidate -> comparison (candidate minus `against`).
    """
    by: dict[str, dict[str, float]] = {}
    for result in results:
        if result.error is None:
            by.setdefault(result.candidate, {})[result.track] = result.metrics.get(METRIC, math.nan)
    base = by.get(against, {})
    out = {}
    for name, scores in by.items():
        shared = [track for track in scores if track in base]
        if name != against and shared:
            a, b = [scores[t] for t in shared], [base[t] for t in shared]
            out[name] = statistics.compare(a, b, seed=seed)
    return out


def activity_of(results: Sequence[Result]) -> dict[str, ActivityScores]:
    """Score the voice activity of each candidate over the blocks of all its songs together."""
    out = {}
    for name, rows in by_candidate(results).items():
        songs = [row.voicing for row in rows]  # empty for a failure
        if any(song.labels for song in songs):
            out[name] = pooled_scores(songs)
    return out


def _rank(kind: str) -> int:
    return KIND_ORDER.index(kind) if kind in KIND_ORDER else len(KIND_ORDER)
