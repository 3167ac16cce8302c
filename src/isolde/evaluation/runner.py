"""Measure every candidate on every song: parallel, resumable; one bad song never stops the rest.

Results go to a file of JSON lines as they come. A stored result is reused unless it failed, or the
song's files, the candidate's identity or the metrics changed. `parallel` distributes the work, and
a result does not depend on the process that made it. Prints nothing; progress is a callback.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from isolde.core import parallel
from isolde.core.errors import InputError, IsoldeError
from isolde.core.journal import append_line, read_lines
from isolde.evaluation.candidates.candidate import Candidate
from isolde.evaluation.scoring import (
    SCORING,
    Result,
    failure,
    measuring,
    references_of,
    run_candidate,
)
from isolde.evaluation.songs import Song

_Task = tuple[Song, list[Candidate]]
Progress = Callable[[int, int, Result], None]  # results so far, results to come in all, the last


def read_results(path: str | Path) -> list[Result]:
    """Read results; of several for one song and candidate the last counts.

    A last line that was cut off (power, kill) is ignored.

    Raises:
        InputError: Another line is not a result.
    """
    latest: dict[tuple[str, str], Result] = {}
    for number, line in read_lines(path):
        try:
            result = Result.from_json(line)
        except ValueError as error:
            raise InputError(
                f"'{path}' line {number} is not a result ({error}): move the file away"
            ) from error
        latest[result.track, result.candidate] = result
    return list(latest.values())


def evaluate(
    songs: Sequence[Song],
    candidates: Sequence[Candidate],
    *,
    results: str | Path,
    jobs: int = 1,
    scheduler: str | None = None,
    with_bsseval: bool = False,
    brief: bool = False,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> list[Result]:
    """Measure every candidate on every song.

    Args:
        songs: Songs with unique track names, see `songs.find_songs`.
        candidates: Candidates with unique names; picklable when other processes do the work.
        results: File of JSON lines that is read first and then added to.
        jobs: Worker processes; 1 works in this process, 0 takes one per core.
        scheduler: Address of a Dask scheduler, whose workers then do the work; the songs' paths
            must be readable for them.
        with_bsseval: Whether to add BSSEval v4; results without it are measured anew.
        brief: Whether to compute the ratios of each stem only; such results need their own file.
        progress: Function called after every new result.
        notify: See `parallel.run`.

    Returns:
        All results of these songs and candidates, in the order of candidates, then songs; failed
        ones have `error` set.

    Raises:
        InputError: Names that repeat, no songs or candidates, jobs below 0, or a damaged file.
        IsoldeError: The scheduler cannot be reached.
        MissingExtraError: Dask is needed and not installed.
    """
    _check_unique("song", [song.track for song in songs])
    _check_unique("candidate", [candidate.name for candidate in candidates])
    path = Path(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {(result.track, result.candidate): result for result in read_results(path)}
    tasks: dict[str, _Task] = {}
    stamps = {song.track: song.stamp for song in songs}
    if scheduler is not None:  # other machines have other current folders
        songs = [song.absolute() for song in songs]
    for song in songs:
        missing = [
            candidate
            for candidate in candidates
            if not _reusable(
                known.get((song.track, candidate.name)),
                candidate,
                stamps[song.track],
                with_bsseval,
            )
        ]
        if missing:
            tasks[song.track] = (song, missing)
    n_todo, n_done = sum(len(missing) for _, missing in tasks.values()), 0

    def take(outcome: parallel.Outcome) -> None:
        nonlocal n_done
        for measured in _results(outcome, *tasks[outcome.key]):
            result = replace(measured, stamp=stamps[outcome.key])
            append_line(path, result.to_json())
            known[result.track, result.candidate] = result
            n_done += 1
            if progress is not None:
                progress(n_done, n_todo, result)

    job = partial(measure_song, with_bsseval=with_bsseval, brief=brief)
    parallel.run(job, tasks, workers=jobs, scheduler=scheduler, report=take, notify=notify)
    return [known[song.track, candidate.name] for candidate in candidates for song in songs]


def measure_song(
    task: _Task, *, with_bsseval: bool = False, brief: bool = False
) -> list[dict[str, Any]]:
    """Load one song and measure candidates on it; the unit of work of `parallel`.

    Args:
        task: The song and its candidates.
        with_bsseval: Whether to add BSSEval v4.
        brief: See `scoring.score`.

    Returns:
        A `Result.to_json` for each candidate.
    """
    song, candidates = task
    with measuring():
        stems = song.load()
        references = references_of(stems) if with_bsseval else None
        results = [
            run_candidate(c, song, stems, references=references, brief=brief) for c in candidates
        ]
    return [result.to_json() for result in results]


def _results(
    outcome: parallel.Outcome, song: Song, candidates: Sequence[Candidate]
) -> list[Result]:
    """Results of a song; its own failure becomes one of every candidate, so that counts add up."""
    if outcome.error is None:
        return [Result.from_json(value) for value in outcome.value]
    return [failure(song, candidate, IsoldeError(outcome.error)) for candidate in candidates]


def _reusable(result: Result | None, candidate: Candidate, stamp: str, with_bsseval: bool) -> bool:
    if result is None or result.error is not None:
        return False
    if (result.identity, result.stamp) != (candidate.identity, stamp):
        return False
    return result.scoring == SCORING and (not with_bsseval or "vocals_sdr_v4" in result.metrics)


def _check_unique(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{what} '{twice[0]}' is there twice: names must be unique")
    if not names:
        raise InputError(f"no {what} to measure")
