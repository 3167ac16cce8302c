"""What common damage to songs costs in dB: the same songs clean and changed; changes none itself.

Losses are paired by song: the candidate on the changed song minus the same candidate on the clean
song. The oracle's own loss stands beside them. It is what the change takes from the best possible
mask (8 kHz has fewer bins; a coded mixture is no longer the sum of its stems), and no separator can
avoid it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from isolde.core.atomic import write_text
from isolde.core.config import plain
from isolde.core.errors import InputError
from isolde.core.names import readable
from isolde.evaluation import statistics, tables
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.candidates.identity import code_digest
from isolde.evaluation.candidates.oracles import oracles
from isolde.evaluation.command import Evaluation, choose
from isolde.evaluation.distortions import CLEAN, Distortion, distorted, original, standard
from isolde.evaluation.provenance import as_list, provenance
from isolde.evaluation.runner import Progress, evaluate
from isolde.evaluation.scoring import Result
from isolde.evaluation.songs import find_songs, training_note
from isolde.evaluation.statistics import Comparison
from isolde.evaluation.summaries import METRIC

ORACLE = "power ratio"
Losses = Mapping[str, Mapping[str, Comparison]]  # distortion -> candidate -> changed minus clean


def run_robustness(
    data: str | Path,
    *,
    models: Sequence[str] = (),
    peers: Sequence[str] = (),
    output: str | Path = "robustness",
    candidates: Sequence[Candidate] = (),
    distortions: Sequence[Distortion] | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    limit: int | None = None,
    seed: int = statistics.SEED,
    progress: Progress | None = None,
    report: Callable[[str], None] | None = None,
    notify: Callable[[str], None] | None = None,
    command: str | None = None,
) -> Evaluation:
    """Measure the same songs clean and changed, and write what each change costs in dB.

    It writes `robustness.jsonl` (resumable), `robustness.md` and `robustness.json`. An oracle is
    measured beside the candidates. The other arguments are those of `command.run`.

    Args:
        data: Folder of songs or manifest, see `songs.find_songs`.
        models: Names of the catalogue, paths of models, or "rules", see `models.model`.
        peers: Adapters or command lines, see `peers.peer`.
        output: Folder for the results.
        candidates: Further candidates.
        distortions: Changes to measure; None for those of `distortions.standard`. Results are kept
            by the name of the change: give one that you edit another name.
        jobs: Worker processes; 0 takes one per core.
        scheduler: Address of a Dask scheduler whose workers do the work.
        limit: Greatest number of songs.
        seed: Seed of the bootstrap.
        progress: Function called after every result.
        report: Function called with a line for each song that is left out.
        notify: Function called with lines that a user should see at once.
        command: Command line to print below the table; default that of this process.

    Returns:
        Results with tracks named as by `distortions.distorted`, and the table as Markdown.

    Raises:
        InputError: Data, names or numbers that cannot be used.
        ModelError: A model that cannot be loaded.
    """
    chosen = choose(models=models, peers=peers, candidates=candidates)
    songs = find_songs(data, limit=limit, report=report)
    if notify and (note := training_note(songs)):
        notify(note)
    ceiling = [c for c in oracles() if ORACLE in c.name]
    mark = f"distortions {code_digest('isolde.evaluation.distortions')}"
    marked = [replace(c, identity=f"{c.identity} {mark}") for c in (*chosen, *ceiling)]
    changes = [CLEAN, *(standard() if distortions is None else distortions)]
    folder = Path(output)
    results = evaluate(
        [song for change in changes for song in distorted(songs, change)],
        marked,
        results=folder / "robustness.jsonl",
        jobs=jobs,
        scheduler=scheduler,
        brief=True,
        progress=progress,
        notify=notify,
    )
    losses = losses_of(results, seed=seed)
    parts = [
        robustness_markdown(results, losses),
        "First row: median vocals uSDR of the undistorted songs in dB. Below: what each change "
        "adds to it, the median over songs of the paired differences with its 95 % bootstrap "
        "interval; negative is lost.\n",
        as_list(provenance(data, songs, command=command)),
    ]
    text = readable("\n".join(parts))
    write_text(folder / "robustness.md", text)
    numbers = json.dumps(plain(losses), indent=1, allow_nan=False)
    write_text(folder / "robustness.json", numbers + "\n")
    return Evaluation(results, text, folder)


def losses_of(results: Sequence[Result], *, seed: int = statistics.SEED) -> Losses:
    """Compute what each change costs each candidate, paired by song.

    Args:
        results: Results of clean and changed songs, as `run_robustness` returns them.
        seed: Seed of the bootstrap.

    Raises:
        InputError: There are no clean songs to compare with.
    """
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for result in results:
        track, change = original(result.track)
        value = np.nan if result.error else result.metrics.get(METRIC, np.nan)
        scores.setdefault(change, {}).setdefault(result.candidate, {})[track] = value
    clean = scores.pop(CLEAN.name, None)
    if clean is None:
        raise InputError("no undistorted songs among the results: nothing to compare with")
    out: dict[str, dict[str, Comparison]] = {}
    for change, rows in scores.items():
        for name, values in rows.items():
            tracks = [track for track in values if track in clean.get(name, {})]
            after, before = [values[t] for t in tracks], [clean[name][t] for t in tracks]
            comparison = statistics.compare(after, before, seed=seed)
            out.setdefault(change, {})[name] = comparison
    return out


def robustness_markdown(results: Sequence[Result], losses: Losses) -> str:
    """Write the table: a row per change, a column per candidate."""
    names = list(dict.fromkeys(result.candidate for result in results))
    clean = [r for r in results if original(r.track)[1] == CLEAN.name and not r.error]
    top = ["undistorted"]
    for name in names:
        values = [r.metrics.get(METRIC, np.nan) for r in clean if r.candidate == name]
        top.append(tables.format_value(statistics.bootstrap(values).value))
    rows = [top]
    for change, row in losses.items():
        medians = (row[name].median if name in row else None for name in names)
        rows.append([change, *(tables.format_change(m) if m else "-" for m in medians)])
    return tables.markdown(["change", *names], rows)
