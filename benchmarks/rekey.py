"""Keep the results of an older version of the code where its numbers did not change.

    python benchmarks/rekey.py SONGS RESULTS.jsonl --models vocals,vocals-live

A change of the code that separates changes every identity, and all results would be measured again.
This program measures a few songs of each candidate. Where their scores are the stored ones, all its
stored results get the identity of today's code, so that `isolde evaluate` reuses them; where a
single number differs, none does. Results from before songs had stamps get those of today; results
of files that changed since are left alone.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from isolde.core.atomic import write_text
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.command import choose
from isolde.evaluation.runner import read_results
from isolde.evaluation.scoring import Result, run_candidate
from isolde.evaluation.songs import Song, find_songs

TOLERANCE = 1e-3
"""Greatest difference of a metric, in its own unit: rounding on another machine, and no more."""


@dataclass(frozen=True)
class Rekeyed:
    """What became of the results of one candidate.

    Attributes:
        candidate: Name of the candidate.
        n_results: Number of results that got the new identity.
        checked: Songs that were measured anew.
        worst: Greatest difference of a metric on them.
    """

    candidate: str
    n_results: int
    checked: tuple[str, ...]
    worst: float


def rekey(
    path: str | Path, songs: Sequence[Song], candidates: Sequence[Candidate], *, check: int = 3
) -> list[Rekeyed]:
    """Give stored results the identity of today's code where a few songs score the same.

    Args:
        path: File of results of `runner.evaluate`; replaced as a whole.
        songs: Songs that they are of.
        candidates: Candidates of today.
        check: Number of songs to measure anew for each candidate, spread over those stored.

    Returns:
        What became of each candidate that has results under another identity.

    Raises:
        InputError: The file is damaged.
        AudioError: A song cannot be read.
    """
    stored, by_track = read_results(path), {song.track: song for song in songs}
    done = []
    for candidate in candidates:
        old = [
            result
            for result in stored
            if result.candidate == candidate.name
            and result.error is None
            and result.track in by_track
            and result.stamp in ("", by_track[result.track].stamp)
            and not (result.stamp and result.identity == candidate.identity)
        ]
        n = min(max(1, check), len(old))
        if not n:
            continue
        sample = [old[i * len(old) // n] for i in range(n)]
        worst = max(_difference(result, candidate, by_track[result.track]) for result in sample)
        same = {id(result) for result in old} if worst <= TOLERANCE else set()
        stored = [
            replace(r, identity=candidate.identity, stamp=by_track[r.track].stamp)
            if id(r) in same
            else r
            for r in stored
        ]
        checked = tuple(result.track for result in sample)
        done.append(Rekeyed(candidate.name, len(same), checked, worst))
    lines = (json.dumps(result.to_json(), allow_nan=False) + "\n" for result in stored)
    write_text(path, "".join(lines))
    return done


def _difference(old: Result, candidate: Candidate, song: Song) -> float:
    """The greatest difference between what is stored and what the song scores now."""
    new = run_candidate(candidate, song, song.load(), brief=True)
    if new.error is not None:
        return math.inf
    return max((_apart(old.metrics, name, value) for name, value in new.metrics.items()), default=0)


def _apart(old: Mapping[str, float], name: str, value: float) -> float:
    before = old.get(name, math.nan)
    if math.isnan(before) or math.isnan(value):
        return 0.0 if math.isnan(before) == math.isnan(value) else math.inf
    return abs(before - value)


def main() -> None:
    """Check, then rewrite the file of results."""
    parser = argparse.ArgumentParser(description="Give old results the identity of today's code.")
    parser.add_argument("songs", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--models", default="vocals")
    parser.add_argument("--check", type=int, default=3, help="songs to measure anew")
    asked = parser.parse_args()
    chosen = choose(
        models=asked.models.split(","), with_floors=True, with_classical=True, with_oracles=True
    )
    for done in rekey(asked.results, find_songs(asked.songs), chosen, check=asked.check):
        said = f"{done.n_results} results kept" if done.n_results else "measure it anew"
        print(f"{done.candidate}: {said} ({len(done.checked)} songs, at most {done.worst:.4f} off)")


if __name__ == "__main__":
    main()
