"""The job behind `isolde evaluate`: names in, a folder of results and tables out; parses nothing.

It writes `results.jsonl` (resumable, one line per song and candidate), `songs.csv`, `summary.json`,
`summary.md` and `report.html`, and gives back what it measured.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import isolde
from isolde.errors import InputError
from isolde.evaluation import statistics, tables
from isolde.evaluation.baselines import floors
from isolde.evaluation.candidates import Candidate
from isolde.evaluation.peers import peer
from isolde.evaluation.runner import Progress, evaluate
from isolde.evaluation.scoring import Result
from isolde.evaluation.songs import Song, find_songs


@dataclass(frozen=True)
class Evaluation:
    """What a run measured and where it put it.

    Attributes:
        results: one per candidate and song.
        summary: the table as Markdown, with the lines that say how it was made.
        folder: where the files are.
        n_failed: results that are failures; the caller's exit code depends on it.
    """

    results: list[Result]
    summary: str
    folder: Path
    n_failed: int


def run(
    data: str | Path,
    *,
    models: Sequence[str] = (),
    peers: Sequence[str] = (),
    output: str | Path = "evaluation",
    candidates: Sequence[Candidate] = (),
    with_floors: bool = True,
    with_classical: bool = False,
    with_oracles: bool = True,
    with_bsseval: bool = False,
    against: str | None = None,
    jobs: int = 1,
    limit: int | None = None,
    seed: int = statistics.SEED,
    progress: Progress | None = None,
    command: str | None = None,
) -> Evaluation:
    """Measure models, peers, floors and oracles on songs with known stems, and write the tables.

    Args:
        data: folder in the musdb layout or manifest, see `songs.find_songs`.
        models: names of the catalogue, or paths of models.
        peers: adapters or command lines, see `peers.peer`.
        output: folder for the results; what is there already is not measured again.
        candidates: further candidates of one's own.
        with_floors: also mixture, silence and centre channel.
        with_classical: also REPET-SIM and HPSS (extra `evaluation`, slow).
        with_oracles: also the oracle masks at our grid.
        with_bsseval: also BSSEval v4 (extra `evaluation`, slow).
        against: the candidate that the paired table compares with; default the first one.
        jobs: worker processes.
        limit: at most so many songs.
        seed: of the bootstrap.
        progress: called after every result.
        command: the command line to print beside the table; default that of this process.

    Raises:
        InputError: data, names or numbers that cannot be used.
        ModelError: a model that cannot be loaded.
    """
    songs = find_songs(data, limit=limit)
    chosen = [*candidates, *(peer(text) for text in peers)]
    if models:
        from isolde.evaluation.models import model

        chosen = [*(model(name) for name in models), *chosen]
    if with_floors:
        chosen += floors(classical=with_classical)
    if with_oracles:
        from isolde.evaluation.oracles import oracles

        chosen += oracles()
    if against is not None and against not in [candidate.name for candidate in chosen]:
        raise InputError(f"nothing called '{against}' is measured: name one of the candidates")
    folder = Path(output)
    results = evaluate(
        songs,
        chosen,
        results=folder / "results.jsonl",
        jobs=jobs,
        with_bsseval=with_bsseval,
        progress=progress,
    )
    base = against or chosen[0].name
    made = provenance(data, songs, command=command)
    columns = tables.COLUMNS + (tables.BSSEVAL_COLUMNS if with_bsseval else ())
    summary = summary_text(results, made=made, base=base, columns=columns, seed=seed)
    (folder / "summary.md").write_text(summary, encoding="utf-8")
    (folder / "summary.json").write_text(tables.summary_json(results, seed=seed), encoding="utf-8")
    (folder / "songs.csv").write_text(tables.results_csv(results), encoding="utf-8")
    tables.write_parquet(results, folder / "songs.parquet")
    (folder / "run.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    failed = sum(result.error is not None for result in results)
    return Evaluation(results, summary, folder, failed)


def provenance(
    data: str | Path, songs: Sequence[Song], *, command: str | None = None
) -> dict[str, str]:
    """What a reader needs to make the table again: command, commit, version, data, day."""
    return {
        "command": command or " ".join(["isolde", *sys.argv[1:]]),
        "commit": _commit(),
        "isolde": isolde.__version__,
        "data": f"{Path(data).name}: {len(songs)} songs, "
        f"{len({song.artist for song in songs})} artists",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def summary_text(
    results: Sequence[Result],
    *,
    made: dict[str, str],
    base: str,
    columns: Sequence[tables.Column] = tables.COLUMNS,
    seed: int = statistics.SEED,
) -> str:
    """The summary as Markdown: the table, the paired table, failures, and how it was made."""
    parts = [
        tables.summary_markdown(results, columns=columns, seed=seed),
        "Median over songs, mean in brackets, 95 % bootstrap interval of the median in square "
        "brackets (songs resampled, seed "
        f"{seed}); dB unless noted; n = songs for which the metric has a meaning. The level in "
        "silence is that of the vocal estimate where the reference pauses.\n",
    ]
    comparisons = tables.paired(results, against=base, seed=seed)
    if comparisons:
        parts += [
            "Paired by song, vocals uSDR:\n",
            tables.paired_markdown(comparisons, against=base),
        ]
    failed = [result for result in results if result.error is not None]
    if failed:
        parts.append("Failed, and not in the numbers:\n")
        parts.append("".join(f"* {r.candidate}, {r.track}: {r.error}\n" for r in failed))
    parts.append("".join(f"* {name}: `{value}`\n" for name, value in made.items()))
    return "\n".join(parts)


def _commit() -> str:
    """The commit of the working copy that this file is in; with + when something is changed."""
    here = Path(__file__).parent
    words = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"
