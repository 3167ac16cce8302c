"""`isolde evaluate`: one honest table for every separator."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isolde.cli.shared import completion, terminal
from isolde.cli.shared.help import examples
from isolde.cli.shared.urls import refuse_urls
from isolde.core.names import counted
from isolde.core.programs import TIMEOUT

if TYPE_CHECKING:
    from isolde.evaluation import Evaluation


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "evaluate",
        epilog=examples(
            "isolde evaluate --data musdb18hq/test -o results",
            "isolde evaluate --data songs.csv --models vocals,open,vocals:gate --jobs 0",
            "isolde evaluate --data songs.csv --robustness # mp3, level, rooms",
        ),
    )(evaluate)


def evaluate(
    data: Annotated[
        Path, typer.Option("--data", help="Folder of songs with stems, or a manifest of them.")
    ],
    models: Annotated[
        str,
        typer.Option(
            help="Names or paths, by commas, or rules; NAME:binary reads the mask hard, NAME:gate "
            "turns pauses down; a comma alone for none.",
            autocompletion=completion.by_commas(completion.separating_models),
        ),
    ] = "vocals",
    peers: Annotated[
        list[str] | None,
        typer.Option("--peers", help="'NAME=COMMAND {input} {output}', or an adapter's folder."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds that a peer may take for a song; then it has failed.")
    ] = TIMEOUT,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of tables and report.")
    ] = Path("evaluation"),
    classical: Annotated[
        bool, typer.Option("--classical", help="REPET-SIM and HPSS as well (slow).")
    ] = False,
    bsseval: Annotated[
        bool, typer.Option("--bsseval", help="BSSEval v4 as well, with the files of museval.")
    ] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="songs.parquet as well.")] = False,
    robustness: Annotated[
        bool,
        typer.Option("--robustness", help="Instead: what mp3, gain, reverb and so on cost in dB."),
    ] = False,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler, tcp://..., for several machines."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Largest number of songs.")] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="The table alone.")] = False,
) -> None:
    """Measure models beside floors, oracles and peers, and write tables and a report.

    Results are kept as they come: the same command goes on where it was stopped. With
    --robustness the same songs are measured clean and changed, the oracle beside each candidate.
    Exit code 1 when some results are failures, 2 when all are.
    """
    from functools import partial

    from isolde.evaluation import run, run_robustness
    from isolde.evaluation.candidates.peers import peer

    if robustness and (classical or bsseval or parquet):
        raise typer.BadParameter("--robustness has a table of its own: no other columns or files")
    refuse_urls(data)
    with terminal.bars(quiet=quiet) as bar:
        task = bar.add_task("songs x candidates")
        work = partial(
            run_robustness if robustness else run,
            data,
            models=_split(models),
            candidates=[peer(text, timeout=timeout) for text in peers or ()],
            output=output,
            jobs=jobs,
            scheduler=scheduler,
            limit=limit,
            progress=lambda n, total, _: bar.update(task, completed=n, total=total),
            report=None if quiet else lambda line: terminal.say(f"isolde: left out: {line}"),
            notify=None if quiet else lambda line: terminal.say(f"isolde: {line}"),
        )
        if not robustness:
            work = partial(
                work, with_classical=classical, with_bsseval=bsseval, with_parquet=parquet
            )
        done = work()
    print(done.summary, flush=True)  # before the report, which separates songs again and may fail
    if not robustness:
        _write_report(done)
    if not quiet:
        terminal.say(f"isolde: tables, results and report are in {done.folder}")
    if done.n_failed:
        terminal.say(f"isolde: {counted(done.n_failed, 'result')} failed, see the table")
        raise typer.Exit(2 if done.n_failed == len(done.results) else 1)


def _write_report(done: "Evaluation") -> None:
    """Write the page beside the tables, where what it needs is installed."""
    from isolde.core.errors import MissingExtraError
    from isolde.figures.reports.evaluation import write_evaluation_report

    try:
        write_evaluation_report(done.folder / "report.html", done)
    except MissingExtraError as error:
        terminal.say(f"isolde: no report: {error}")


def _split(models: str) -> list[str]:
    """Names by commas; a part with "=" belongs to the options of the name before it."""
    names: list[str] = []
    for part in filter(None, models.split(",")):
        if "=" in part and ":" not in part and names:
            names[-1] += f",{part}"
        else:
            names.append(part)
    return names
