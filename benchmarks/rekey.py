"""Keep the results of an older version of the code where its numbers did not change.

    python benchmarks/rekey.py SONGS RESULTS.jsonl --models vocals,vocals-live

Measures a few songs of each candidate anew; where they score what is stored, the other songs'
results are given today's identity, so that `isolde evaluate` goes on with them.
"""

import argparse
from pathlib import Path

from isolde.evaluation.command import choose
from isolde.evaluation.rekey import rekey
from isolde.evaluation.songs import find_songs


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
