"""The job behind `isolde evaluate`: names in, a folder of results and tables out; parses nothing.

It writes `results.jsonl` and `costs.jsonl`, which a later run continues, then `songs.csv`,
`summary.json`, `summary.md` and `run.json`, and on request `songs.parquet` and `museval/`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from isolde.core.atomic import write_text
from isolde.core.errors import InputError
from isolde.core.names import readable
from isolde.core.signal.spectrum import GRID_22, Grid
from isolde.evaluation import exports, statistics, tables
from isolde.evaluation.candidates.baselines import floors
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.candidates.oracles import oracles
from isolde.evaluation.candidates.peers import peer
from isolde.evaluation.costs import Cost, measure_costs
from isolde.evaluation.metrics.bsseval import require_scipy
from isolde.evaluation.provenance import as_list, provenance
from isolde.evaluation.runner import Progress, evaluate
from isolde.evaluation.scoring import Result
from isolde.evaluation.songs import Song, find_songs, training_note


@dataclass(frozen=True)
class Evaluation:
    """Results of a run and the folder that holds them.

    Attributes:
        results: One per candidate and song.
        summary: Tables as Markdown, followed by their provenance.
        folder: Folder of the files.
        base: Name of the candidate that the paired table compares with.
        made: Provenance of the tables by name, see `provenance.provenance`.
        seed: Seed of the bootstrap.
        songs: Songs that were measured.
        main: Candidate called `base`.
        costs: Costs of models and peers.
    """

    results: list[Result]
    summary: str
    folder: Path
    base: str = ""
    made: dict[str, str] = field(default_factory=dict)
    seed: int = statistics.SEED
    songs: Sequence[Song] = ()
    main: Candidate | None = None
    costs: Sequence[Cost] = ()

    @property
    def n_failed(self) -> int:
        """Number of results that are failures."""
        return sum(result.error is not None for result in self.results)


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
    with_parquet: bool = False,
    against: str | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    limit: int | None = None,
    seed: int = statistics.SEED,
    progress: Progress | None = None,
    report: Callable[[str], None] | None = None,
    notify: Callable[[str], None] | None = None,
    command: str | None = None,
) -> Evaluation:
    """Measure models, peers, floors and oracles on songs with known stems, and write the tables.

    Args:
        data: Folder of songs or manifest, see `songs.find_songs`.
        models: Names of the catalogue, paths of models, or "rules", see `models.model`.
        peers: Adapters or command lines, see `peers.peer`.
        output: Folder for the results; results that it holds already are not measured again.
        candidates: Further candidates.
        with_floors: Whether to add mixture, silence and centre channel.
        with_classical: Whether to add REPET-SIM and HPSS (slow).
        with_oracles: Whether to add the oracle masks at the models' grids.
        with_bsseval: Whether to add BSSEval v4 (extra `evaluation`), in the table and in museval's
            files.
        with_costs: Whether to measure time and memory of models and peers, each in a new process.
        with_parquet: Whether to add `songs.parquet` (extra `parquet`).
        against: Name of the candidate that the paired table compares with and that the report
            plays; default the first one.
        jobs: Worker processes; 0 takes one per core.
        scheduler: Address of a Dask scheduler whose workers do the work.
        limit: Greatest number of songs.
        seed: Seed of the bootstrap.
        progress: Function called after every result.
        report: Function called with a line for each song that is left out.
        notify: Function called with lines that a user should see at once.
        command: Command line to print below the tables; default that of this process.

    Raises:
        InputError: Data, names or numbers that cannot be used.
        ModelError: A model that cannot be loaded.
        MissingExtraError: Something asked for needs a package that is not installed.
    """
    if with_parquet:
        exports.require_parquet()
    if with_bsseval:
        require_scipy()
    songs = find_songs(data, limit=limit, report=report)
    if notify and (note := training_note(songs)):
        notify(note)
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
        scheduler=scheduler,
        with_bsseval=with_bsseval,
        progress=progress,
        notify=notify,
    )
    costly = [candidate for candidate in chosen if candidate.kind in ("model", "peer")]
    good = {result.track for result in results if result.error is None}
    usable = next((song for song in songs if song.track in good), songs[0])
    costs = measure_costs(costly, usable, known=folder / "costs.jsonl") if with_costs else []
    made = provenance(data, songs, command=command)
    summary = summary_text(results, made=made, base=base, costs=costs, seed=seed)
    texts = {
        "summary.md": summary,
        "summary.json": exports.summary_json(results, seed=seed),
        "songs.csv": exports.results_csv(results),
        "run.json": json.dumps(made, indent=1) + "\n",
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    exports.write_museval(folder / "museval", results)
    if with_parquet:
        exports.write_parquet(folder / "songs.parquet", results)
    return Evaluation(
        results, summary, folder, base, made, seed, songs, chosen[names.index(base)], costs
    )


def choose(
    *,
    models: Sequence[str] = (),
    peers: Sequence[str] = (),
    candidates: Sequence[Candidate] = (),
    with_floors: bool = False,
    with_classical: bool = False,
    with_oracles: bool = False,
) -> list[Candidate]:
    """Choose the candidates of a table, in its order; arguments as in `run`.

    Raises:
        InputError: None is asked for, or a peer is not set up.
        ModelError: A model that cannot be loaded.
    """
    chosen: list[Candidate] = []
    grids: list[Grid] = []
    if models:
        from isolde.evaluation.candidates.models import grid_of, model

        chosen += [model(name) for name in models]
        grids = [grid_of(name) for name in models]
    chosen += [*candidates, *(peer(text) for text in peers)]
    if with_floors or with_classical:
        every = floors(classical=with_classical)
        chosen += [c for c in every if with_floors or c.kind != "floor"]
    if with_oracles:
        chosen += oracles(grids or [GRID_22])
    if not chosen:
        raise InputError("nothing to measure: name a model or a peer")
    return chosen


def summary_text(
    results: Sequence[Result],
    *,
    made: dict[str, str],
    base: str,
    costs: Sequence[Cost] = (),
    seed: int = statistics.SEED,
) -> str:
    """Write the summary as Markdown: tables, what they mean, failures, how they were made."""
    parts = []
    for table in tables.every_table(results, base=base, costs=costs, seed=seed):
        parts += [f"## {table.heading}\n", table.markdown(), f"{table.note}\n"]
    failed = [result for result in results if result.error is not None]
    if failed:
        parts.append("Failed, and not in the numbers:\n")
        parts.append("".join(f"* {line}\n" for line in _failures(results)))
    if lost := [cost for cost in costs if cost.error is not None]:
        parts.append("Costs that could not be measured:\n")
        parts.append("".join(f"* {cost.candidate}: {cost.error}\n" for cost in lost))
    parts.append(as_list(made))
    return readable("\n".join(parts))


def _failures(results: Sequence[Result]) -> Iterator[str]:
    """Lines of failures, one per song and error: a song that cannot be read fails for all."""
    every = {result.candidate for result in results}
    failed: dict[tuple[str, str], list[str]] = {}
    for result in results:
        if result.error is not None:
            failed.setdefault((result.track, result.error), []).append(result.candidate)
    for (track, error), names in failed.items():
        who = "all candidates" if set(names) == every and len(every) > 1 else ", ".join(names)
        yield f"{who}, {track}: {error}"
