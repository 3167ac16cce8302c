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

from isolde import __version__
from isolde.errors import InputError
from isolde.evaluation import statistics, tables
from isolde.evaluation.baselines import floors
from isolde.evaluation.candidates import Candidate
from isolde.evaluation.costs import Cost, costs_markdown, measure_costs
from isolde.evaluation.distortions import Distortion, distorted, robustness_markdown, standard
from isolde.evaluation.oracles import oracles
from isolde.evaluation.peers import peer
from isolde.evaluation.report import write_report
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
    with_costs: bool = True,
    with_report: bool = True,
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
        with_classical: also REPET-SIM and HPSS (slow).
        with_oracles: also the oracle masks at our grid.
        with_bsseval: also BSSEval v4 (extra `evaluation`, slow).
        with_costs: also time and memory of models and peers, each in a fresh process.
        with_report: also the HTML report.
        against: the candidate that the paired table compares with and that the report lets hear;
            default the first one.
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
    chosen = choose(
        models=models,
        peers=peers,
        candidates=candidates,
        with_floors=with_floors,
        with_classical=with_classical,
        with_oracles=with_oracles,
    )
    names = [candidate.name for candidate in chosen]
    base = names[0] if against is None else against
    if base not in names:
        raise InputError(f"nothing called '{base}' is measured: take one of {', '.join(names)}")
    folder = Path(output)
    results = evaluate(
        songs,
        chosen,
        results=folder / "results.jsonl",
        jobs=jobs,
        with_bsseval=with_bsseval,
        progress=progress,
    )
    costly = [candidate for candidate in chosen if candidate.kind in ("model", "peer")]
    costs = measure_costs(costly, songs[0]) if with_costs else []
    made = provenance(data, songs, command=command)
    columns = tables.COLUMNS + (tables.BSSEVAL_COLUMNS if with_bsseval else ())
    summary = summary_text(results, made=made, base=base, costs=costs, columns=columns, seed=seed)
    texts = {
        "summary.md": summary,
        "summary.json": tables.summary_json(results, seed=seed),
        "songs.csv": tables.results_csv(results),
        "run.json": json.dumps(made, indent=1) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    if with_report:
        write_report(
            folder / "report.html",
            results,
            songs=songs,
            main=chosen[names.index(base)],
            costs=costs,
            made=made,
            columns=columns,
            seed=seed,
        )
    failed = sum(result.error is not None for result in results)
    return Evaluation(results, summary, folder, failed)


def run_robustness(
    data: str | Path,
    *,
    models: Sequence[str] = (),
    peers: Sequence[str] = (),
    output: str | Path = "robustness",
    candidates: Sequence[Candidate] = (),
    distortions: Sequence[Distortion] | None = None,
    jobs: int = 1,
    limit: int | None = None,
    seed: int = statistics.SEED,
    progress: Progress | None = None,
    command: str | None = None,
) -> Evaluation:
    """Measure the same songs clean and changed, and write what each change costs in dB.

    Args:
        data: see `run`.
        models: see `run`.
        peers: see `run`.
        output: folder for `clean.jsonl`, one file per distortion, and `robustness.md`.
        candidates: see `run`.
        distortions: default those of `distortions.standard`.
        jobs: see `run`.
        limit: see `run`.
        seed: see `run`.
        progress: see `run`; counts start anew with every distortion.
        command: see `run`.

    Returns:
        The results of all changed songs and the robustness table.

    Raises:
        InputError, ModelError: see `run`.
    """
    songs = find_songs(data, limit=limit)
    chosen = choose(models=models, peers=peers, candidates=candidates)
    folder = Path(output)

    def measure(name: str, these: Sequence[Song]) -> list[Result]:
        path = folder / f"{_file_name(name)}.jsonl"
        return evaluate(these, chosen, results=path, jobs=jobs, progress=progress)

    clean = measure("clean", songs)
    changed = {
        change.name: measure(change.name, distorted(songs, change))
        for change in (standard() if distortions is None else distortions)
    }
    made = provenance(data, songs, command=command)
    text = (
        robustness_markdown(clean, changed, seed=seed)
        + "\nChange of vocals uSDR in dB: median over songs of the paired differences from the "
        "undistorted song, with its 95 % bootstrap interval.\n\n"
        + "".join(f"* {name}: `{value}`\n" for name, value in made.items())
    )
    (folder / "robustness.md").write_text(text, encoding="utf-8")
    every = [result for results in changed.values() for result in results]
    return Evaluation(every, text, folder, sum(r.error is not None for r in [*clean, *every]))


def choose(
    *,
    models: Sequence[str] = (),
    peers: Sequence[str] = (),
    candidates: Sequence[Candidate] = (),
    with_floors: bool = False,
    with_classical: bool = False,
    with_oracles: bool = False,
) -> list[Candidate]:
    """The candidates of a table, in its order; arguments as in `run`.

    Raises:
        InputError: none is asked for, or a peer is not set up.
        ModelError: a model that cannot be loaded.
    """
    chosen: list[Candidate] = []
    if models:
        from isolde.evaluation.models import model

        chosen += [model(name) for name in models]
    chosen += [*candidates, *(peer(text) for text in peers)]
    if with_floors or with_classical:
        every = floors(classical=with_classical)
        chosen += [c for c in every if with_floors or c.kind != "floor"]
    if with_oracles:
        chosen += oracles()
    if not chosen:
        raise InputError("nothing to measure: name a model or a peer")
    return chosen


def provenance(
    data: str | Path, songs: Sequence[Song], *, command: str | None = None
) -> dict[str, str]:
    """What a reader needs to make the table again: command, commit, version, data, day."""
    return {
        "command": command or " ".join(["isolde", *sys.argv[1:]]),
        "commit": _commit(),
        "isolde": __version__,
        "data": f"{Path(data).name}: {len(songs)} songs, "
        f"{len({song.artist for song in songs})} artists",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def summary_text(
    results: Sequence[Result],
    *,
    made: dict[str, str],
    base: str,
    costs: Sequence[Cost] = (),
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
    if costs:
        parts += ["One thread, a fresh process each, Python included:\n", costs_markdown(costs)]
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


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "+-" else "_" for letter in name)


def _commit() -> str:
    """The commit of the working copy that this file is in; with + when something is changed."""
    here = Path(__file__).parent
    words = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"
