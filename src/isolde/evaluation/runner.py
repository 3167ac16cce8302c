"""Every candidate on every song: parallel, resumable, one bad song never stops the rest.

Results go to a file of JSON lines as they come. What is in it is not measured again, unless it
failed or the candidate's identity changed. Prints nothing; progress is a callback.
"""

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from isolde.errors import InputError
from isolde.evaluation.candidates import Candidate
from isolde.evaluation.scoring import Result, failure, run_candidate
from isolde.evaluation.songs import Song

_Task = tuple[Song, list[Candidate]]
Progress = Callable[[int, int, Result], None]  # results so far, results to come in all, the last

_DAMAGE = (ValueError, KeyError, TypeError, AttributeError)


def read_results(path: str | Path) -> list[Result]:
    """Read results; of several for one song and candidate the last counts.

    A last line that was cut off (power, kill) is ignored.

    Raises:
        InputError: another line is not a result.
    """
    file = Path(path)
    if not file.exists():
        return []
    latest: dict[tuple[str, str], Result] = {}
    lines = file.read_text(encoding="utf-8").split("\n")  # the last part is empty or cut off
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            result = Result.from_json(json.loads(line))
        except _DAMAGE as error:
            if number == len(lines):
                continue
            raise InputError(
                f"'{file}' line {number} is not a result ({error!r}): move the file away"
            ) from error
        latest[result.track, result.candidate] = result
    return list(latest.values())


def evaluate(
    songs: Sequence[Song],
    candidates: Sequence[Candidate],
    *,
    results: str | Path,
    jobs: int = 1,
    with_bsseval: bool = False,
    progress: Progress | None = None,
) -> list[Result]:
    """Measure every candidate on every song.

    Args:
        songs: with unique track names, see `songs.find_songs`.
        candidates: with unique names; picklable when `jobs` is above 1.
        results: file of JSON lines that is read first and then added to.
        jobs: worker processes; 1 works in this process.
        with_bsseval: also BSSEval v4; results without it are measured anew.
        progress: called after every new result.

    Returns:
        All results of these songs and candidates, in the order of candidates, then songs; failed
        ones have `error` set.

    Raises:
        InputError: names that repeat, no songs or candidates, jobs below 1, or a damaged file.
    """
    _check_unique("song", [song.track for song in songs])
    _check_unique("candidate", [candidate.name for candidate in candidates])
    if jobs < 1:
        raise InputError(f"jobs {jobs}: expected at least 1 process")
    path = Path(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {(result.track, result.candidate): result for result in read_results(path)}
    tasks = []
    for song in songs:
        missing = [
            candidate
            for candidate in candidates
            if not _reusable(known.get((song.track, candidate.name)), candidate, with_bsseval)
        ]
        if missing:
            tasks.append((song, missing))
    n_todo, n_done = sum(len(missing) for _, missing in tasks), 0
    _cut_partial_line(path)
    with path.open("a", encoding="utf-8") as file:
        for batch in _measured(tasks, jobs, with_bsseval):
            for result in batch:
                file.write(json.dumps(result.to_json(), allow_nan=False) + "\n")
                file.flush()
                known[result.track, result.candidate] = result
                n_done += 1
                if progress is not None:
                    progress(n_done, n_todo, result)
    return [known[song.track, candidate.name] for candidate in candidates for song in songs]


def measure_song(song: Song, candidates: Sequence[Candidate], with_bsseval: bool) -> list[Result]:
    """Load one song and measure candidates on it; the unit of work of a worker process."""
    try:
        stems = song.load()
    except Exception as error:  # reported for every candidate, so that the counts stay true
        return [failure(song, candidate, error) for candidate in candidates]
    return [run_candidate(c, song, stems, with_bsseval=with_bsseval) for c in candidates]


def _measured(tasks: Sequence[_Task], jobs: int, with_bsseval: bool) -> Iterator[list[Result]]:
    if jobs == 1:
        for song, candidates in tasks:
            yield measure_song(song, candidates, with_bsseval)
        return
    left = list(tasks)
    yield from _pooled(left, jobs, with_bsseval)
    # a worker that dies takes its pool along: what it left is tried again, one song a pool
    for task in list(left):
        alone = [task]
        yield from _pooled(alone, 1, with_bsseval)
        if alone:
            error = RuntimeError("the worker process died: out of memory, or a crash in a library")
            yield [failure(task[0], candidate, error) for candidate in task[1]]


def _pooled(left: list[_Task], jobs: int, with_bsseval: bool) -> Iterator[list[Result]]:
    """Measure tasks in a pool, taking each off `left` when it is done; a broken pool ends early."""
    context = multiprocessing.get_context("spawn")  # networks' threads do not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        futures = {pool.submit(measure_song, *task, with_bsseval): task for task in left}
        try:
            for future in as_completed(futures):
                yield future.result()
                left.remove(futures[future])
        except BrokenProcessPool:
            return
        finally:
            for future in futures:
                future.cancel()


def _reusable(result: Result | None, candidate: Candidate, with_bsseval: bool) -> bool:
    if result is None or result.error is not None or result.identity != candidate.identity:
        return False
    return not with_bsseval or "vocals_sdr_v4" in result.metrics


def _cut_partial_line(path: Path) -> None:
    """Drop what follows the last newline, so that the next line does not grow out of it."""
    if not path.exists():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def _check_unique(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{what} '{twice[0]}' is there twice: names must be unique")
    if not names:
        raise InputError(f"no {what} to measure")
